// The bytes of a message as the value that a workflow gets, by the media type alone: whether an event came in CloudEvents'
// structured or binary mode, its data is the same.

import { checkPayload, jsonDepth, jsonErrorPosition, PayloadError } from '@troupe/actors';
import { EventFormatError } from './errors.ts';
import { JSON_DEPTH_MAX } from './limits.ts';
import type { MediaType } from './media-type.ts';

/**
 * JSON as its value, text as a string, anything else as bytes.
 *
 * @throws {EventFormatError} when the bytes are not what the media type says
 */
export function dataOf(bytes: Uint8Array, { kind, charset }: MediaType): unknown {
  switch (kind) {
    case 'json':
      return jsonOf(bytes, 'the data').value;
    case 'text':
      return textOf(bytes, charset ?? 'utf-8', 'the data');
    case 'bytes':
      return bytes;
  }
}

/**
 * Bytes as JSON, with the text that they are.
 *
 * @throws {EventFormatError} with the position of what is wrong
 */
export function jsonOf(bytes: Uint8Array, what: string): { readonly value: unknown; readonly text: string } {
  const text = textOf(bytes, 'utf-8', what).replace(/^\ufeff/, '');
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw new EventFormatError(`${what} is not JSON: ${jsonProblem(text)}`, { cause: error });
  }
  if (typeof value === 'object' && jsonDepth(text) > JSON_DEPTH_MAX)
    throw new EventFormatError(`${what} is nested deeper than ${JSON_DEPTH_MAX} levels`);
  return { value, text };
}

function jsonProblem(text: string): string {
  if (text.trim() === '') return 'it is empty';
  const { offset, line, column } = jsonErrorPosition(text);
  const found = offset >= text.length ? 'it ends too early' : `unexpected ${JSON.stringify(text[offset])}`;
  return `${found} at line ${line}, column ${column}`;
}

/** Decoders for the charset that nearly all texts have. */
const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

function textOf(bytes: Uint8Array, charset: string, what: string): string {
  let decoder = utf8;
  if (!/^utf-?8$/i.test(charset)) {
    try {
      decoder = new TextDecoder(charset, { fatal: true, ignoreBOM: true });
    } catch (error) {
      throw new EventFormatError(`the charset ${JSON.stringify(charset.slice(0, 64))} is not known`, { cause: error });
    }
  }
  try {
    return decoder.decode(bytes);
  } catch (error) {
    throw new EventFormatError(`${what} is not ${charset.toUpperCase()}`, { cause: error });
  }
}

/**
 * Bytes from base64 (RFC 4648, section 4) and nothing else.
 *
 * @throws {EventFormatError}
 */
export function bytesOf(base64: unknown, what: string): Uint8Array {
  const isBase64 = typeof base64 === 'string' && base64.length % 4 === 0 && /^[A-Za-z0-9+/]*={0,2}$/.test(base64);
  const bytes = isBase64 ? Buffer.from(base64, 'base64') : undefined;
  // Bits that padding leaves over are zero, or two texts would be the same bytes.
  if (bytes === undefined || bytes.toString('base64') !== base64)
    throw new EventFormatError(`${what} is a string of base64, got ${described(base64)}`);
  return bytes;
}

/**
 * Whether it can be stored, and so be the input of a workflow or stand in a dead letter.
 *
 * @throws {EventFormatError}
 */
export function checkStorable(value: unknown, what: string): void {
  try {
    checkPayload(value, what);
  } catch (error) {
    if (!(error instanceof PayloadError)) throw error;
    throw new EventFormatError(error.message, { cause: error });
  }
}

/** A value as a message for people shows it. */
export function described(value: unknown): string {
  if (typeof value === 'string') return JSON.stringify(value.length > 64 ? `${value.slice(0, 64)}…` : value);
  if (typeof value === 'object' && value !== null) return Array.isArray(value) ? 'an array' : 'an object';
  return JSON.stringify(value) ?? 'nothing';
}
