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

export interface SlackOptions {
  /** The signing secret of the app. */
  readonly secret: Secrets;
  /** How old a request may be, and how far ahead. Default 5 minutes. */
  readonly toleranceMs?: number;
}

/**
 * Slack: `X-Slack-Signature` over `v0`, `X-Slack-Request-Timestamp` and the body. Only the Events API gives events ids.
 * https://docs.slack.dev/authentication/verifying-requests-from-slack
 */
export function slack({ secret, toleranceMs = REPLAY_TOLERANCE_MS }: SlackOptions): SignatureScheme {
  const keys = textKeys(secretsFrom(secret));
  return {
    name: 'slack',
    proofHeader: 'x-slack-signature',
    verify(headers, body, nowMs) {
      const value = signedHeader(headers, 'x-slack-signature');
      const timestamp = signedHeader(headers, 'x-slack-request-timestamp');
      const signature = value.startsWith('v0=') ? fromHex(value.slice('v0='.length)) : undefined;
      if (signature === undefined) throw malformed('x-slack-signature', 'v0=… in hex');
      checkTimestamp('x-slack-request-timestamp', timestamp, { nowMs, toleranceMs });
      checkMatch([signature], hmacsOf(keys, [`v0:${timestamp}:`, body]));
    },
    idOf: (_headers, body) => bodyMember(body, 'event_id'),
    typeOf: (_headers, body) => bodyMember(body, 'type'),
  };
}
