// The reference implementation of the store: maps in memory, with faults on demand for simulations.
//
// What is kept lives in a `MemoryContents` apart from the store that serves it. Hosts of a simulated cluster either
// share one store or have one each over the same contents, so that one of them can lose its store or crash alone.
//
// The invariants are those of `store.ts`. A write takes effect in one synchronous step, which gives S2 and S3;
// revisions come from one counter over all addresses, which gives S1.

import { formatAddress, partitionOf, type ActorAddress, type PartitionId } from './address.ts';
import { systemClock, type Clock } from './clock.ts';
import { asError, ConflictError, StoreUnavailableError } from './errors.ts';
import { COMMIT_IDS_KEPT } from './limits.ts';
import { checkCommit, checkLayout, compareUtf8, matchesFilter, parseCursor, printCursor } from './store-rules.ts';
import type {
  Commit,
  CommitId,
  CommitSource,
  DueEntry,
  DuePage,
  EntryRun,
  Layout,
  ListedActor,
  ListFilter,
  ListPage,
  Loaded,
  Store,
  Summary,
  Tombstone,
} from './store.ts';

/** What a fault can be put on. */
export type StoreOperation = 'load' | 'read' | 'commit' | 'purge' | 'sweep' | 'due' | 'list' | 'count';

/** What happens to one operation. Nothing given: it runs as usual. */
export interface StoreFault {
  /** It takes effect this much later. A commit is sealed before; writes of others may come between. */
  readonly delayMs?: number;
  /** Its answer, of whatever kind, comes this much later than its effect. */
  readonly answerDelayMs?: number;
  /** It fails: `before-write` without an effect, `after-write` although it took effect. Reads have none. */
  readonly fail?: 'before-write' | 'after-write';
  /** It is never answered. It takes effect unless `fail` is `before-write`. */
  readonly silent?: boolean;
}

/** Asked once per operation; the address is absent where the operation has none. */
export type StoreFaults = (operation: StoreOperation, address: ActorAddress | undefined) => StoreFault | undefined;

export interface MemoryStoreOptions {
  /** Measures the delays of faults. Default: the machine's clock. */
  readonly clock?: Clock;
  /** What is kept. Default: nothing yet. */
  readonly contents?: MemoryContents;
  readonly faults?: StoreFaults;
}

/** Keeps the records of all actors in memory, for tests and for actors that need not survive the process. */
export class MemoryStore implements Store {
  /** Puts faults on operations from now on; undefined for none. */
  faults: StoreFaults | undefined;
  /** While true nothing is served; writes that have begun and take effect later fail too. */
  unavailable = false;

  readonly #clock: Clock;
  #contents: MemoryContents;
  #startCount = 0;
  #crashed = false;
  #waiting: CommitSource[] = [];
  /** Writes that have begun and will be answered. */
  #writesUnderWay = 0;
  #whenIdle: (() => void)[] = [];

  constructor(options: MemoryStoreOptions = {}) {
    this.#clock = options.clock ?? systemClock;
    this.#contents = options.contents ?? new MemoryContents();
    this.faults = options.faults;
  }

  /** What the store keeps: give it to another store to share it. */
  get contents(): MemoryContents {
    return this.#contents;
  }

  /** A copy of everything that is kept now. */
  snapshot(): MemoryContents {
    return this.#contents.copy();
  }

  /** Goes on with a copy of what was kept when the snapshot was taken. */
  restore(snapshot: MemoryContents): void {
    this.#contents = snapshot.copy();
  }

  /** Ends as a killed process would: what waits or is under way is neither written nor answered. */
  crash(): void {
    this.#crashed = true;
    this.#waiting = [];
  }

