// What heads do not have to carry along: runs beyond a bound, a state that commits leave as it is, references that have
// become many. Each goes to a chunk in the background while the record is committed to; only when the chunk is acknowledged
// does the next head refer to it in place of the part. So no commit waits for it.

import type { Background } from './background.ts';
import type { Chunks } from './chunks.ts';
import { splitRuns } from './chunks.ts';
import type { Head, Place, Settled } from './head.ts';
import type { JetStream } from './jetstream.ts';
import { SETTLED_STATE_BYTES_MAX, TAIL_BYTES_MAX } from './limits.ts';
import type { Patience } from './patience.ts';
import { References, type Reference } from './references.ts';

/** Commits that have left a state as it is before it is moved: one that changes all the time is better off in the head. */
const STATE_AGE_MIN = 2;

export class Settling {
  readonly #chunks: Chunks;
  readonly #jetstream: JetStream;
  readonly #patience: Patience;
  readonly #background: Background;

  constructor(chunks: Chunks, jetstream: JetStream, patience: Patience, background: Background) {
    this.#chunks = chunks;
    this.#jetstream = jetstream;
    this.#patience = patience;
    this.#background = background;
  }

  /** Whether a head of this size will be settled: it says so before there is a chunk, so that a purge looks for it. */
  static needed(stateBytes: number, tailBytes: number): boolean {
    return tailBytes > TAIL_BYTES_MAX || stateBytes > SETTLED_STATE_BYTES_MAX;
  }

  /** Moves what there is to move of a head that was accepted. */
  begin(head: Head): void {
    if (head.settling || head.settled !== undefined) return;
    const work = this.#next(head);
    if (work === undefined) return;
    head.settling = true;
    work.then(
      (settled) => {
        head.settling = false;
        if (head.isCurrent) head.settled = settled;
        else this.#discardUnused(head.place, settled);
      },
      // The store stops.
      () => (head.settling = false),
    );
  }

  /** Takes what is settled into the head that is to be written next. */
  apply(head: Head): void {
    const { settled } = head;
    if (settled === undefined) return;
    head.settled = undefined;
    if (settled.kind === 'runs') {
      const { first, count } = settled.reference;
      const end = first + count;
      // Dropped by `keepFrom`, or moved together with a large commit.
      if (end <= head.tailFirst) {
        this.#discardUnused(head.place, settled);
        return;
      }
      head.references = head.references.with(settled.reference);
      cutTail(head, end);
    } else if (settled.kind === 'references') {
      const folded = head.references.folded(settled.parts, settled.reference);
      if (folded === undefined) this.#discardUnused(head.place, settled);
      else head.references = folded;
    } else if (head.state !== undefined && head.stateAge > STATE_AGE_MIN) {
      head.state = undefined;
      head.statePieces = settled.pieces;
    } else {
      this.#discardUnused(head.place, settled);
    }
  }

  /** Removes chunks that no head refers to any more, with those that they refer to. */
  discard(place: Place, references: readonly Reference[]): void {
    for (const { level, pieces } of references) {
      this.#background.add(async () => {
        if (level > 0)
          this.discard(place, References.decode(await this.#chunks.read(place, 'references', pieces)).list);
        for (const piece of pieces) await this.#remove(place, piece);
      });
    }
  }

  discardPieces(place: Place, pieces: readonly number[]): void {
    for (const piece of pieces) this.#background.add(() => this.#remove(place, piece));
  }

  #next(head: Head): Promise<Settled> | undefined {
    const { place, references, state, tail, tailFirst } = head;
    if (tail.length > TAIL_BYTES_MAX) {
      const count = head.nextEntry - tailFirst;
      return this.#chunks
        .write(place, 'runs', tailFirst, tail)
        .then((pieces) => ({ kind: 'runs', reference: { level: 0, first: tailFirst, count, pieces } }));
    }
    if (state !== undefined && state.length > SETTLED_STATE_BYTES_MAX && head.stateAge >= STATE_AGE_MIN) {
      return this.#chunks.write(place, 'state', 0, state).then((pieces) => ({ kind: 'state', pieces }));
    }
    const parts = references.toFold();
    if (parts === undefined) return undefined;
    const { first, level } = parts[0]!;
    const count = parts.reduce((sum, part) => sum + part.count, 0);
    return this.#chunks.write(place, 'references', first, new References(parts).bytes).then((pieces) => ({
      kind: 'references',
      parts,
      reference: { level: level + 1, first, count, pieces },
    }));
  }

  /** What a chunk of references refers to is still in use. */
  #discardUnused(place: Place, settled: Settled): void {
    this.discardPieces(place, settled.kind === 'state' ? settled.pieces : settled.reference.pieces);
  }

  async #remove({ stream }: Place, piece: number): Promise<void> {
    await this.#patience.until(() => this.#jetstream.deleteMessage(stream, piece));
  }
}

/** Takes the runs out of the tail that end at or before `end`, which is the end of a run. */
export function cutTail(head: Head, end: number): void {
  let bytes = 0;
  let next = head.tailFirst;
  for (const run of splitRuns(head.tailFirst, head.tail)) {
    if (run.first + run.count > end) break;
    next = run.first + run.count;
    bytes = run.bytes.byteOffset + run.bytes.length - head.tail.byteOffset;
  }
  head.tail = head.tail.subarray(bytes);
  head.tailFirst = next;
}
