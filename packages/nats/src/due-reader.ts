// Pages of due entries. The first page of a partition reads its whole index, in no order that is of use; what was read is
// kept for the pages that follow, together with what this store changes meanwhile.

import {
  parseCursor,
  printCursor,
  type CancelTimeout,
  type Clock,
  type DueEntry,
  type DuePage,
  type PartitionId,
} from '@troupe/actors';
import type { Place } from './head.ts';
import { DUE_READING_MS } from './limits.ts';
import { lowerBound } from './lower-bound.ts';
import type { ScannedMessage, Scanner } from './scan.ts';
import type { StreamNames } from './stream-names.ts';
import { decodeEntry, type IndexEntry, type WakeIndex } from './wake-index.ts';

interface ReadEntry extends IndexEntry {
  readonly writtenAtMs: number;
}

/** The index of a partition as it was read, and has changed since. */
interface Reading {
  readonly entries: Map<string, ReadEntry>;
  /** By time, then by key; undefined when it must be sorted again. */
  sorted: ReadEntry[] | undefined;
  /** What has changed while it was read. */
  readonly changed: Set<string>;
  cancelEnd: CancelTimeout;
}

export class DueReader {
  readonly #names: StreamNames;
  readonly #scanner: Scanner;
  readonly #index: WakeIndex;
  readonly #clock: Clock;
  readonly #readings = new Map<PartitionId, Reading>();

  constructor(names: StreamNames, scanner: Scanner, index: WakeIndex, clock: Clock) {
    this.#names = names;
    this.#scanner = scanner;
    this.#index = index;
    this.#clock = clock;
    index.onChange = (place, dueAtMs) => this.#changed(place, dueAtMs);
  }

  async page(partition: PartitionId, untilMs: number, cursor: string | undefined, limit: number): Promise<DuePage> {
    const after = cursor === undefined ? undefined : positionAt(cursor);
    const kept = after === undefined ? undefined : this.#readings.get(partition);
    const reading = kept ?? (await this.#read(partition));
    reading.sorted ??= [...reading.entries.values()].sort(compare);
    const { sorted } = reading;
    const start = after === undefined ? 0 : lowerBound(sorted.length, (index) => compare(sorted[index]!, after) <= 0);
    const entries: DueEntry[] = [];
    let last: ReadEntry | undefined;
    for (let index = start; index < sorted.length; index++) {
      const entry = sorted[index]!;
      if (entry.dueAtMs > untilMs) break;
      if (entries.length === limit) return { entries, cursor: printCursor(last!.dueAtMs, last!.key) };
      last = entry;
      this.#index.show(entry, entry.writtenAtMs);
      entries.push({ address: entry.address, dueAtMs: entry.dueAtMs });
    }
    if (this.#readings.get(partition) === reading) this.#end(partition, reading);
    return { entries, cursor: undefined };
  }

  stop(): void {
    for (const [partition, reading] of this.#readings) this.#end(partition, reading);
  }

  async #read(partition: PartitionId): Promise<Reading> {
    const reading: Reading = { entries: new Map(), sorted: undefined, changed: new Set(), cancelEnd: () => {} };
    this.#readings.get(partition)?.cancelEnd();
    this.#readings.set(partition, reading);
    try {
      await this.#scanner.read(
        this.#names.streamOf(partition),
        this.#names.indexOf(partition),
        { headersOnly: false },
        () => {
          for (const key of reading.entries.keys()) if (!reading.changed.has(key)) reading.entries.delete(key);
        },
        (message) => this.#found(partition, reading, message),
      );
    } catch (error) {
      if (this.#readings.get(partition) === reading) this.#readings.delete(partition);
      throw error;
    }
    reading.cancelEnd = this.#clock.setTimeout(() => {
      if (this.#readings.get(partition) === reading) this.#readings.delete(partition);
    }, DUE_READING_MS);
    return reading;
  }

  #found(partition: PartitionId, { entries, changed }: Reading, message: ScannedMessage): void {
    const actor = this.#names.addressOf(message.subject);
    if (actor === undefined) return;
    const { sequence, writtenAtMs } = message;
    const key = this.#names.keyOf(partition, actor.address);
    // What this store has changed since the reading began is newer than what is read, or the same.
    if (changed.has(key)) return;
    const entry = { address: actor.address, partition, key, dueAtMs: decodeEntry(message), sequence, writtenAtMs };
    const dueAtMs = this.#index.timeOf(entry);
    if (dueAtMs === Infinity) entries.delete(key);
    else entries.set(key, { ...entry, dueAtMs });
  }

  #changed({ address, partition, key }: Place, dueAtMs: number): void {
    const reading = this.#readings.get(partition);
    if (reading === undefined) return;
    reading.changed.add(key);
    reading.sorted = undefined;
    if (dueAtMs === Infinity) {
      reading.entries.delete(key);
      return;
    }
    const writtenAtMs = this.#clock.nowMs();
    reading.entries.set(key, { address, partition, key, dueAtMs, sequence: 0, writtenAtMs });
  }

  #end(partition: PartitionId, reading: Reading): void {
    reading.cancelEnd();
    this.#readings.delete(partition);
  }
}

type Position = Pick<IndexEntry, 'dueAtMs' | 'key'>;

function compare(a: Position, b: Position): number {
  return a.dueAtMs - b.dueAtMs || (a.key < b.key ? -1 : a.key > b.key ? 1 : 0);
}

function positionAt(cursor: string): Position {
  const { number, text } = parseCursor(cursor);
  return { dueAtMs: number, key: text };
}
