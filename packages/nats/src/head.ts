// The head of a record: one message that holds everything of it but what was moved to chunks. Only the last one of a subject
// is kept, and its sequence in the stream is the revision (H1).
//
// H1  The revision of a record is the sequence of its head. Sequences of a stream rise and never repeat, hence S1.
// H2  A head names what its commit expected, and the fifteen commits before it; what commit k + 1 expected is the revision
//     that commit k has made. Hence S5.
// H3  What is kept of a head in memory are parts of the message that was written last, so that the next one copies them.
//
//   u8 format, u8 flags
//   varints: firstEntry, entries kept, entries in the tail     [f64 dueAtMs]     [u32 CRC of the summary]
//   u8 runs of commit ids: each u8 length, writer, varints from, count
//   expected revisions, newest first: the newest, then differences to the one before
//   varint length, references to chunks     varint length, state or pieces of it     tail     u32 CRC-32
//
// The CRC begins with the subject, so that a head under a wrong one is noticed. The tail is a block of runs (chunks.ts).

import { crc32 } from 'node:zlib';
import {
  asError,
  COMMIT_IDS_KEPT,
  CorruptRecordError,
  formatAddress,
  type ActorAddress,
  type CommitId,
  type EntryRun,
  type PartitionId,
  type Summary,
} from '@troupe/actors';
import { furtherHeader, SUMMARY_HEADER } from './record-headers.ts';
import { References, type Reference } from './references.ts';
import { ByteReader, VARINT_BYTES_MAX, writeVarint } from './varint.ts';

const FORMAT = 1;
const IS_DUE = 1;
const IS_LISTED = 2;
const STATE_IN_PIECES = 4;
const HAS_CHUNKS = 8;
const IS_TOMBSTONE = 16;

const EMPTY = Buffer.alloc(0);
const CHECKSUM_BYTES = 4;

/** The place of a record: what never changes while it lives. */
export interface Place {
  readonly address: ActorAddress;
  readonly partition: PartitionId;
  readonly stream: string;
  /** What its subjects end with. */
  readonly key: string;
  readonly subject: string;
}

/** Commits of one writer with consecutive sequences. */
interface CommitIdRun {
  readonly writer: string;
  from: number;
  to: number;
}

/** What was moved to a chunk, or to one that is higher up. */
export type Settled =
  | { readonly kind: 'runs'; readonly reference: Reference }
  | { readonly kind: 'references'; readonly parts: readonly Reference[]; readonly reference: Reference }
  | { readonly kind: 'state'; readonly pieces: readonly number[] };

/** A summary, and as it stands in the header of the head: encoded as `expecting` takes it. */
export interface ListedSummary {
  readonly summary: Summary;
  readonly header: Buffer;
  readonly crc: number;
}

/** What the writer of a head knows of the entry of the wake index. It may be needed when the head is not any more. */
export interface IndexedTime {
  /** The earliest time that the index is known to have; Infinity when it need not have any. */
  dueAtMs: number;
  /** The sequence of the entry, 0 for none, -1 when it is not known. */
  sequence: number;
}

export class Head {
  readonly place: Place;
  readonly #seed: number;
  /** 0 when there is no record. */
  revision = 0;
  /** What the next message expects: the revision, or the sequence of a tombstone, or 0. */
  base = 0;
  firstEntry = 1;
  nextEntry = 1;
  /** The first entry in the tail; those before it are in chunks. */
  tailFirst = 1;
  dueAtMs: number | null = null;
  listed: ListedSummary | undefined;
  references = new References();
  /** The state, or undefined when it is in pieces. */
  state: Buffer | undefined = EMPTY;
  /** Sequences of the pieces of the state. */
  statePieces: readonly number[] = [];
  tail: Buffer = EMPTY;
  /** There are or may be chunks, also such that no head refers to. */
  hasChunks = false;
  ids: CommitIdRun[] = [];
  /** What the commits of `ids` have expected, oldest first. */
  expected: number[] = [];

  // Not stored.

  /** The entry of the wake index. */
  readonly indexed: IndexedTime = { dueAtMs: Infinity, sequence: 0 };
  /** Commits since the state was written last. */
  stateAge = 0;
  /** A part is on its way to a chunk. */
  settling = false;
  /** A part that is in a chunk by now; the next head says so. */
  settled: Settled | undefined;
  /** This is what was written last, as far as is known: what holds it need not look it up. */
  isCurrent = true;

  constructor(place: Place) {
    this.place = place;
    this.#seed = crc32(place.subject);
  }

  /** The revision that the commit of this id has got, or 0 when it is not among the last ones. */
  revisionOf(id: CommitId): number {
    const newer = this.#newerThan(id);
    if (newer < 0) return 0;
    return newer === 0 ? this.revision : this.expected[this.expected.length - newer]!;
  }

