import { checkPayload as checkCodec, PayloadError, payloadText } from '@troupe/actors';
import { PAGE_BYTES_MAX, PAYLOAD_BYTES_MAX } from './limits.ts';

/**
 * Checks that a value survives the codec and is not too large for one.
 *
 * @throws {PayloadError} with the path of the part that does not survive
 */
export function checkPayload(value: unknown, what: string): void {
  if (typeof value === 'object' || typeof value === 'string') checkedBytes(value, what);
  else checkCodec(value, what);
}

/**
 * As {@link checkPayload}; gives about as many bytes as it takes.
 *
 * @throws {PayloadError}
 */
export function checkedBytes(value: unknown, what: string): number {
  checkCodec(value, what);
  const bytes = bytesOf(value, 0);
  if (bytes > PAYLOAD_BYTES_MAX) throw new PayloadError(what, '', `it is larger than ${PAYLOAD_BYTES_MAX} bytes`);
  return bytes;
}

/** About as many bytes as it takes. */
export function payloadBytes(value: unknown): number {
  return bytesOf(value, 0);
}

/** About as many bytes as it takes, and more than the limit as soon as it is over that. The value has no cycles. */
function bytesOf(value: unknown, before: number): number {
  if (typeof value === 'string') return before + (value.length < 1_024 ? value.length + 1 : Buffer.byteLength(value));
  if (typeof value !== 'object' || value === null) return before + 1;
  if (value instanceof Uint8Array) return before + value.byteLength;
  let bytes = before + 1;
  if (Array.isArray(value)) {
    for (const part of value) if ((bytes = bytesOf(part, bytes)) > PAYLOAD_BYTES_MAX) return bytes;
    return bytes;
  }
  for (const key in value) {
    bytes = bytesOf((value as Record<string, unknown>)[key], bytes + key.length + 1);
    if (bytes > PAYLOAD_BYTES_MAX) return bytes;
  }
  return bytes;
}

/**
 * Cuts what travels to another host into messages: none of more than `lengthMax` items, none much larger than
 * `PAGE_BYTES_MAX` unless a single item is. Nothing is one empty page.
 *
 * @param valueOf what makes an item large
 */
export function pagesOf<T>(items: readonly T[], valueOf: (item: T) => unknown, lengthMax: number): readonly T[][] {
  let page: T[] = [];
  const pages = [page];
  let bytes = 0;
  for (const item of items) {
    const itemBytes = bytesOf(valueOf(item), 0);
    if (page.length === lengthMax || (page.length > 0 && bytes + itemBytes > PAGE_BYTES_MAX)) {
      pages.push((page = []));
      bytes = 0;
    }
    page.push(item);
    bytes += itemBytes;
  }
  return pages;
}

/** Characters of a value as JSON, or of the text that it came as. */
export function jsonLengthOf(value: unknown): number {
  return payloadText(value)?.length ?? 0;
}
