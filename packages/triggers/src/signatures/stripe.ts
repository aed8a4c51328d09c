import { REPLAY_TOLERANCE_MS } from '../limits.ts';
import { secretsFrom, type Secrets } from './secret.ts';
import {
  bodyMember,
  checkMatch,
  checkTimestamp,
  fromHex,
  hmacsOf,
  malformed,
  signedHeader,
  textKeys,
  type SignatureScheme,
} from './signature.ts';

export interface StripeOptions {
  /** The signing secret of the endpoint, `whsec_…`. */
  readonly secret: Secrets;
  /** How old a request may be, and how far ahead. Default 5 minutes. */
  readonly toleranceMs?: number;
}

/**
 * Stripe: `Stripe-Signature: t=…,v1=…`, over the time and the body.
 * https://docs.stripe.com/webhooks#verify-manually
 */
export function stripe({ secret, toleranceMs = REPLAY_TOLERANCE_MS }: StripeOptions): SignatureScheme {
  const keys = textKeys(secretsFrom(secret));
  return {
    name: 'stripe',
    proofHeader: 'stripe-signature',
    verify(headers, body, nowMs) {
      const parts = signedHeader(headers, 'stripe-signature').split(',');
      const [timestamp, ...others] = valuesOf(parts, 't');
      const signatures = valuesOf(parts, 'v1').map(fromHex);
      if (timestamp === undefined || others.length > 0 || signatures.length === 0 || signatures.includes(undefined))
        throw malformed('stripe-signature', 't=…,v1=… in hex');
      checkTimestamp('stripe-signature', timestamp, { nowMs, toleranceMs });
      checkMatch(signatures as Buffer[], hmacsOf(keys, [`${timestamp}.`, body]));
    },
    idOf: (_headers, body) => bodyMember(body, 'id'),
    typeOf: (_headers, body) => bodyMember(body, 'type'),
  };
}

function valuesOf(parts: readonly string[], name: string): readonly string[] {
  return parts.filter((part) => part.startsWith(`${name}=`)).map((part) => part.slice(name.length + 1));
}
