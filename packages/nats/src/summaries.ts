// The summaries of the partitions that this store has, in memory, sorted as lists show them. What is read from the stream and
// what commits and purges tell come in any order: the higher sequence counts.

import {
  compareUtf8,
  matchesFilter,
  type ActorAddress,
  type ListedActor,
  type ListFilter,
  type PartitionId,
  type Summary,
} from '@troupe/actors';
import { SUMMARY_BLOCK_LENGTH } from './limits.ts';
import { lowerBound } from './lower-bound.ts';

interface Entry {
  readonly address: ActorAddress;
  readonly partition: PartitionId;
  /** For what comes later. */
  sequence: number;
  summary: Summary;
}

/** Where a page begins: after the actor created at that time with that id. */
export interface ListPosition {
  readonly createdAtMs: number;
  readonly id: string;
}

/** Newest created first, then by the UTF-8 bytes of the id. */
export function comparePositions(a: ListPosition, b: ListPosition): number {
  return b.createdAtMs - a.createdAtMs || compareUtf8(a.id, b.id);
}

export class Summaries {
  readonly #lists = new Map<string, SortedList>();
  /** By partition, then by `type/id`. */
  readonly #partitions = new Map<PartitionId, Map<string, Entry>>();
  /** What went while its partition was read, with the sequence that took it out: older messages must not bring it back. */
  readonly #gone = new Map<PartitionId, Map<string, number>>();
  /** Names and statuses are few: one copy of each. */
  readonly #strings = new Map<string, string>();

  /** Begins to keep those of a partition; what went is remembered until {@link read}. */
  reading(partition: PartitionId): void {
    if (!this.#partitions.has(partition)) this.#partitions.set(partition, new Map());
    this.#gone.set(partition, new Map());
  }

  /** Everything of the partition was read. */
  read(partition: PartitionId): void {
    this.#gone.delete(partition);
  }

  /** Forgets a partition. */
  drop(partition: PartitionId): void {
    const entries = this.#partitions.get(partition);
    if (entries === undefined) return;
    this.#partitions.delete(partition);
    this.#gone.delete(partition);
    for (const [type, list] of this.#lists) {
      list.removeOf(partition);
      if (list.length === 0) this.#lists.delete(type);
    }
  }

  /** As of the message with this sequence; null: it is not listed. Ignored for partitions that are not kept. */
  set(partition: PartitionId, address: ActorAddress, sequence: number, summary: Summary | null): void {
    const entries = this.#partitions.get(partition);
    if (entries === undefined) return;
    const name = `${address.type}/${address.id}`;
    const entry = entries.get(name);
    if (entry === undefined ? sequence < (this.#gone.get(partition)?.get(name) ?? 0) : sequence < entry.sequence)
      return;
    if (summary === null) {
      this.#gone.get(partition)?.set(name, sequence);
      if (entry === undefined) return;
      entries.delete(name);
      this.#lists.get(address.type)!.remove(entry);
      return;
    }
    const shared = { ...summary, name: this.#shared(summary.name), status: this.#shared(summary.status) };
    if (entry !== undefined) {
      const list = this.#lists.get(address.type)!;
      const moves = entry.summary.createdAtMs !== summary.createdAtMs;
      if (moves) list.remove(entry);
      entry.sequence = sequence;
      entry.summary = shared;
      if (moves) list.add(entry);
      return;
    }
    const added = { address, partition, sequence, summary: shared };
    entries.set(name, added);
    let list = this.#lists.get(address.type);
    if (list === undefined) this.#lists.set(address.type, (list = new SortedList()));
    list.add(added);
  }

  list(filter: ListFilter, limit: number, after: ListPosition | undefined): { actors: ListedActor[]; more: boolean } {
    const actors: ListedActor[] = [];
    // "Before" is where to begin: what was created at that time or later need not be looked at. No id is empty.
    const { createdBeforeMs } = filter;
    const start = after ?? (createdBeforeMs === undefined ? undefined : { createdAtMs: createdBeforeMs, id: '' });
    for (const { address, summary } of this.#lists.get(filter.type)?.from(start) ?? []) {
      if (filter.createdAfterMs !== undefined && summary.createdAtMs < filter.createdAfterMs) break;
      if (!matchesFilter(filter, address, summary)) continue;
      if (actors.length === limit) return { actors, more: true };
      actors.push({ address, summary });
    }
    return { actors, more: false };
  }

  count(filter: ListFilter): Map<string, number> {
    const counts = new Map<string, number>();
    for (const { address, summary } of this.#lists.get(filter.type)?.from(undefined) ?? []) {
      if (matchesFilter(filter, address, summary)) counts.set(summary.status, (counts.get(summary.status) ?? 0) + 1);
    }
    return counts;
  }

  #shared(text: string): string {
    const known = this.#strings.get(text);
    if (known !== undefined) return known;
    // Not for names that somebody makes up without end.
    if (this.#strings.size < 10_000) this.#strings.set(text, text);
    return text;
  }
}

/** Entries in order, in blocks, so that an insertion moves few of them. */
class SortedList {
  #blocks: Entry[][] = [];
  length = 0;

  add(entry: Entry): void {
    this.length++;
    const position = positionOf(entry);
    const blockIndex = Math.max(0, this.#firstBlockAfter(position) - 1);
    const block = this.#blocks[blockIndex];
    if (block === undefined) {
      this.#blocks.push([entry]);
      return;
    }
    block.splice(firstAfter(block, position), 0, entry);
    if (block.length > SUMMARY_BLOCK_LENGTH) {
      this.#blocks.splice(blockIndex + 1, 0, block.splice(SUMMARY_BLOCK_LENGTH / 2));
    }
  }

  remove(entry: Entry): void {
    const position = positionOf(entry);
    const blockIndex = this.#firstBlockAfter(position) - 1;
    const block = this.#blocks[blockIndex]!;
    this.length--;
    block.splice(firstAfter(block, position) - 1, 1);
    if (block.length === 0) this.#blocks.splice(blockIndex, 1);
  }

  removeOf(partition: PartitionId): void {
    this.#blocks = this.#blocks
      .map((block) => block.filter((entry) => entry.partition !== partition))
      .filter(({ length }) => length > 0);
    this.length = this.#blocks.reduce((sum, { length }) => sum + length, 0);
  }

  *from(after: ListPosition | undefined): Generator<Entry> {
    let blockIndex = after === undefined ? 0 : Math.max(0, this.#firstBlockAfter(after) - 1);
    let index = after === undefined ? 0 : firstAfter(this.#blocks[blockIndex] ?? [], after);
    for (; blockIndex < this.#blocks.length; blockIndex++, index = 0) {
      const block = this.#blocks[blockIndex]!;
      for (; index < block.length; index++) yield block[index]!;
    }
  }

  /** The first block that begins after the position. */
  #firstBlockAfter(position: ListPosition): number {
    return lowerBound(
      this.#blocks.length,
      (index) => comparePositions(positionOf(this.#blocks[index]![0]!), position) <= 0,
    );
  }
}

function positionOf({ address, summary }: Entry): ListPosition {
  return { createdAtMs: summary.createdAtMs, id: address.id };
}

function firstAfter(block: readonly Entry[], position: ListPosition): number {
  return lowerBound(block.length, (index) => comparePositions(positionOf(block[index]!), position) <= 0);
}
