// https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md

import { createPublicKey, KeyObject, verify } from 'node:crypto';
import { SecretError } from '../errors.ts';
import { REPLAY_TOLERANCE_MS, SIGNATURES_MAX } from '../limits.ts';
import { secretsFrom, type Secret, type Secrets } from './secret.ts';
import {
  bodyMember,
  checkMatch,
  checkTimestamp,
  fromBase64,
  headerOf,
  hmacsOf,
  malformed,
  signedHeader,
  type SignatureScheme,
} from './signature.ts';

export interface StandardWebhooksOptions {
  /** As the sender shows it: `whsec_…` for a shared secret (v1), `whpk_…` for its public key (v1a). */
  readonly secret: Secrets;
  /** How old a request may be, and how far ahead. Default 5 minutes. */
  readonly toleranceMs?: number;
}

/** Standard Webhooks: the headers `webhook-id`, `webhook-timestamp` and `webhook-signature`. */
export function standardWebhooks({
  secret,
  toleranceMs = REPLAY_TOLERANCE_MS,
}: StandardWebhooksOptions): SignatureScheme {
  const keys = secretsFrom(secret).map(keyOf);
  const sharedKeys = keys.filter((key) => key instanceof Uint8Array);
  const publicKeys = keys.filter((key) => key instanceof KeyObject);
  return {
    name: 'standard-webhooks',
    proofHeader: 'webhook-signature',
    verify(headers, body, nowMs) {
      const id = signedHeader(headers, 'webhook-id');
      const timestamp = signedHeader(headers, 'webhook-timestamp');
      const signatures = signedHeader(headers, 'webhook-signature').split(' ');
      // With one in it, id and time could be read out of another message's body.
      if (id.includes('.')) throw malformed('webhook-id', 'an id without full stops');
      if (signatures.length > SIGNATURES_MAX)
        throw malformed('webhook-signature', `at most ${SIGNATURES_MAX} signatures`);
      const shared = signaturesOf(signatures, 'v1');
      const published = signaturesOf(signatures, 'v1a');
      if (shared.length + published.length === 0)
        throw malformed('webhook-signature', 'a list of v1,… or v1a,… in base64');
      checkTimestamp('webhook-timestamp', timestamp, { nowMs, toleranceMs });
      const message = Buffer.concat([Buffer.from(`${id}.${timestamp}.`), body]);
      // Public keys are no secret: how long these take tells nothing.
      if (published.some((signature) => publicKeys.some((key) => verify(null, message, key, signature)))) return;
      checkMatch(shared, hmacsOf(sharedKeys, [message]));
    },
    idOf: (headers) => headerOf(headers, 'webhook-id'),
    typeOf: (_headers, body) => bodyMember(body, 'type'),
  };
}

/** Of one version; those of others may come beside them. */
function signaturesOf(signatures: readonly string[], version: string): readonly Buffer[] {
  return signatures
    .filter((signature) => signature.startsWith(`${version},`))
    .map((signature) => fromBase64(signature.slice(version.length + 1)))
    .filter((bytes) => bytes !== undefined);
}

function keyOf(secret: Secret): Uint8Array | KeyObject {
  const text = secret.reveal();
  const [, prefix = '', base64 = ''] = /^(whsec_|whpk_|whsk_)?(.*)$/s.exec(text) ?? [];
  if (prefix === 'whsk_')
    throw new SecretError('the secret is the private key of a sender (whsk_…); its public key (whpk_…) is expected');
  const bytes = fromBase64(base64);
  if (bytes === undefined) throw new SecretError('the secret is base64, most often after whsec_, and this one is not');
  if (prefix !== 'whpk_') return bytes;
  if (bytes.length !== 32) throw new SecretError(`a public key (whpk_…) has 32 bytes, this one has ${bytes.length}`);
  return createPublicKey({ key: { kty: 'OKP', crv: 'Ed25519', x: bytes.toString('base64url') }, format: 'jwk' });
}
