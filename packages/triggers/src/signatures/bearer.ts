import { createHash } from 'node:crypto';
import { secretsFrom, type Secrets } from './secret.ts';
import { checkMatch, malformed, signedHeader, type SignatureScheme } from './signature.ts';

/** A token in `Authorization: Bearer …`. It says who sends, and nothing of the body. */
export function bearer({ token }: { readonly token: Secrets }): SignatureScheme {
  // Digests have one length, whatever the tokens have.
  const expected = secretsFrom(token).map((secret) => digestOf(secret.reveal()));
  return {
    name: 'bearer',
    proofHeader: 'authorization',
    verify(headers) {
      const shown = /^Bearer +(\S+)$/i.exec(signedHeader(headers, 'authorization'))?.[1];
      if (shown === undefined) throw malformed('authorization', 'Bearer and a token');
      checkMatch([digestOf(shown)], expected);
    },
    idOf: () => undefined,
    typeOf: () => undefined,
  };
}

function digestOf(text: string): Buffer {
  return createHash('sha256').update(text).digest();
}
