import { REPLAY_TOLERANCE_MS } from '../limits.ts';
import { secretsFrom, type Secrets } from './secret.ts';
import {
  checkMatch,
  checkTimestamp,
  fromBase64,
  fromHex,
  headerOf,
  hmacsOf,
  malformed,
  signedHeader,
  textKeys,
  type HmacAlgorithm,
  type SignatureScheme,
} from './signature.ts';

export interface HmacOptions {
  readonly secret: Secrets;
  /** The header with the signature. */
  readonly header: string;
  /** Default: `sha256`. */
  readonly algorithm?: HmacAlgorithm;
  /** Default: `hex`. */
  readonly encoding?: 'hex' | 'base64';
  /** What stands before the signature, as `sha256=`. */
  readonly prefix?: string;
  /** A header with a time in seconds. What is signed is then the time, a full stop and the body. */
  readonly timestampHeader?: string;
  /** With a `timestampHeader`: how old a request may be, and how far ahead. Default 5 minutes. */
  readonly toleranceMs?: number;
  /** Headers with the event's id and type, if the sender has any. They are not signed. */
  readonly idHeader?: string;
  readonly typeHeader?: string;
}

/**
 * A plain HMAC of the body in a header, as many senders have it.
 *
 * @throws {TypeError} for a header that there cannot be
 */
export function hmac(options: HmacOptions): SignatureScheme {
  const {
    header,
    algorithm = 'sha256',
    encoding = 'hex',
    prefix = '',
    timestampHeader,
    idHeader,
    typeHeader,
  } = options;
  const keys = textKeys(secretsFrom(options.secret));
  for (const name of [header, timestampHeader, idHeader, typeHeader]) {
    // It throws for a name that no header can have: now is better than with each request.
    if (name !== undefined) new Headers().has(name);
  }
  const decode = encoding === 'hex' ? fromHex : fromBase64;
  return {
    name: 'hmac',
    proofHeader: header,
    verify(headers, body, nowMs) {
      const value = signedHeader(headers, header);
      const signature = value.startsWith(prefix) ? decode(value.slice(prefix.length)) : undefined;
      if (signature === undefined) throw malformed(header, `${prefix}… in ${encoding}`);
      const message: (string | Uint8Array)[] = [body];
      if (timestampHeader !== undefined) {
        const timestamp = signedHeader(headers, timestampHeader);
        const { toleranceMs = REPLAY_TOLERANCE_MS } = options;
        checkTimestamp(timestampHeader, timestamp, { nowMs, toleranceMs });
        message.unshift(`${timestamp}.`);
      }
      checkMatch([signature], hmacsOf(keys, message, algorithm));
    },
    idOf: (headers) => (idHeader === undefined ? undefined : headerOf(headers, idHeader)),
    typeOf: (headers) => (typeHeader === undefined ? undefined : headerOf(headers, typeHeader)),
  };
}
