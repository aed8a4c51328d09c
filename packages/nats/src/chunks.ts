// What is not in a head: immutable pieces of runs, of references, of states. Only heads, and chunks that heads refer to, say
// which of them count; they name them by their sequences.
//
// K1  A piece has a subject of its own, with a random part, and is written only if there is none: with one message kept per
//     subject, a second copy would evict the very sequence that a head refers to.
// K2  A head refers to a piece only after it was acknowledged.
//
//   u8 format, u8 kind, varint number of the piece, bytes, u32 CRC-32 that begins with the key of the actor
//
// A block of runs: for each a varint count of its entries, a varint length, bytes. Who refers to it knows its first entry.

import { crc32 } from 'node:zlib';
import { CorruptRecordError, formatAddress, type EntryRun } from '@troupe/actors';
import type { Place } from './head.ts';
import type { JetStream, StoredMessage } from './jetstream.ts';
import { CHUNK_READS_MAX, PIECE_BYTES_MAX } from './limits.ts';
import type { Patience } from './patience.ts';
import { expecting, type Publisher } from './publication.ts';
import { References, type Reference } from './references.ts';
import { randomToken, type StreamNames } from './stream-names.ts';
import { ByteReader, VARINT_BYTES_MAX, writeVarint } from './varint.ts';

const FORMAT = 1;
const CHECKSUM_BYTES = 4;
const FRAME_BYTES_MAX = 2 + VARINT_BYTES_MAX + CHECKSUM_BYTES;
/** Room for the headers beside a piece. */
const HEADER_BYTES_MAX = 1024;
const EXPECTING_NONE = expecting(0);

export type ChunkKind = 'runs' | 'references' | 'state';
const KINDS: Readonly<Record<ChunkKind, number>> = { runs: 1, references: 2, state: 3 };

/** A piece that a head refers to is not there. The head may be an old one. */
export class MissingPieceError extends CorruptRecordError {}

export class Chunks {
  readonly #names: StreamNames;
  readonly #publisher: Publisher;
  readonly #jetstream: JetStream;
  readonly #patience: Patience;
  readonly #random: () => number;
  readonly #payloadBytesMax: () => number;

  constructor(
    names: StreamNames,
    publisher: Publisher,
    jetstream: JetStream,
    patience: Patience,
    random: () => number,
    payloadBytesMax: () => number,
  ) {
    this.#names = names;
    this.#publisher = publisher;
    this.#jetstream = jetstream;
    this.#patience = patience;
    this.#random = random;
    this.#payloadBytesMax = payloadBytesMax;
  }

  /** Resolves with the sequences of the pieces when all are stored. @throws {StoreUnavailableError} when the store stops */
  async write(place: Place, kind: ChunkKind, first: number, content: Uint8Array): Promise<number[]> {
    const size = Math.min(PIECE_BYTES_MAX, this.#payloadBytesMax() - HEADER_BYTES_MAX);
    const count = Math.max(1, Math.ceil(content.length / size));
    return await Promise.all(
      Array.from({ length: count }, (_, number) =>
        this.#writePiece(place, kind, first, number, content.subarray(number * size, (number + 1) * size)),
      ),
    );
  }

  async #writePiece(
    place: Place,
    kind: ChunkKind,
    first: number,
    number: number,
    content: Uint8Array,
  ): Promise<number> {
    const body = encodePiece(place, kind, number, content);
    for (;;) {
      const subject = this.#names.chunk(place.key, first, randomToken(this.#random));
      const sequence = await this.#publisher.write(subject, body, EXPECTING_NONE);
      if (sequence !== undefined) return sequence;
      // The first copy of an ambiguous write, most likely.
      const there = await this.#patience.until(() => this.#jetstream.lastMessage(place.stream, subject));
      if (there?.data.equals(body) === true) return there.sequence;
    }
  }

  /** The content of a chunk. @throws {MissingPieceError} | {@link CorruptRecordError} */
  async read(place: Place, kind: ChunkKind, sequences: readonly number[]): Promise<Buffer> {
    const pieces = await Promise.all(
      sequences.map(async (sequence, number) => {
        const message = await this.#patience.within(() => this.#find(place, sequence));
        if (message === undefined) throw new MissingPieceError(`${named(place, sequence)} is missing`);
        return this.#decodePiece(place, kind, number, message);
      }),
    );
    return pieces.length === 1 ? pieces[0]! : Buffer.concat(pieces);
  }