  /** As {@link Store.start}. Hosts that share the store may each start it: it is open until each has stopped it. */
  async start(layout: Layout): Promise<Layout> {
    if (this.unavailable) throw this.#unavailableError();
    const settled = (this.#contents.layout ??= { ...layout });
    checkLayout(settled, layout);
    this.#startCount++;
    return settled;
  }

  async stop(): Promise<void> {
    if (this.#startCount > 0 && --this.#startCount > 0) return;
    const refused = this.#waiting;
    this.#waiting = [];
    for (const source of refused) source.refused(this.#unavailableError());
    if (this.#writesUnderWay > 0) await new Promise<void>((resolve) => this.#whenIdle.push(resolve));
  }

  load(address: ActorAddress): Promise<Loaded> {
    return this.#perform('load', address, () => this.#contents.load(address));
  }

  read(address: ActorAddress, fromEntry: number, limit: number): Promise<readonly EntryRun[]> {
    return this.#perform('read', address, () => this.#contents.read(address, fromEntry, limit));
  }

  commit(source: CommitSource): void {
    if (this.#crashed) return;
    this.#waiting.push(source);
    if (this.#waiting.length === 1) setImmediate(() => this.#write());
  }

  purge(address: ActorAddress, expectedRevision: number, tombstone?: Tombstone): Promise<void> {
    return this.#perform('purge', address, () => this.#contents.purge(address, expectedRevision, tombstone));
  }

  sweepTombstones(beforeMs: number): Promise<number> {
    return this.#perform('sweep', undefined, () => this.#contents.sweepTombstones(beforeMs));
  }

  due(partition: PartitionId, untilMs: number, cursor: string | undefined, limit: number): Promise<DuePage> {
    return this.#perform('due', undefined, () => this.#contents.due(partition, untilMs, cursor, limit));
  }

  list(filter: ListFilter, page: { readonly limit: number; readonly cursor?: string }): Promise<ListPage> {
    return this.#perform('list', undefined, () => this.#contents.list(filter, page.limit, page.cursor));
  }

  count(filter: ListFilter): Promise<Readonly<Record<string, number>>> {
    return this.#perform('count', undefined, () => this.#contents.count(filter));
  }

  failure(): Error | undefined {
    return this.unavailable || this.#startCount === 0 ? this.#unavailableError() : undefined;
  }

  /** Begins a write of everything that waits. All are sealed before anybody is answered, as in one write to a disk. */
  #write(): void {
    const sources = this.#waiting;
    this.#waiting = [];
    const sealed: [CommitSource, Commit][] = [];
    for (const source of sources) {
      if (this.failure() !== undefined) {
        source.refused(this.#unavailableError());
        continue;
      }
      try {
        sealed.push([source, source.seal()]);
      } catch (error) {
        source.refused(asError(error));
      }
    }
    const answers = sealed.map(([source, commit]) => this.#writeOne(source, commit));
    for (const answer of answers) answer?.();
  }

  /** Carries out one sealed commit. Returns its answer, unless a fault puts it off. */
  #writeOne(source: CommitSource, commit: Commit): (() => void) | undefined {
    const carryOut = (): (() => void) => {
      try {
        const revision = this.#contents.commit(source.address, commit);
        return () => source.accepted(revision);
      } catch (error) {
        return () => source.refused(error as Error);
      }
    };
    const fault = this.faults?.('commit', source.address);
    if (fault === undefined) return carryOut();
    this.#carryOutFaulty('commit', fault, carryOut, (error) => () => source.refused(error));
    return undefined;
  }

  #perform<T>(operation: StoreOperation, address: ActorAddress | undefined, carryOut: () => T): Promise<T> {
    const problem = this.#crashed ? undefined : this.failure();
    if (problem !== undefined) return Promise.reject(problem);
    return new Promise<T>((resolve, reject) => {
      if (this.#crashed) return;
      const settle = (): (() => void) => {
        try {
          const value = carryOut();
          return () => resolve(value);
        } catch (error) {
          return () => reject(error);
        }
      };
      const fault = this.faults?.(operation, address);
      if (fault === undefined) settle()();
      else this.#carryOutFaulty(operation, fault, settle, (error) => () => reject(error));
    });
  }

  /** Runs `carryOut`, which returns how to answer, the way the fault says; `failed` makes an answer of an error. */
  #carryOutFaulty(
    operation: StoreOperation,
    fault: StoreFault,
    carryOut: () => () => void,
    failed: (error: Error) => () => void,
  ): void {
    const answered = fault.silent !== true;
    if (answered) this.#writesUnderWay++;
    this.#later(fault.delayMs, () => {
      let answer: () => void;
      if (fault.fail === 'before-write' || this.unavailable) {
        answer = failed(new StoreUnavailableError(`${operation} failed: nothing was written`, { wroteNothing: true }));
      } else {
        answer = carryOut();
        if (fault.fail === 'after-write') {
          answer = failed(
            new StoreUnavailableError(`${operation} failed: it may have been written`, { wroteNothing: false }),
          );
        }
      }
      if (!answered) return;
      this.#later(fault.answerDelayMs, () => {
        answer();
        if (--this.#writesUnderWay === 0) for (const resolve of this.#whenIdle.splice(0)) resolve();
      });
    });
  }

  #later(delayMs: number | undefined, callback: () => void): void {
    const unlessCrashed = (): void => {
      if (!this.#crashed) callback();
    };
    if (delayMs === undefined) setImmediate(unlessCrashed);
    else this.#clock.setTimeout(unlessCrashed, delayMs);
  }

  #unavailableError(): StoreUnavailableError {
    return new StoreUnavailableError(this.unavailable ? 'the store is unavailable' : 'the store is not started', {
      wroteNothing: true,
    });
  }
}

/** One life of one actor. The object is its own; its parts are never changed in place but for `runs`. */
interface MemoryRecord {
  readonly address: ActorAddress;
  revision: number;
  state: Uint8Array;
  runs: EntryRun[];
  firstEntry: number;
  nextEntry: number;
  dueAtMs: number | null;
  summary: Summary | null;
  /** Newest first, each with the revision that it expected and the one that it made. */
  ids: { readonly id: CommitId; readonly expected: number; readonly made: number }[];
}

interface KeptTombstone {
  readonly tombstone: Tombstone;
  /** When the purge was asked for, by the tombstone. */
  readonly atMs: number;
}

/** What memory stores keep. Opaque but for {@link MemoryContents.copy}. */
export class MemoryContents {
  /** @internal */
  layout: Layout | undefined;
  #lastRevision = 0;
  // Keyed by the printed address; one map per type for lists and one per partition for due entries.
  readonly #records = new Map<string, MemoryRecord>();
  readonly #tombstones = new Map<string, KeptTombstone>();
  readonly #listed = new Map<string, Map<string, MemoryRecord>>();
  readonly #due = new Map<PartitionId, Map<string, MemoryRecord>>();

