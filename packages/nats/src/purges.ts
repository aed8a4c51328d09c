// The end of records. A tombstone takes the place of the head by compare-and-set; everything else goes in the background, up
// to the sequence of the tombstone and nothing newer (S7). The header of the tombstone says what there may be to do, so
// that whoever takes the partition over finds it and goes on.
//
// A tombstone that keeps a key stays until it is swept. Another one stays for some minutes: a late first commit of the life
// that was purged expects that there was nothing, and is refused.

import {
  ConflictError,
  formatAddress,
  type ActorAddress,
  type CancelTimeout,
  type Clock,
  type Tombstone,
} from '@troupe/actors';
import type { Background } from './background.ts';
import { encodeTombstone, type Head, type HeadTombstone, type Place } from './head.ts';
import type { JetStream } from './jetstream.ts';
import { TOMBSTONE_LINGER_MS, TOMBSTONE_SWEEP_MS } from './limits.ts';
import type { Patience } from './patience.ts';
import { expecting, type Publisher } from './publication.ts';
import { purgedHeader, type PurgedMark } from './record-headers.ts';
import type { Records } from './records.ts';
import { randomToken, type StreamNames } from './stream-names.ts';
import type { WakeIndex } from './wake-index.ts';

interface StandingTombstone {
  readonly place: Place;
  readonly sequence: number;
  readonly purgedAtMs: number;
  readonly keptAtMs: number | undefined;
}

export interface PurgeParts {
  readonly names: StreamNames;
  readonly jetstream: JetStream;
  readonly publisher: Publisher;
  readonly patience: Patience;
  readonly records: Records;
  readonly index: WakeIndex;
  readonly background: Background;
  readonly clock: Clock;
  readonly random: () => number;
  /** The record is gone, as of the tombstone with this sequence. */
  readonly gone: (place: Place, sequence: number) => void;
}

export class Purges {
  readonly #parts: PurgeParts;
  readonly #standing = new Map<string, StandingTombstone>();
  #cancelSweep: CancelTimeout | undefined;

  constructor(parts: PurgeParts) {
    this.#parts = parts;
  }

  stop(): void {
    this.#cancelSweep?.();
  }

  /** As {@link Store.purge}. */
  async purge(address: ActorAddress, expectedRevision: number, kept: Tombstone | undefined): Promise<void> {
    const { clock, publisher, records, random } = this.#parts;
    const place = records.placeOf(address);
    const token = `${randomToken(random)}-${randomToken(random)}`;
    for (;;) {
      const found = await records.find(place);
      const { head } = found;
      // The first copy of an ambiguous write.
      if (found.tombstone?.token === token) return this.#stands(head, head.base, found.tombstone, clock.nowMs());
      if (head.revision !== expectedRevision) throw new ConflictError(address, expectedRevision, head.revision);
      if (head.revision === 0 && kept === undefined) return;
      const hasChunks = head.hasChunks || (found.tombstone?.hasChunks ?? false);
      const tombstone: HeadTombstone =
        kept === undefined ? { token, hasChunks } : { token, hasChunks, kept: { ...kept } };
      const purgedAtMs = clock.nowMs();
      const headers = expecting(head.base, purgedHeader(tombstone, purgedAtMs));
      const sequence = await publisher.write(place.subject, encodeTombstone(place, tombstone), headers);
      if (sequence !== undefined) return this.#stands(head, sequence, tombstone, purgedAtMs);
    }
  }

  /** A tombstone was found in a partition that this store has: what its purge has left may not be gone. */
  found(address: ActorAddress, sequence: number, { hasChunks, purgedAtMs, keptAtMs }: PurgedMark): void {
    const place = this.#parts.records.placeOf(address);
    if (this.#standing.get(formatAddress(address))?.sequence === sequence) return;
    this.#clean(place, sequence, hasChunks, true);
    this.#watch({ place, sequence, purgedAtMs, keptAtMs });
  }

  /** The address has a record again. */
  replaced(address: ActorAddress): void {
    if (this.#standing.size > 0) this.#standing.delete(formatAddress(address));
  }

  /** As {@link Store.sweepTombstones}, for those that this store knows. */
  async sweep(beforeMs: number): Promise<number> {
    const swept = [...this.#standing.values()].filter(({ keptAtMs }) => keptAtMs !== undefined && keptAtMs < beforeMs);
    let count = 0;
    await Promise.all(swept.map(async (tombstone) => void ((await this.#remove(tombstone)) && count++)));
    return count;
  }

  #stands(head: Head, sequence: number, { hasChunks, kept }: HeadTombstone, purgedAtMs: number): void {
    const { place } = head;
    this.#parts.gone(place, sequence);
    this.#parts.index.purged(head, sequence);
    this.#clean(place, sequence, hasChunks, false);
    this.#watch({ place, sequence, purgedAtMs, keptAtMs: kept?.atMs });
  }

  #clean({ stream, key }: Place, below: number, hasChunks: boolean, withIndex: boolean): void {
    const { background, jetstream, names, patience } = this.#parts;
    if (hasChunks) background.add(() => patience.until(() => jetstream.purge(stream, names.chunksOf(key), below)));
    if (withIndex) background.add(() => patience.until(() => jetstream.purge(stream, names.index(key), below)));
  }

  #watch(tombstone: StandingTombstone): void {
    this.#standing.set(formatAddress(tombstone.place.address), tombstone);
    if (tombstone.keptAtMs === undefined) this.#cancelSweep ??= this.#armSweep();
  }

  #armSweep(): CancelTimeout {
    const { background, clock } = this.#parts;
    return clock.setTimeout(() => {
      let left = false;
      for (const tombstone of this.#standing.values()) {
        if (tombstone.keptAtMs !== undefined) continue;
        left = true;
        if (clock.nowMs() - tombstone.purgedAtMs < TOMBSTONE_LINGER_MS) continue;
        background.add(async () => void (await this.#remove(tombstone)));
      }
      this.#cancelSweep = left ? this.#armSweep() : undefined;
    }, TOMBSTONE_SWEEP_MS);
  }

  /** Whether it was still there. */
  async #remove(tombstone: StandingTombstone): Promise<boolean> {
    const name = formatAddress(tombstone.place.address);
    if (this.#standing.get(name) !== tombstone) return false;
    const { jetstream, patience } = this.#parts;
    const { place, sequence } = tombstone;
    const removed = await patience.until(() => jetstream.deleteMessage(place.stream, sequence));
    if (this.#standing.get(name) === tombstone) this.#standing.delete(name);
    return removed;
  }
}
