// The keys of the database. The first byte says what a key is for:
//
//   0  name                                    the store itself: layout, lease
//   1  type 0 id                               → number of the actor's life, or its tombstone
//   2  number, first entry                     → a commit with entries
//   2  number, 0xff…                           → the last commit without entries
//   3  partition, due time, type 0 id          → due entry
//   4  type 0, inverted creation time, id      → summary
//   5  number                                  → entries of that life to be deleted, up to where
//   6  time, type 0 id                         → where a tombstone is, by age
//
// Numbers, entries and times are 48-bit big-endian, so that keys sort as what they stand for. Types and ids have no
// control characters, so a zero byte ends a type.

import type { ActorAddress, PartitionId } from '@troupe/actors';

/** The largest number in a key; as an entry it names the record of commits without entries. */
export const UINT48_MAX = 2 ** 48 - 1;
/** In place of an entry number: the record of commits without entries. */
export const NO_ENTRY = UINT48_MAX;

export const LAYOUT_KEY = Buffer.from('\u0000layout');
export const LEASE_KEY = Buffer.from('\u0000lease');

/** A type, a zero byte, an id. */
export const ADDRESS_BYTES_MAX = 128 + 1 + 512;

// Functions that write a key write it to the beginning of `target`, which has room for it, and return its length.

export function idKey(address: ActorAddress): Buffer {
  return Buffer.from(`\u0001${address.type}\u0000${address.id}`);
}

export function writeIdKey(target: Buffer, address: ActorAddress): number {
  target[0] = 1;
  return writeAddress(target, 1, address);
}

/** Writes the key of a record into `target`, which has {@link RECORD_KEY_BYTES}. */
export function writeRecordKey(target: Buffer, number: number, entry: number): Buffer {
  target[0] = 2;
  target.writeUIntBE(number, 1, 6);
  target.writeUIntBE(entry, 7, 6);
  return target;
}

export const RECORD_KEY_BYTES = 13;

export function recordKey(number: number, entry: number): Buffer {
  return writeRecordKey(Buffer.allocUnsafe(RECORD_KEY_BYTES), number, entry);
}

export function entryOf(key: Buffer): number {
  return key.readUIntBE(7, 6);
}

export function writeDueKey(target: Buffer, partition: PartitionId, dueAtMs: number, address: ActorAddress): number {
  return writeAddress(target, writeDueBound(target, partition, dueAtMs), address);
}

/** What the due keys of that time and partition begin with. */
export function dueBound(partition: PartitionId, dueAtMs: number): Buffer {
  const key = Buffer.allocUnsafe(11);
  writeDueBound(key, partition, dueAtMs);
  return key;
}

function writeDueBound(target: Buffer, partition: PartitionId, dueAtMs: number): number {
  target[0] = 3;
  target.writeUInt32BE(partition, 1);
  return target.writeUIntBE(uint48(dueAtMs), 5, 6);
}

export function addressOfDueKey(key: Buffer): ActorAddress {
  return addressAt(key, 11);
}

export function summaryKey(address: ActorAddress, createdAtMs: number): Buffer {
  const key = Buffer.allocUnsafe(ADDRESS_BYTES_MAX + 7);
  return key.subarray(0, writeSummaryKey(key, address, createdAtMs));
}

export function writeSummaryKey(target: Buffer, { type, id }: ActorAddress, createdAtMs: number): number {
  const end = writeSummaryBound(target, type, createdAtMs);
  return end + target.write(id, end);
}

/** What the summary keys of that type and time begin with. Later times come first. */
export function summaryBound(type: string, createdAtMs: number): Buffer {
  const key = Buffer.allocUnsafe(type.length + 8);
  writeSummaryBound(key, type, createdAtMs);
  return key;
}

function writeSummaryBound(target: Buffer, type: string, createdAtMs: number): number {
  target[0] = 4;
  target.write(type, 1, 'latin1');
  target[type.length + 1] = 0;
  return target.writeUIntBE(UINT48_MAX - uint48(createdAtMs), type.length + 2, 6);
}

/** The first key after all summaries of a type. */
export function summaryEnd(type: string): Buffer {
  return Buffer.from(`\u0004${type}\u0001`);
}

export function idOfSummaryKey(type: string, key: Buffer): string {
  return key.toString('utf8', type.length + 8);
}

export function reapKey(number: number): Buffer {
  const key = Buffer.allocUnsafe(7);
  key[0] = 5;
  key.writeUIntBE(number, 1, 6);
  return key;
}

/** The number in the key of a record or of a deletion. */
export function numberOfKey(key: Buffer): number {
  return key.readUIntBE(1, 6);
}

export const REAP_BOUNDS = { gte: Buffer.from([5]), lt: Buffer.from([6]) };

export function tombstoneKey(atMs: number, address: ActorAddress): Buffer {
  const key = Buffer.allocUnsafe(ADDRESS_BYTES_MAX + 7);
  key.set(tombstoneBound(atMs));
  return key.subarray(0, writeAddress(key, 7, address));
}

/** What the keys of tombstones of that time begin with. */
export function tombstoneBound(atMs: number): Buffer {
  const key = Buffer.allocUnsafe(7);
  key[0] = 6;
  key.writeUIntBE(uint48(atMs), 1, 6);
  return key;
}

export function addressOfTombstoneKey(key: Buffer): ActorAddress {
  return addressAt(key, 7);
}

function addressAt(key: Buffer, start: number): ActorAddress {
  const zero = key.indexOf(0, start);
  return { type: key.toString('latin1', start, zero), id: key.toString('utf8', zero + 1) };
}

/** Times out of range sort at the ends; the exact value stands beside the key. */
function uint48(value: number): number {
  return Math.floor(Math.min(Math.max(value, 0), UINT48_MAX));
}

function writeAddress(target: Buffer, start: number, { type, id }: ActorAddress): number {
  target.write(type, start, 'latin1');
  const zero = start + type.length;
  target[zero] = 0;
  return zero + 1 + target.write(id, zero + 1);
}
