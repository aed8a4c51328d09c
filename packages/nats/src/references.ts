// Which chunks hold the entries before the tail. A chunk is a block of runs (level 0) or of references (higher levels), so
// that what a head lists does not grow with the history: as soon as there are `CHUNK_FANOUT` of one level, they become one
// of the next.
//
//   varint first entry; each: u8 level, varint entries, varint pieces, signed differences of their sequences

import { CHUNK_FANOUT } from './limits.ts';
import { ByteReader, VARINT_BYTES_MAX, writeSigned, writeVarint } from './varint.ts';

/** A chunk: entries `first` up to but without `first + count`, in the messages with these sequences, in order. */
export interface Reference {
  readonly level: number;
  readonly first: number;
  readonly count: number;
  readonly pieces: readonly number[];
}

/** References to consecutive chunks, the oldest first. Never changed in place. */
export class References {
  readonly list: readonly Reference[];
  readonly bytes: Buffer;

  constructor(list: readonly Reference[] = [], bytes = encode(list)) {
    this.list = list;
    this.bytes = bytes;
  }

  static decode(bytes: Buffer): References {
    const list: Reference[] = [];
    if (bytes.length === 0) return new References(list, bytes);
    const reader = new ByteReader(bytes, 0);
    let first = reader.varint();
    let sequence = 0;
    while (reader.at < bytes.length) {
      const level = reader.byte();
      const count = reader.varint();
      const pieces: number[] = [];
      for (let left = reader.varint(); left > 0; left--) {
        sequence += reader.signed();
        pieces.push(sequence);
      }
      list.push({ level, first, count, pieces });
      first += count;
    }
    return new References(list, bytes);
  }

  with(added: Reference): References {
    return new References([...this.list, added]);
  }

  /** Without those whose entries are all below `firstEntry`, and which these were. */
  trimmed(firstEntry: number): { readonly kept: References; readonly dropped: readonly Reference[] } {
    const index = this.list.findIndex(({ first, count }) => first + count > firstEntry);
    const end = index < 0 ? this.list.length : index;
    if (end === 0) return { kept: this, dropped: [] };
    return { kept: new References(this.list.slice(end)), dropped: this.list.slice(0, end) };
  }

  /** The oldest ones that are to become one of the next level, or undefined while they are few. */
  toFold(): readonly Reference[] | undefined {
    let start = 0;
    for (let index = 0; index < this.list.length; index++) {
      if (this.list[index]!.level !== this.list[start]!.level) start = index;
      if (index - start + 1 === CHUNK_FANOUT) return this.list.slice(start, index + 1);
    }
    return undefined;
  }

  /** With one in the place of those that were folded into it; as it is when they are not there any more. */
  folded(parts: readonly Reference[], whole: Reference): References | undefined {
    const start = this.list.indexOf(parts[0]!);
    if (start < 0 || this.list[start + parts.length - 1] !== parts.at(-1)) return undefined;
    return new References([...this.list.slice(0, start), whole, ...this.list.slice(start + parts.length)]);
  }
}

function encode(list: readonly Reference[]): Buffer {
  if (list.length === 0) return Buffer.alloc(0);
  const size = list.reduce((sum, { pieces }) => sum + 1 + (2 + pieces.length) * VARINT_BYTES_MAX, VARINT_BYTES_MAX);
  const target = Buffer.allocUnsafe(size);
  let at = writeVarint(target, 0, list[0]!.first);
  let sequence = 0;
  for (const { level, count, pieces } of list) {
    target[at++] = level;
    at = writeVarint(target, at, count);
    at = writeVarint(target, at, pieces.length);
    for (const piece of pieces) {
      at = writeSigned(target, at, piece - sequence);
      sequence = piece;
    }
  }
  return target.subarray(0, at);
}
