// How one commit of one actor is written: a head, then the state if the commit changed it, then its run of entries. Every
// record carries the whole head, so that the newest one says everything; its number and entry, so that a record under a
// wrong key is noticed; and a checksum over all of it.
//
//   u8 format, u8 parts, varints: number, entry, revision, nextEntry, firstEntry, stateAt, count of entries
//   [f64 dueAtMs] [f64 listedAtMs] u8 runs of commit ids: each u8 length, writer, varints from, count
//   varint length of state, state, entries to the end, u32 CRC-32

import { crc32 } from 'node:zlib';
import { CorruptRecordError, type EntryRun } from '@troupe/actors';
import { Head } from './head.ts';
import { entryOf, NO_ENTRY, numberOfKey } from './keys.ts';

const FORMAT = 1;
const HAS_STATE = 1;
const HAS_ENTRIES = 2;
const IS_DUE = 4;
const IS_LISTED = 8;

/** The head without commit ids; a writer is at most 32 characters. */
const HEAD_BYTES_MAX = 2 + 7 * 8 + 2 * 8 + 1 + 8 + 4;
const ID_RUN_BYTES_MAX = 1 + 32 + 2 * 8;

export interface StoredRecord {
  readonly head: Head;
  readonly state: Uint8Array | undefined;
  readonly run: EntryRun | undefined;
}

/** Above this the buffer for encoding is not kept for the next one. */
const SCRATCH_BYTES_MAX = 1024 * 1024;
let scratch = Buffer.allocUnsafe(64 * 1024);
let at = 0;

/** Encodes a record. The result is overwritten by the next call. */
export function encodeRecord(head: Head, state: Uint8Array | undefined, entries: EntryRun | null): Buffer {
  const stateBytes = state?.length ?? 0;
  const size = HEAD_BYTES_MAX + head.ids.length * ID_RUN_BYTES_MAX + stateBytes + (entries?.bytes.length ?? 0);
  if (size > scratch.length || (scratch.length > SCRATCH_BYTES_MAX && size <= SCRATCH_BYTES_MAX)) {
    scratch = Buffer.allocUnsafe(Math.max(size, 64 * 1024));
  }
  at = 0;
  scratch[at++] = FORMAT;
  scratch[at++] =
    (state === undefined ? 0 : HAS_STATE) |
    (entries === null ? 0 : HAS_ENTRIES) |
    (head.dueAtMs === null ? 0 : IS_DUE) |
    (head.listedAtMs === null ? 0 : IS_LISTED);
  putVarint(head.number);
  putVarint(entries === null ? NO_ENTRY : entries.first);
  putVarint(head.revision);
  putVarint(head.nextEntry);
  putVarint(head.firstEntry);
  putVarint(head.stateAt);
  putVarint(entries === null ? 0 : entries.count);
  if (head.dueAtMs !== null) at = scratch.writeDoubleLE(head.dueAtMs, at);
  if (head.listedAtMs !== null) at = scratch.writeDoubleLE(head.listedAtMs, at);
  scratch[at++] = head.ids.length;
  for (const { writer, from, to } of head.ids) {
    scratch[at++] = writer.length;
    at += scratch.write(writer, at, 'latin1');
    putVarint(from);
    putVarint(to - from + 1);
  }
  putVarint(stateBytes);
  if (state !== undefined) {
    scratch.set(state, at);
    at += stateBytes;
  }
  if (entries !== null) {
    scratch.set(entries.bytes, at);
    at += entries.bytes.length;
  }
  at = scratch.writeUInt32LE(crc32(scratch.subarray(0, at)), at);
  return scratch.subarray(0, at);
}

/**
 * Decodes a record that was found under `key`. The bytes in the result are those of `value`.
 *
 * @throws {CorruptRecordError} when it is not what was written there
 */
export function decodeRecord(key: Buffer, value: Buffer): StoredRecord {
  const end = value.length - 4;
  if (end < 2 || crc32(value.subarray(0, end)) !== value.readUInt32LE(end)) {
    throw new CorruptRecordError(`record ${key.toString('hex')} has a wrong checksum`);
  }
  if (value[0] !== FORMAT)
    throw new CorruptRecordError(`record ${key.toString('hex')} has format ${value[0]}; this version reads ${FORMAT}`);
  const parts = value[1]!;
  const reader = new Reader(value, 2);
  const number = reader.varint();
  const entry = reader.varint();
  if (number !== numberOfKey(key) || entry !== entryOf(key)) {
    throw new CorruptRecordError(`record ${key.toString('hex')} is that of number ${number}, entry ${entry}`);
  }
  const head = new Head(number);
  head.revision = reader.varint();
  head.nextEntry = reader.varint();
  head.firstEntry = reader.varint();
  head.stateAt = reader.varint();
  const count = reader.varint();
  if (parts & IS_DUE) head.dueAtMs = reader.double();
  if (parts & IS_LISTED) head.listedAtMs = reader.double();
  const runs = reader.byte();
  for (let index = 0; index < runs; index++) {
    const writer = reader.latin1(reader.byte());
    const from = reader.varint();
    head.ids.push({ writer, from, to: from + reader.varint() - 1 });
  }
  const stateEnd = reader.varint() + reader.at;
  return {
    head,
    state: parts & HAS_STATE ? value.subarray(reader.at, stateEnd) : undefined,
    run: parts & HAS_ENTRIES ? { first: entry, count, bytes: value.subarray(stateEnd, end) } : undefined,
  };
}

/** Makes the value of an index row: the payload with a checksum over it and its key. */
export function encodeRow(key: Buffer, payload: Buffer): Buffer {
  const value = Buffer.allocUnsafe(payload.length + 4);
  payload.copy(value);
  value.writeUInt32LE(crc32(payload, crc32(key)), payload.length);
  return value;
}

/**
 * The payload of an index row.
 *
 * @throws {CorruptRecordError} when it is not what was written under this key
 */
export function decodeRow(key: Buffer, value: Buffer): Buffer {
  const payload = value.subarray(0, Math.max(0, value.length - 4));
  if (value.length < 4 || crc32(payload, crc32(key)) !== value.readUInt32LE(payload.length)) {
    throw new CorruptRecordError(`row ${key.toString('hex')} has a wrong checksum`);
  }
  return payload;
}

/** Seven bits a byte, the low ones first; up to `Number.MAX_SAFE_INTEGER`. */
function putVarint(value: number): void {
  let left = value;
  while (left > 0x7fffffff) {
    scratch[at++] = (left % 128) | 0x80;
    left = Math.floor(left / 128);
  }
  while (left > 0x7f) {
    scratch[at++] = (left & 0x7f) | 0x80;
    left >>>= 7;
  }
  scratch[at++] = left;
}

class Reader {
  at: number;
  readonly #bytes: Buffer;

  constructor(bytes: Buffer, start: number) {
    this.#bytes = bytes;
    this.at = start;
  }

  byte(): number {
    return this.#bytes[this.at++]!;
  }

  varint(): number {
    let value = 0;
    for (let scale = 1; ; scale *= 128) {
      const byte = this.#bytes[this.at++]!;
      value += (byte & 0x7f) * scale;
      if (byte < 0x80) return value;
    }
  }

  double(): number {
    this.at += 8;
    return this.#bytes.readDoubleLE(this.at - 8);
  }

  latin1(length: number): string {
    this.at += length;
    return this.#bytes.toString('latin1', this.at - length, this.at);
  }
}
