// What the tests of the store suite work with: the store under test, and short ways to use it.

import { expect } from 'vitest';
import { partitionOf, type ActorAddress } from '../address.ts';
import {
  commitOnce,
  type Commit,
  type EntryRun,
  type Layout,
  type ListFilter,
  type LoadedRecord,
  type Store,
  type Summary,
} from '../store.ts';

/** How the suite gets at a store. One set of data at a time. */
export interface StoreHarness {
  /** A store over data that is empty. Not started. */
  open(): Promise<Store>;
  /** Another store over the same data, which no other store has open now. Not started. */
  reopen(): Promise<Store>;
  /** Removes the data; the store is stopped. */
  dispose(): Promise<void>;
}

export const SUITE_LAYOUT: Layout = { app: 'suite', partitionCount: 8, hash: 'fnv1a-fmix32', format: 1 };

export class StoreFixture {
  harness!: StoreHarness;
  /** Started, unless a test has stopped it. */
  store!: Store;

  async open(harness: StoreHarness): Promise<void> {
    this.harness = harness;
    this.store = await harness.open();
    await this.store.start(SUITE_LAYOUT);
  }

  async close(): Promise<void> {
    await this.store.stop();
    await this.harness.dispose();
  }

  async restart(): Promise<void> {
    await this.store.stop();
    this.store = await this.harness.reopen();
    await this.store.start(SUITE_LAYOUT);
  }

  /** Commits as the only writer of an actor would: expecting what is there, under a new id. */
  async put(id: string, change: Partial<Commit> = {}): Promise<number> {
    const { record } = await this.store.load(at(id));
    return commitOnce(this.store, at(id), { ...aCommit(record?.revision ?? 0), ...change });
  }

  async recordOf(id: string): Promise<LoadedRecord> {
    const { record } = await this.store.load(at(id));
    expect(record, `a record of ${id}`).toBeDefined();
    return record!;
  }

  /** The numbers of the entries that a read finds. Checks that the runs hold what was written. */
  async entriesOf(id: string, from = 1, limit = Infinity): Promise<number[]> {
    const numbers: number[] = [];
    for (const found of await this.store.read(at(id), from, limit)) {
      expect(text(found.bytes)).toBe(text(run(found.first, found.count).bytes));
      for (let index = 0; index < found.count; index++) numbers.push(found.first + index);
    }
    return numbers;
  }

  /** The ids of all that are due, in pages. */
  async allDue(partition: number, untilMs: number, limit: number): Promise<string[]> {
    const ids: string[] = [];
    let cursor: string | undefined;
    do {
      const page = await this.store.due(partition, untilMs, cursor, limit);
      expect(page.entries.length).toBeLessThanOrEqual(limit);
      ids.push(...page.entries.map(({ address }) => address.id));
      cursor = page.cursor;
    } while (cursor !== undefined);
    return ids;
  }

  /** When an actor is due, if that is not after `untilMs`. */
  async dueOf(id: string, untilMs: number): Promise<number | undefined> {
    const { entries } = await this.store.due(partitionOf(at(id), SUITE_LAYOUT.partitionCount), untilMs, undefined, 100);
    return entries.find(({ address }) => address.id === id && address.type === TYPE)?.dueAtMs;
  }

  /** The ids of all that a filter finds, in pages. */
  async listed(filter: Omit<ListFilter, 'type'> = {}, limit = 100): Promise<string[]> {
    const ids: string[] = [];
    let cursor: string | undefined;
    do {
      const page = await this.store.list(
        { type: TYPE, ...filter },
        cursor === undefined ? { limit } : { limit, cursor },
      );
      expect(page.incomplete).toBe(false);
      expect(page.actors.length).toBeLessThanOrEqual(limit);
      ids.push(...page.actors.map(({ address }) => address.id));
      cursor = page.cursor;
    } while (cursor !== undefined);
    return ids;
  }
}

/** The type of the suite's actors. */
export const TYPE = 'thing';

export function at(id: string): ActorAddress {
  return { type: TYPE, id };
}

let commitCount = 0;

/** A commit of a state, under a new id. */
export function aCommit(expectedRevision: number): Commit {
  return {
    id: { writer: 'suite', sequence: ++commitCount },
    expectedRevision,
    state: bytes('state'),
    entries: null,
    keepFrom: 'same',
    dueAtMs: null,
    summary: 'same',
  };
}

export function aSummary(change: Partial<Summary> = {}): Summary {
  return { name: 'thing', status: 'running', createdAtMs: 1_000, tags: {}, ...change };
}

/** A run whose bytes tell which one it is. */
export function run(first: number, count: number): EntryRun {
  return { first, count, bytes: bytes(`[${Array.from({ length: count }, (_, index) => first + index).join()}]`) };
}

export function bytes(value: string): Uint8Array {
  return new TextEncoder().encode(value);
}

export function text(value: Uint8Array): string {
  return new TextDecoder().decode(value);
}

export function idsInPartition(partition: number, count: number): string[] {
  const ids: string[] = [];
  for (let index = 0; ids.length < count; index++) {
    if (partitionOf(at(`p${index}`), SUITE_LAYOUT.partitionCount) === partition) ids.push(`p${index}`);
  }
  return ids;
}