  /** Copies everything; later changes of one are not seen in the other. */
  copy(): MemoryContents {
    const copy = new MemoryContents();
    copy.layout = this.layout;
    copy.#lastRevision = this.#lastRevision;
    for (const [key, record] of this.#records) {
      const own = { ...record, runs: [...record.runs] };
      copy.#records.set(key, own);
      copy.#index(key, own);
    }
    for (const [key, kept] of this.#tombstones) copy.#tombstones.set(key, kept);
    return copy;
  }

  /** @internal */
  load(address: ActorAddress): Loaded {
    const key = formatAddress(address);
    const record = this.#records.get(key);
    return {
      record: record && {
        revision: record.revision,
        state: new Uint8Array(record.state),
        firstEntry: record.firstEntry,
        nextEntry: record.nextEntry,
        dueAtMs: record.dueAtMs,
        summary: record.summary,
        commitIds: record.ids.map((kept) => kept.id),
      },
      tombstone: this.#tombstones.get(key)?.tombstone,
    };
  }

  /** @internal */
  read(address: ActorAddress, fromEntry: number, limit: number): readonly EntryRun[] {
    const record = this.#records.get(formatAddress(address));
    if (record === undefined) return [];
    const from = Math.max(fromEntry, record.firstEntry);
    const found: EntryRun[] = [];
    // Readers ask for the end more often than for the beginning: search, don't scan.
    for (let index = firstRunWith(record.runs, from); index < record.runs.length; index++) {
      const run = record.runs[index]!;
      if (run.first - from >= limit) break;
      found.push({ ...run, bytes: new Uint8Array(run.bytes) });
    }
    return found;
  }

  /** @internal */
  commit(address: ActorAddress, commit: Commit): number {
    const key = formatAddress(address);
    const record = this.#records.get(key);
    const actual = record?.revision ?? 0;
    const again = record?.ids.find(({ id }) => id.writer === commit.id.writer && id.sequence === commit.id.sequence);
    if (again !== undefined && again.expected === commit.expectedRevision) return again.made;
    if (again !== undefined || actual !== commit.expectedRevision)
      throw new ConflictError(address, commit.expectedRevision, actual);
    checkCommit(address, commit, record);

    const revision = ++this.#lastRevision;
    const next: MemoryRecord = record ?? {
      address: { type: address.type, id: address.id },
      revision,
      state: EMPTY,
      runs: [],
      firstEntry: 1,
      nextEntry: 1,
      dueAtMs: null,
      summary: null,
      ids: [],
    };
    if (record !== undefined) this.#unindex(key, record);
    next.revision = revision;
    if (commit.state !== 'same') next.state = new Uint8Array(commit.state);
    if (commit.entries !== null) {
      const { first, count, bytes } = commit.entries;
      next.runs.push({ first, count, bytes: new Uint8Array(bytes) });
      next.nextEntry = first + count;
    }
    if (commit.keepFrom !== 'same') {
      next.firstEntry = commit.keepFrom;
      next.runs.splice(0, firstRunWith(next.runs, commit.keepFrom));
    }
    next.dueAtMs = commit.dueAtMs;
    if (commit.summary !== 'same')
      next.summary = commit.summary && { ...commit.summary, tags: { ...commit.summary.tags } };
    const id = { writer: commit.id.writer, sequence: commit.id.sequence };
    next.ids = [{ id, expected: actual, made: revision }, ...next.ids.slice(0, COMMIT_IDS_KEPT - 1)];
    this.#records.set(key, next);
    this.#tombstones.delete(key);
    this.#index(key, next);
    return revision;
  }

  /** @internal */
  purge(address: ActorAddress, expectedRevision: number, tombstone: Tombstone | undefined): void {
    const key = formatAddress(address);
    const record = this.#records.get(key);
    if ((record?.revision ?? 0) !== expectedRevision)
      throw new ConflictError(address, expectedRevision, record?.revision ?? 0);
    if (record !== undefined) {
      this.#unindex(key, record);
      this.#records.delete(key);
    }
    if (tombstone !== undefined) this.#tombstones.set(key, { tombstone: { ...tombstone }, atMs: tombstone.atMs });
  }

  /** @internal */
  sweepTombstones(beforeMs: number): number {
    let count = 0;
    for (const [key, { atMs }] of this.#tombstones) {
      if (atMs >= beforeMs) continue;
      this.#tombstones.delete(key);
      count++;
    }
    return count;
  }

  /** @internal */
  due(partition: PartitionId, untilMs: number, cursor: string | undefined, limit: number): DuePage {
    const after = cursor === undefined ? undefined : parseCursor(cursor);
    const found: (DueEntry & { readonly key: string })[] = [];
    for (const [key, { address, dueAtMs }] of this.#due.get(partition) ?? []) {
      if (dueAtMs === null || dueAtMs > untilMs) continue;
      if (after !== undefined && (dueAtMs - after.number || compareUtf8(key, after.text)) <= 0) continue;
      found.push({ key, address, dueAtMs });
    }
    found.sort((a, b) => a.dueAtMs - b.dueAtMs || compareUtf8(a.key, b.key));
    const last = found.length > limit ? found[limit - 1] : undefined;
    return {
      entries: found.slice(0, limit).map(({ address, dueAtMs }) => ({ address, dueAtMs })),
      cursor: last && printCursor(last.dueAtMs, last.key),
    };
  }

  /** @internal */
  list(filter: ListFilter, limit: number, cursor: string | undefined): ListPage {
    const after = cursor === undefined ? undefined : parseCursor(cursor);
    const found = this.#matching(filter).filter(
      ({ address, summary }) =>
        after === undefined || (after.number - summary.createdAtMs || compareUtf8(address.id, after.text)) > 0,
    );
    found.sort((a, b) => b.summary.createdAtMs - a.summary.createdAtMs || compareUtf8(a.address.id, b.address.id));
    const last = found.length > limit ? found[limit - 1] : undefined;
    return {
      actors: found.slice(0, limit),
      cursor: last && printCursor(last.summary.createdAtMs, last.address.id),
      incomplete: false,
    };
  }