  async #find(place: Place, sequence: number): Promise<StoredMessage | undefined> {
    const { stream } = place;
    // The replica that answers may lag.
    return (
      (await this.#jetstream.messageAtDirect(stream, sequence)) ?? (await this.#jetstream.messageAt(stream, sequence))
    );
  }

  #decodePiece(place: Place, kind: ChunkKind, number: number, { subject, sequence, data }: StoredMessage): Buffer {
    const end = data.length - CHECKSUM_BYTES;
    if (!subject.startsWith(this.#names.chunksOf(place.key).slice(0, -1))) {
      throw new CorruptRecordError(`${named(place, sequence)} is of another actor: ${subject}`);
    }
    if (end < 3 || crc32(data.subarray(0, end), crc32(place.key)) !== data.readUInt32LE(end)) {
      throw new CorruptRecordError(`${named(place, sequence)} has a wrong checksum`);
    }
    const reader = new ByteReader(data.subarray(0, end), 1);
    if (data[0] !== FORMAT || reader.byte() !== KINDS[kind] || reader.varint() !== number) {
      throw new CorruptRecordError(`${named(place, sequence)} is not piece ${number} of ${kind}`);
    }
    return data.subarray(reader.at, end);
  }

  /** The runs in chunks that hold entries of `from` up to but without `until`. */
  async readRuns(place: Place, references: References, from: number, until: number): Promise<EntryRun[]> {
    const holds = ({ first, count }: { first: number; count: number }): boolean =>
      first + count > from && first < until;
    let wanted: readonly Reference[] = references.list.filter(holds);
    while (wanted.some(({ level }) => level > 0)) {
      const opened = await inParts(wanted, async (reference) => {
        if (reference.level === 0) return [reference];
        return References.decode(await this.read(place, 'references', reference.pieces)).list.filter(holds);
      });
      wanted = opened.flat();
    }
    const blocks = await inParts(wanted, async ({ first, pieces }) =>
      splitRuns(first, await this.read(place, 'runs', pieces)),
    );
    return blocks.flat().filter(holds);
  }
}

async function inParts<T, R>(items: readonly T[], each: (item: T) => Promise<R>): Promise<R[]> {
  const results: R[] = [];
  for (let start = 0; start < items.length; start += CHUNK_READS_MAX) {
    results.push(...(await Promise.all(items.slice(start, start + CHUNK_READS_MAX).map(each))));
  }
  return results;
}

function encodePiece(place: Place, kind: ChunkKind, number: number, content: Uint8Array): Buffer {
  const target = Buffer.allocUnsafe(content.length + FRAME_BYTES_MAX);
  target[0] = FORMAT;
  target[1] = KINDS[kind];
  const start = writeVarint(target, 2, number);
  target.set(content, start);
  const end = start + content.length;
  target.writeUInt32LE(crc32(target.subarray(0, end), crc32(place.key)), end);
  return target.subarray(0, end + CHECKSUM_BYTES);
}

function named(place: Place, sequence: number): string {
  return `a chunk of ${formatAddress(place.address)}, message ${sequence} of stream ${place.stream},`;
}

/** The runs of a block. @throws {RangeError} when it ends within a run */
export function splitRuns(first: number, block: Buffer): EntryRun[] {
  const runs: EntryRun[] = [];
  const reader = new ByteReader(block, 0);
  let next = first;
  while (reader.at < block.length) {
    const count = reader.varint();
    runs.push({ first: next, count, bytes: reader.slice(reader.varint()) });
    next += count;
  }
  return runs;
}

/** A block with one more run at its end. */
export function withRun(block: Uint8Array, run: EntryRun): Buffer {
  const target = Buffer.allocUnsafe(block.length + run.bytes.length + 2 * VARINT_BYTES_MAX);
  target.set(block, 0);
  let at = writeVarint(target, block.length, run.count);
  at = writeVarint(target, at, run.bytes.length);
  target.set(run.bytes, at);
  return target.subarray(0, at + run.bytes.length);
}