  /** The revision that the commit of this id has expected, which is one of the last. */
  expectedBy(id: CommitId): number {
    return this.expected[this.expected.length - 1 - this.#newerThan(id)]!;
  }

  /** How many commits came after the one of this id; -1 when it is not among the last ones. */
  #newerThan(id: CommitId): number {
    let newer = 0;
    for (const { writer, from, to } of this.ids) {
      if (writer === id.writer && id.sequence >= from && id.sequence <= to) return newer + to - id.sequence;
      newer += to - from + 1;
    }
    return -1;
  }

  addId(id: CommitId, expectedRevision: number): void {
    const newest = this.ids[0];
    if (newest !== undefined && newest.writer === id.writer && newest.to + 1 === id.sequence) newest.to++;
    else this.ids = [{ writer: id.writer, from: id.sequence, to: id.sequence }, ...this.ids];
    this.expected.push(expectedRevision);
    if (this.expected.length <= COMMIT_IDS_KEPT) return;
    this.expected.shift();
    const oldest = this.ids.at(-1)!;
    if (oldest.from === oldest.to) this.ids.pop();
    else oldest.from++;
  }

  commitIds(): CommitId[] {
    const ids: CommitId[] = [];
    for (const { writer, from, to } of this.ids) {
      for (let sequence = to; sequence >= from; sequence--) ids.push({ writer, sequence });
    }
    return ids;
  }

  /** What a message takes beside the state, the tail and a new run. */
  get overheadBytes(): number {
    let bytes = 64 + this.references.bytes.length + VARINT_BYTES_MAX * COMMIT_IDS_KEPT;
    for (const { writer } of this.ids) bytes += writer.length + 1 + 2 * VARINT_BYTES_MAX;
    return bytes + this.statePieces.length * VARINT_BYTES_MAX;
  }

