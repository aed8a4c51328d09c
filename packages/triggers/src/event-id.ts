// The names that follow from an event. Events with the same source and id have the same names, on every host and for good:
// these functions never change.
//
// N1. No two events share an instance id or a key but by a collision of SHA-256 (of 130 bits of it, for ids).
// N2. What is made here passes the rules for instance ids, keys and tags, whatever the event's source and id are.

import { createHash } from 'node:crypto';
import { canonicalJson } from './canonical-json.ts';
import { TAG_LENGTH_MAX } from './limits.ts';

/** Keys of paths and of stores hold this in any case, with room for what children add. */
const DEFAULT_ID_BYTES_MAX = 128;
/** 130 bits: nobody finds two of the same. */
const HASH_LENGTH = 26;

/**
 * The instance id of an event that no mapping names: `source/id`, with every byte outside of `A-Z a-z 0-9 _ . -` as `=XX`, if
 * that has up to 128 bytes and the id no `/` of its own; else `ce-` and a hash of both.
 */
export function defaultInstanceId(source: string, id: string): string {
  const readable = id.includes('/') ? undefined : escaped(`${source}/${id}`);
  return readable !== undefined && readable.length <= DEFAULT_ID_BYTES_MAX ? readable : `ce-${shortHash(source, id)}`;
}

/** The key that makes a deed (as the start of a workflow) happen once per event, whatever trigger and transport it came by. */
export function eventKey(source: string, id: string, deed: string): string {
  return digest(source, id, deed).toString('hex');
}

/** The id of an event that came without one: a hash of its data, as JSON has it in RFC 8785; of the bytes of binary data. */
export function contentId(data: unknown): string {
  return shortHash(data instanceof Uint8Array ? data : data === undefined ? '' : canonicalJson(data));
}

/** The tag of the trigger that started an instance. */
export const TRIGGER_TAG = 'trigger';

/** The tags by which the instances of an event are found. A value that cannot be a tag is cut, with `~` and its hash. */
export function eventTags(
  source: string,
  id: string,
  trigger: string,
): Record<'event-source' | 'event-id' | typeof TRIGGER_TAG, string> {
  return { 'event-source': tagOf(source), 'event-id': tagOf(id), [TRIGGER_TAG]: tagOf(trigger) };
}

const MARK_LENGTH = 1 + HASH_LENGTH;
const CONTROL = /\p{Cc}/gu;

function tagOf(value: string): string {
  // One that looks as if it had been cut is cut too, or it could pass for another.
  const fits = value.length <= TAG_LENGTH_MAX && !CONTROL_OR_MARK.test(value) && value.isWellFormed();
  if (fits) return value;
  const beginning = value
    .slice(0, TAG_LENGTH_MAX - MARK_LENGTH)
    .toWellFormed()
    .replace(CONTROL, '');
  return `${beginning}~${shortHash(value)}`;
}

const CONTROL_OR_MARK = new RegExp(`\\p{Cc}|~[a-z2-7]{${HASH_LENGTH}}$`, 'u');

function escaped(text: string): string {
  let result = '';
  for (const byte of Buffer.from(text)) {
    const char = String.fromCharCode(byte);
    result += /[A-Za-z0-9_.-]/.test(char) ? char : `=${byte.toString(16).toUpperCase().padStart(2, '0')}`;
  }
  return result;
}

/** Parts are divided by a zero byte, which none of them has: control characters are no part of attributes and names. */
function digest(...parts: readonly (string | Uint8Array)[]): Buffer {
  const sum = createHash('sha256');
  for (const [index, part] of parts.entries()) sum.update(index === 0 ? '' : '\0').update(part);
  return sum.digest();
}

/** 26 characters that no two values share. */
export function shortHash(...parts: readonly (string | Uint8Array)[]): string {
  return base32(digest(...parts)).slice(0, HASH_LENGTH);
}

/** RFC 4648, section 6, in lower case and without padding. */
function base32(bytes: Uint8Array): string {
  let bits = '';
  for (const byte of bytes) bits += byte.toString(2).padStart(8, '0');
  return (bits.match(/.{1,5}/g) ?? []).map((five) => ALPHABET[Number.parseInt(five.padEnd(5, '0'), 2)]).join('');
}

const ALPHABET = 'abcdefghijklmnopqrstuvwxyz234567';
