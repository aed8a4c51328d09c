// What the presets share: how a request shows that it comes from who it says. Each is over the raw body, since a body that was
// parsed and written again is another.
//
// G1. A request passes only with a signature that one of the secrets has made over its body, and, where the scheme has a
//     timestamp, over one within the window of now, into the past and into the future.
// G2. Signatures are compared in constant time, and all of them with all secrets: the time tells nothing of either.
// G3. No error says anything of a secret, of the signature that was expected, or of the one that came.

import { createHmac, timingSafeEqual } from 'node:crypto';
import { SignatureError } from '../errors.ts';
import { SIGNATURE_HEADER_LENGTH_MAX, SIGNATURES_MAX } from '../limits.ts';
import type { Secret } from './secret.ts';

/** A way to sign requests. */
export interface SignatureScheme {
  /** As in lists and logs: `github`. */
  readonly name: string;
  /** The header that shows who sends: it is not kept with the event, whose readers could send as this sender else. */
  readonly proofHeader: string;
  /** @throws {SignatureError} when the request does not pass */
  verify(headers: Headers, body: Uint8Array, nowMs: number): void;
  /** The id that the sender gave the event, the same each time that it sends it; undefined when there is none. */
  idOf(headers: Headers, body: Uint8Array): string | undefined;
  /** What kind of event it is, in the words of the sender. */
  typeOf(headers: Headers, body: Uint8Array): string | undefined;
}

/**
 * A header that has to be there.
 *
 * @throws {SignatureError}
 */
export function signedHeader(headers: Headers, name: string): string {
  const value = headers.get(name) ?? '';
  if (value === '') throw new SignatureError('missing', `the header ${name} is missing`);
  if (value.length > SIGNATURE_HEADER_LENGTH_MAX)
    throw malformed(name, `at most ${SIGNATURE_HEADER_LENGTH_MAX} characters long`);
  return value;
}

export function malformed(header: string, expected: string): SignatureError {
  return new SignatureError('malformed', `the header ${header} is not ${expected}`);
}

/**
 * Checks a time in seconds against the window around now.
 *
 * @throws {SignatureError}
 */
export function checkTimestamp(header: string, seconds: string, window: { nowMs: number; toleranceMs: number }): void {
  if (!/^(?:0|[1-9]\d{0,10})$/.test(seconds)) throw malformed(header, 'a time in seconds');
  const ageMs = window.nowMs - Number(seconds) * 1_000;
  const toleranceS = window.toleranceMs / 1_000;
  if (ageMs > window.toleranceMs) throw new SignatureError('too-old', `the request is more than ${toleranceS} s old`);
  if (ageMs < -window.toleranceMs)
    throw new SignatureError('too-new', `the request is more than ${toleranceS} s ahead of the clock`);
}

/** Hashes that HMACs are made with. */
export type HmacAlgorithm = 'sha256' | 'sha384' | 'sha512';

/** The HMACs of a message, one for each key. */
export function hmacsOf(
  keys: readonly (Uint8Array | string)[],
  message: readonly (Uint8Array | string)[],
  algorithm: HmacAlgorithm = 'sha256',
): readonly Buffer[] {
  return keys.map((key) => {
    const sum = createHmac(algorithm, key);
    for (const part of message) sum.update(part);
    return sum.digest();
  });
}

/**
 * Checks that one of what was shown is one of what was expected.
 *
 * @throws {SignatureError}
 */
export function checkMatch(shown: readonly Uint8Array[], expected: readonly Uint8Array[]): void {
  if (shown.length > SIGNATURES_MAX)
    throw new SignatureError('malformed', `a request has at most ${SIGNATURES_MAX} signatures`);
  let matches = false;
  for (const one of shown) {
    for (const other of expected) {
      // The lengths are those of the scheme, known to everybody.
      if (one.length === other.length && timingSafeEqual(one, other)) matches = true;
    }
  }
  if (!matches)
    throw new SignatureError('mismatch', 'no signature of the request fits its body and a secret that is known here');
}

/** The keys as the bytes of the secrets' texts. */
export function textKeys(secrets: readonly Secret[]): readonly string[] {
  return secrets.map((secret) => secret.reveal());
}

/** Bytes from hexadecimal digits; undefined when there is anything else. */
export function fromHex(text: string): Buffer | undefined {
  return text.length % 2 === 0 && /^[\da-f]+$/i.test(text) ? Buffer.from(text, 'hex') : undefined;
}

/** Bytes from base64; undefined when there is anything else. */
export function fromBase64(text: string): Buffer | undefined {
  return text.length % 4 === 0 && /^[A-Za-z0-9+/]+={0,2}$/.test(text) ? Buffer.from(text, 'base64') : undefined;
}

/** A member of a body that is a JSON object, if it is a string that is not empty. */
export function bodyMember(body: Uint8Array, name: string): string | undefined {
  let value: unknown;
  try {
    value = JSON.parse(Buffer.from(body.buffer, body.byteOffset, body.byteLength).toString());
  } catch {
    // Who reads the event says what is wrong with its body.
    return undefined;
  }
  if (typeof value !== 'object' || value === null || !Object.hasOwn(value, name)) return undefined;
  const member = (value as Record<string, unknown>)[name];
  return typeof member === 'string' && member !== '' ? member : undefined;
}

/** A header that may be there. */
export function headerOf(headers: Headers, name: string): string | undefined {
  const value = headers.get(name);
  return value === null || value === '' ? undefined : value;
}
