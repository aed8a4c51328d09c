import { hmac } from './hmac.ts';
import type { Secrets } from './secret.ts';
import type { SignatureScheme } from './signature.ts';

/**
 * GitHub: `X-Hub-Signature-256` over the body. It signs neither a time nor the id of the delivery: who has seen a request can
 * send it again under another id.
 * https://docs.github.com/en/webhooks/using-webhooks/validating-webhook-deliveries
 */
export function github({ secret }: { readonly secret: Secrets }): SignatureScheme {
  const scheme = hmac({
    secret,
    header: 'x-hub-signature-256',
    prefix: 'sha256=',
    idHeader: 'x-github-delivery',
    typeHeader: 'x-github-event',
  });
  return { ...scheme, name: 'github' };
}