  /** @internal */
  count(filter: ListFilter): Readonly<Record<string, number>> {
    const counts = new Map<string, number>();
    for (const { summary } of this.#matching(filter)) counts.set(summary.status, (counts.get(summary.status) ?? 0) + 1);
    return Object.fromEntries(counts);
  }

  #matching(filter: ListFilter): ListedActor[] {
    const found: ListedActor[] = [];
    for (const { address, summary } of this.#listed.get(filter.type)?.values() ?? []) {
      if (summary !== null && matchesFilter(filter, address, summary)) found.push({ address, summary });
    }
    return found;
  }

  #index(key: string, record: MemoryRecord): void {
    if (record.summary !== null) mapIn(this.#listed, record.address.type).set(key, record);
    if (record.dueAtMs !== null) mapIn(this.#due, this.#partitionOf(record)).set(key, record);
  }

  #unindex(key: string, record: MemoryRecord): void {
    if (record.summary !== null) this.#listed.get(record.address.type)?.delete(key);
    if (record.dueAtMs !== null) this.#due.get(this.#partitionOf(record))?.delete(key);
  }

  #partitionOf(record: MemoryRecord): PartitionId {
    return partitionOf(record.address, this.layout!.partitionCount);
  }
}

const EMPTY = new Uint8Array(0);

/** Index of the first run that holds `entry` or later ones; their number if there is none. */
function firstRunWith(runs: readonly EntryRun[], entry: number): number {
  let low = 0;
  let high = runs.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    const run = runs[middle]!;
    if (run.first + run.count <= entry) low = middle + 1;
    else high = middle;
  }
  return low;
}

function mapIn<K, V>(maps: Map<K, Map<string, V>>, key: K): Map<string, V> {
  let map = maps.get(key);
  if (map === undefined) maps.set(key, (map = new Map()));
  return map;
}