  /**
   * The next message, with a state in place of the present one and a run at the end of the tail, if they are given. The parts
   * of this head are those of the message from then on (H3).
   */
  encode(newState: Uint8Array | undefined, run: EntryRun | undefined): Buffer {
    const state = newState ?? this.state;
    const { references, tail, ids, expected, statePieces } = this;
    const runBytes = run === undefined ? 0 : run.bytes.length + 2 * VARINT_BYTES_MAX;
    const target = Buffer.allocUnsafe(this.overheadBytes + (state?.length ?? 0) + tail.length + runBytes);
    target[0] = FORMAT;
    target[1] =
      (this.dueAtMs === null ? 0 : IS_DUE) |
      (this.listed === undefined ? 0 : IS_LISTED) |
      (state === undefined ? STATE_IN_PIECES : 0) |
      (this.hasChunks ? HAS_CHUNKS : 0);
    let at = writeVarint(target, 2, this.firstEntry);
    at = writeVarint(target, at, this.nextEntry - this.firstEntry);
    at = writeVarint(target, at, this.nextEntry - this.tailFirst);
    if (this.dueAtMs !== null) at = target.writeDoubleLE(this.dueAtMs, at);
    if (this.listed !== undefined) at = target.writeUInt32LE(this.listed.crc, at);
    target[at++] = ids.length;
    for (const { writer, from, to } of ids) {
      target[at++] = writer.length;
      at += target.write(writer, at, 'latin1');
      at = writeVarint(target, at, from);
      at = writeVarint(target, at, to - from + 1);
    }
    let newer = expected[expected.length - 1]!;
    at = writeVarint(target, at, newer);
    for (let index = expected.length - 2; index >= 0; index--) {
      at = writeVarint(target, at, newer - expected[index]!);
      newer = expected[index]!;
    }
    at = writeVarint(target, at, references.bytes.length);
    target.set(references.bytes, at);
    at += references.bytes.length;
    if (state === undefined) {
      at = writeVarint(target, at, statePieces.length);
      for (const sequence of statePieces) at = writeVarint(target, at, sequence);
    } else {
      at = writeVarint(target, at, state.length);
      target.set(state, at);
      this.state = target.subarray(at, at + state.length);
      at += state.length;
    }
    const tailAt = at;
    target.set(tail, at);
    at += tail.length;
    if (run !== undefined) {
      at = writeVarint(target, at, run.count);
      at = writeVarint(target, at, run.bytes.length);
      target.set(run.bytes, at);
      at += run.bytes.length;
    }
    this.tail = target.subarray(tailAt, at);
    at = target.writeUInt32LE(crc32(target.subarray(0, at), this.#seed), at);
    return target.subarray(0, at);
  }
}

/** What a purge leaves in the place of a head. */
export interface HeadTombstone {
  /** Tells this purge from others. */
  readonly token: string;
  readonly hasChunks: boolean;
  /** What the port calls a tombstone, if the purge left one. */
  readonly kept?: { readonly key: string; readonly hash: string; readonly atMs: number };
}

export function encodeTombstone(place: Place, tombstone: HeadTombstone): Buffer {
  const text = Buffer.from(JSON.stringify(tombstone));
  const target = Buffer.allocUnsafe(2 + text.length + CHECKSUM_BYTES);
  target[0] = FORMAT;
  target[1] = IS_TOMBSTONE;
  target.set(text, 2);
  const end = 2 + text.length;
  target.writeUInt32LE(crc32(target.subarray(0, end), crc32(place.subject)), end);
  return target;
}

/**
 * What a message that was found under the subject of a head holds. `summary` is the value of its header.
 *
 * @throws {CorruptRecordError} when it is not what was written there
 */
export function decodeHead(
  place: Place,
  sequence: number,
  data: Buffer,
  summary: string | undefined,
): { readonly head: Head; readonly tombstone: HeadTombstone | undefined } {
  const end = data.length - CHECKSUM_BYTES;
  if (end < 2 || crc32(data.subarray(0, end), crc32(place.subject)) !== data.readUInt32LE(end)) {
    throw corruptHead(place, sequence, 'its checksum is wrong');
  }
  if (data[0] !== FORMAT) {
    throw corruptHead(place, sequence, `it has format ${data[0]}; this version reads ${FORMAT}`);
  }
  const head = new Head(place);
  head.base = sequence;
  const flags = data[1]!;
  if (flags & IS_TOMBSTONE) {
    const tombstone = JSON.parse(data.toString('utf8', 2, end)) as HeadTombstone;
    // Until they are purged they are those of the next life, too.
    head.hasChunks = tombstone.hasChunks;
    return { head, tombstone };
  }
  try {
    fill(head, new ByteReader(data.subarray(0, end), 2), flags, summary);
  } catch (cause) {
    throw corruptHead(place, sequence, asError(cause).message);
  }
  head.revision = sequence;
  head.indexed.dueAtMs = head.dueAtMs ?? Infinity;
  head.indexed.sequence = head.dueAtMs === null ? 0 : -1;
  return { head, tombstone: undefined };
}

function fill(head: Head, reader: ByteReader, flags: number, summary: string | undefined): void {
  head.firstEntry = reader.varint();
  head.nextEntry = head.firstEntry + reader.varint();
  head.tailFirst = head.nextEntry - reader.varint();
  if (flags & IS_DUE) head.dueAtMs = reader.double();
  if (flags & IS_LISTED) {
    const crc = reader.uint32();
    const listed = summary === undefined ? undefined : parseSummary(summary);
    if (listed?.crc !== crc) throw new RangeError('its summary is damaged');
    head.listed = listed;
  }
  head.hasChunks = (flags & HAS_CHUNKS) !== 0;
  let count = 0;
  for (let runs = reader.byte(); runs > 0; runs--) {
    const writer = reader.latin1(reader.byte());
    const from = reader.varint();
    const to = from + reader.varint() - 1;
    head.ids.push({ writer, from, to });
    count += to - from + 1;
  }
  let newer = reader.varint();
  head.expected.push(newer);
  for (; count > 1; count--) {
    newer -= reader.varint();
    head.expected.push(newer);
  }
  head.expected.reverse();
  head.references = References.decode(reader.slice(reader.varint()));
  if (flags & STATE_IN_PIECES) {
    const pieces: number[] = [];
    for (let left = reader.varint(); left > 0; left--) pieces.push(reader.varint());
    head.statePieces = pieces;
    head.state = undefined;
  } else {
    head.state = reader.slice(reader.varint());
  }
  head.tail = reader.slice(reader.bytes.length - reader.at);
}

function corruptHead(place: Place, sequence: number, reason: string): CorruptRecordError {
  return new CorruptRecordError(
    `the head of ${formatAddress(place.address)} is damaged: message ${sequence} of stream ${place.stream}: ${reason}`,
  );
}

/** The value of the header: the checksum of the text, the text. Both are in the checksum of the head. */
export function listedSummary(summary: Summary): ListedSummary {
  const { name, status, createdAtMs, completedAtMs, tags } = summary;
  const json = JSON.stringify([name, status, createdAtMs, completedAtMs ?? null, tags]);
  const crc = crc32(json);
  const header = furtherHeader(SUMMARY_HEADER, `${crc.toString(16)} ${json}`);
  return { summary: { ...summary, tags: { ...tags } }, header, crc };
}

/** Reads back the header, or undefined when it is not what was written. */
export function parseSummary(text: string): ListedSummary | undefined {
  const space = text.indexOf(' ');
  const json = text.slice(space + 1);
  const crc = Number.parseInt(text.slice(0, space), 16);
  if (space < 0 || crc32(json) !== crc) return undefined;
  const [name, status, createdAtMs, completedAtMs, tags] = JSON.parse(json) as [
    string,
    string,
    number,
    number | null,
    Summary['tags'],
  ];
  const summary = { name, status, createdAtMs, ...(completedAtMs === null ? {} : { completedAtMs }), tags };
  return { summary, header: furtherHeader(SUMMARY_HEADER, text), crc };
}
