// The embedded store: one folder, one LevelDB, one process.
//
// Responsible for: the order of commits of each actor, putting everything that waits into one synced batch, the indexes of
// due times and summaries, and saying so when the disk failed. How bytes are laid out is in `keys.ts` and `record.ts`; the
// folder in `folder.ts` and `damage.ts`; deleting what is no longer needed in `reaper.ts`.
//
// L1  An address has at most one write under way: batches under way reach the disk in any order. Its head is `busy`.
// L2  A head in the cache is that of the newest write that was begun. What is not in the cache has no write under way.
// L3  Numbers (of lives) are below the durable lease, and above every revision that was ever purged. The revisions of a
//     life are its number and those that follow it. Hence S1.
// L4  After a write that failed nothing is written or read until the store is stopped and started: what is on the disk is
//     not known.

import { resolve } from 'node:path';
import {
  asError,
  checkCommit,
  ConflictError,
  CorruptRecordError,
  formatAddress,
  NOTHING_LOADED,
  partitionOf,
  StoreUnavailableError,
  TroupeError,
  type ActorAddress,
  type Commit,
  type CommitSource,
  type DuePage,
  type EntryRun,
  type Layout,
  type ListFilter,
  type ListPage,
  type Loaded,
  type PartitionId,
  type Store,
  type Tombstone,
} from '@troupe/actors';
import { noteFailedWrite, leaveWell } from './folder.ts';
import { Absence, Head, HeadCache } from './head.ts';
import { deleteDue, deleteSummary, putDue, putLife, putSummary } from './index-rows.ts';
import {
  idKey,
  LEASE_KEY,
  NO_ENTRY,
  reapKey,
  RECORD_KEY_BYTES,
  recordKey,
  tombstoneBound,
  tombstoneKey,
  writeRecordKey,
} from './keys.ts';
import { BATCH_BYTES_MAX, BATCHES_IN_FLIGHT_MAX, HEAD_COUNT_MAX, LEASE_LENGTH, TRIM_ENTRIES_MIN } from './limits.ts';
import { levelCode, openDatabase, type LevelStoreOptions } from './opening.ts';
import { Pace } from './pace.ts';
import {
  countByStatus,
  duePage,
  listPage,
  readActor,
  readRuns,
  rowsIn,
  summaryText,
  tombstoneRow,
  type Database,
} from './reading.ts';
import { Reaper } from './reaper.ts';
import { decodeRecord, decodeRow, encodeRecord, encodeRow } from './record.ts';
import { Purge, Sweep, Write, type Request } from './request.ts';

/** Keeps the records of all actors in a folder, which it makes if there is none. One process at a time may start it. */
export function levelStore(folder: string, options: LevelStoreOptions = {}): Store {
  return new LevelStore(folder, options);
}

/** @internal */
export class LevelStore implements Store {
  readonly #folder: string;
  readonly #options: LevelStoreOptions;
  #state: 'stopped' | 'starting' | 'started' | 'failed' | 'stopping' = 'stopped';
  #failure: StoreUnavailableError | undefined;
  #failureNoted: Promise<void> | undefined;
  #database!: Database;
  #reaper!: Reaper;
  #layout!: Layout;
  #stopping: Promise<void> | undefined;

  readonly #heads = new HeadCache(HEAD_COUNT_MAX);
  /** Addresses whose head is being read, with the requests that wait for it. */
  readonly #finding = new Map<string, Request[]>();
  #waiting: Request[] = [];
  /** Requests that can go on when a write or a lease that is under way has ended. */
  #blocked: Request[] = [];
  #scheduled = false;
  readonly #pace = new Pace();
  #whenIdle: (() => void) | undefined;

  /** The last number given to a life, or a later revision that was purged. */
  #lastNumber = 0;
  /** Numbers below this one are durably leased. */
  #leasedTo = 0;
  #leasing = false;

  readonly #recordKey = Buffer.allocUnsafe(RECORD_KEY_BYTES);

  constructor(folder: string, options: LevelStoreOptions) {
    this.#folder = resolve(folder);
    this.#options = options;
  }

  async start(layout: Layout): Promise<Layout> {
    if (this.#state !== 'stopped') throw new TypeError(`the store in ${this.#folder} is started already`);
    this.#state = 'starting';
    try {
      await this.#open(layout);
    } catch (error) {
      this.#state = 'stopped';
      throw this.#translated(error);
    }
    this.#failure = undefined;
    this.#failureNoted = undefined;
    this.#state = 'started';
    this.#reaper.start();
    return this.#layout;
  }

  stop(): Promise<void> {
    if (this.#state === 'started' || this.#state === 'failed') this.#stopping = this.#close(this.#state === 'started');
    return this.#stopping ?? Promise.resolve();
  }

  failure(): Error | undefined {
    return this.#state === 'started' ? undefined : (this.#failure ?? this.#notStarted());
  }

  commit(source: CommitSource): void {
    this.#request(source);
  }

  /** Heads of ended activations would stay until others push them out, and be carried along by every garbage collection. */
  release(source: CommitSource): void {
    const head = source.storeSlot;
    if (head instanceof Head && head.isCurrent && !head.busy) this.#heads.delete(formatAddress(source.address), head);
  }

  purge(address: ActorAddress, expectedRevision: number, tombstone?: Tombstone): Promise<void> {
    return new Promise((accepted, refused) =>
      this.#request(new Purge(address, expectedRevision, tombstone, accepted, refused)),
    );
  }

  async sweepTombstones(beforeMs: number): Promise<number> {
    let count = 0;
    await this.#reading(async (database) => {
      for await (const rows of rowsIn(database, { gte: tombstoneBound(0), lt: tombstoneBound(beforeMs) })) {
        const sweeps = rows.map(
          ([key, value]) =>
            new Promise<Sweep>((done, refused) => {
              const sweep = new Sweep(key, decodeRow(key, value), () => done(sweep), refused);
              this.#request(sweep);
            }),
        );
        for (const { removed } of await Promise.all(sweeps)) if (removed) count++;
      }
    });
    return count;
  }

  load(address: ActorAddress): Loaded | Promise<Loaded> {
    const key = formatAddress(address);
    // Most first loads find nothing: look before taking a snapshot, and without leaving the thread.
    return this.#isAbsent(key, address) ? NOTHING_LOADED : this.#load(key, address);
  }

  /** Whether there is neither a record nor a tombstone. False also when that cannot be told at once. */
  #isAbsent(key: string, address: ActorAddress): boolean {
    if (this.#state !== 'started' || this.#finding.has(key)) return false;
    try {
      if (this.#database.getSync(idKey(address)) !== undefined) return false;
    } catch {
      // The read that follows meets the same and reports it.
      return false;
    }
    if (!this.#heads.has(key)) this.#heads.set(key, new Absence());
    return true;
  }

  async #load(key: string, address: ActorAddress): Promise<Loaded> {
    // While this load is the one that reads for the cache no other does, so nothing newer can get there before it (L2).
    const finds = !this.#heads.has(key) && !this.#finding.has(key) && this.#state === 'started';
    if (finds) this.#finding.set(key, []);
    let head: Head | Absence | undefined;
    let problem: unknown;
    try {
      const found = await this.#reading((database) => readActor(database, address));
      head = found.head;
      return found.loaded;
    } catch (error) {
      problem = error;
      throw error;
    } finally {
      if (finds) this.#found(key, head, problem);
    }
  }

  read(address: ActorAddress, fromEntry: number, limit: number): Promise<readonly EntryRun[]> {
    return this.#reading((database) => readRuns(database, address, fromEntry, limit));
  }

  due(partition: PartitionId, untilMs: number, cursor: string | undefined, limit: number): Promise<DuePage> {
    return this.#reading((database) => duePage(database, partition, untilMs, cursor, limit));
  }

  list(filter: ListFilter, page: { readonly limit: number; readonly cursor?: string }): Promise<ListPage> {
    return this.#reading((database) => listPage(database, filter, page.limit, page.cursor));
  }

  count(filter: ListFilter): Promise<Readonly<Record<string, number>>> {
    return this.#reading((database) => countByStatus(database, filter));
  }

  async #open(asked: Layout): Promise<void> {
    const { database, layout } = await openDatabase(this.#folder, this.#options, asked);
    try {
      const lease = database.getSync(LEASE_KEY);
      this.#lastNumber = lease === undefined ? 0 : decodeRow(LEASE_KEY, lease).readUIntBE(0, 6);
      this.#leasedTo = await writeLease(database, this.#lastNumber);
      this.#layout = layout;
      this.#database = database;
      this.#reaper = new Reaper(database, (error) => this.#fail('deleting what is no longer needed', error));
      await this.#reaper.resume();
    } catch (error) {
      await database.close();
      throw error;
    }
  }

  async #close(well: boolean): Promise<void> {
    this.#state = 'stopping';
    this.#refuseWaiting();
    if (this.#pace.underWay > 0) await new Promise<void>((idle) => (this.#whenIdle = idle));
    await this.#reaper.stop();
    await this.#database.close();
    this.#heads.clear();
    if (well && this.#failure === undefined) await leaveWell(this.#folder);
    await this.#failureNoted;
    this.#state = 'stopped';
  }

  // --- waiting

  #request(request: Request): void {
    if (this.#state !== 'started') {
      queueMicrotask(() => request.refused(this.#failure ?? this.#notStarted()));
      return;
    }
    this.#waiting.push(request);
    this.#schedule();
  }

  /** A write begins when this round of the event loop is over, so that everything that happens in it is in the write. */
  #schedule(): void {
    if (this.#scheduled || this.#pace.underWay >= BATCHES_IN_FLIGHT_MAX) return;
    this.#scheduled = true;
    setImmediate(this.#writeWaiting);
  }

  readonly #writeWaiting = (): void => {
    this.#scheduled = false;
    if (this.#state !== 'started') return;
    const free = this.#pace.writesMax(this.#waiting.length) - this.#pace.underWay;
    // The first of two takes half: were it to take all, everybody would wait for it, and then for it again.
    if (free > 1 && this.#waiting.length > 1) this.#write(Math.ceil(this.#waiting.length / 2));
    if (free > 0 && this.#waiting.length > 0) this.#write(this.#waiting.length);
    this.#pace.roundEnded();
  };

  /** Lets those go on that waited for a write or a lease to end. */
  #unblock(): void {
    if (this.#blocked.length > 0) {
      this.#waiting = [...this.#blocked, ...this.#waiting];
      this.#blocked = [];
    }
    this.#schedule();
  }

  /** Reads the head that a request needs; the request waits again when it is there. */
  #find(key: string, request: Request): void {
    const finding = this.#finding.get(key);
    if (finding !== undefined) {
      finding.push(request);
      return;
    }
    // `load` does it, as the one that reads for the cache, and answers those who wait.
    const loading = this.#load(key, request.address);
    this.#finding.get(key)!.push(request);
    loading.catch(() => undefined);
  }

  #found(key: string, head: Head | Absence | undefined, problem: unknown): void {
    const requests = this.#finding.get(key)!;
    this.#finding.delete(key);
    if (this.#state !== 'started') {
      for (const request of requests) request.refused(this.#failure ?? this.#notStarted());
    } else if (head === undefined) {
      for (const request of requests) request.refused(problem as Error);
    } else {
      this.#heads.set(key, head);
      for (const request of requests) this.#waiting.push(request);
      this.#schedule();
    }
  }

  #refuseWaiting(): void {
    const requests = [...this.#waiting, ...this.#blocked];
    this.#waiting = [];
    this.#blocked = [];
    for (const request of requests) request.refused(this.#failure ?? this.#notStarted());
  }

  // --- writing

  #write(count: number): void {
    const requests = this.#waiting;
    this.#waiting = count === requests.length ? [] : requests.splice(count);
    const write = new Write(this.#database.batch());
    for (let index = 0; index < requests.length; index++) {
      if (write.bytes > BATCH_BYTES_MAX) {
        this.#waiting = [...requests.slice(index), ...this.#waiting];
        break;
      }
      const request = requests[index]!;
      const slot = 'storeSlot' in request ? request.storeSlot : undefined;
      if (slot instanceof Head && slot.isCurrent) {
        if (slot.busy) this.#blocked.push(request);
        else this.#addCommit(write, '', slot, request as CommitSource);
        continue;
      }
      const key = formatAddress(request.address);
      const head = this.#heads.get(key);
      if (head === undefined) this.#find(key, request);
      else if (head.busy) this.#blocked.push(request);
      else if (request instanceof Purge) this.#addPurge(write, key, head, request);
      else if (request instanceof Sweep) this.#addSweep(write, head, request);
      else this.#addCommit(write, key, head, request);
    }
    if (write.requests.length === 0) {
      void write.batch.close();
      return;
    }
    this.#pace.began(write.requests.length);
    write.batch.write({ sync: true }).then(
      () => this.#landed(write),
      (error: unknown) => this.#notLanded(write, error),
    );
  }

  /** `key` is needed only for an absence. */
  #addCommit(write: Write, key: string, known: Head | Absence, source: CommitSource): void {
    const { address } = source;
    if (known instanceof Absence && !this.#mayBegin()) {
      this.#blocked.push(source);
      return;
    }
    let commit: Commit;
    let summary: string | undefined;
    try {
      commit = source.seal();
      if (known instanceof Head) {
        const made = known.revisionOf(commit.id);
        if (made > 0 && known.expectedBy(made) === commit.expectedRevision) {
          source.accepted(made);
          return;
        }
        if (made > 0 || known.revision !== commit.expectedRevision)
          throw new ConflictError(address, commit.expectedRevision, known.revision);
        checkCommit(address, commit, known);
      } else {
        if (commit.expectedRevision !== 0) throw new ConflictError(address, commit.expectedRevision, 0);
        checkCommit(address, commit, undefined);
      }
      if (commit.summary !== 'same' && commit.summary !== null) summary = summaryText(commit.summary);
    } catch (error) {
      source.refused(asError(error));
      return;
    }

    const { batch } = write;
    let head: Head;
    if (known instanceof Head) {
      head = known;
      head.revision++;
    } else {
      head = new Head(++this.#lastNumber);
      head.revision = head.number;
      this.#heads.set(key, head);
      putLife(batch, address, head.number);
    }
    source.storeSlot = head;
    head.addId(commit.id);
    const { entries } = commit;
    if (entries !== null) head.nextEntry = entries.first + entries.count;
    const place = entries === null ? NO_ENTRY : entries.first;
    let state = commit.state === 'same' ? undefined : commit.state;
    // A record that replaces the one with the state takes the state over.
    if (state === undefined && place === NO_ENTRY && head.stateAt === NO_ENTRY) {
      const replaced = recordKey(head.number, NO_ENTRY);
      state = decodeRecord(replaced, this.#database.getSync(replaced)!).state;
    }
    if (state !== undefined) head.stateAt = place;
    if (commit.keepFrom !== 'same') {
      head.firstEntry = commit.keepFrom;
      this.#trim(write, head);
    }
    if (commit.dueAtMs !== head.dueAtMs) {
      const partition = partitionOf(address, this.#layout.partitionCount);
      if (head.dueAtMs !== null) deleteDue(batch, partition, head.dueAtMs, address);
      if (commit.dueAtMs !== null) putDue(batch, partition, commit.dueAtMs, address);
      head.dueAtMs = commit.dueAtMs;
    }
    if (commit.summary !== 'same') {
      const listedAtMs = commit.summary?.createdAtMs ?? null;
      if (head.listedAtMs !== null && head.listedAtMs !== listedAtMs) deleteSummary(batch, address, head.listedAtMs);
      if (listedAtMs !== null) putSummary(batch, address, listedAtMs, summary!);
      head.listedAtMs = listedAtMs;
    }
    const record = encodeRecord(head, state, entries);
    batch.put(writeRecordKey(this.#recordKey, head.number, place), record);
    write.bytes += record.length;
    this.#add(write, source, head);
  }

  #add(write: Write, request: Request, head: Head | Absence): void {
    head.busy = true;
    write.requests.push(request);
    write.heads.push(head);
  }

  /** Has the entries deleted that are not needed any more, when they are enough. The newest state is still needed. */
  #trim(write: Write, head: Head): void {
    const upTo = Math.min(head.firstEntry, head.stateAt);
    if (upTo - head.trimmedTo < TRIM_ENTRIES_MIN) return;
    head.trimmedTo = upTo;
    const key = reapKey(head.number);
    write.batch.put(key, Reaper.rowFor(key, upTo));
    write.reaps.push(head.number, upTo);
  }

  #addPurge(write: Write, key: string, known: Head | Absence, purge: Purge): void {
    const { address, tombstone } = purge;
    const revision = known instanceof Head ? known.revision : 0;
    if (revision !== purge.expectedRevision) {
      purge.refused(new ConflictError(address, purge.expectedRevision, revision));
      return;
    }
    if (known instanceof Absence && tombstone === undefined) {
      purge.accepted();
      return;
    }
    // The next life must begin above this revision, also when the process ends right after this write (L3).
    this.#lastNumber = Math.max(this.#lastNumber, revision);
    if (!this.#mayBegin()) {
      this.#blocked.push(purge);
      return;
    }
    const { batch } = write;
    const id = idKey(address);
    if (tombstone === undefined) batch.del(id);
    else {
      const row = tombstoneRow(id, tombstone);
      batch.put(id, row);
      const byAge = tombstoneKey(tombstone.atMs, address);
      batch.put(byAge, encodeRow(byAge, row));
    }
    if (known instanceof Head) {
      if (known.dueAtMs !== null)
        deleteDue(batch, partitionOf(address, this.#layout.partitionCount), known.dueAtMs, address);
      if (known.listedAtMs !== null) deleteSummary(batch, address, known.listedAtMs);
      known.isCurrent = false;
      const reap = reapKey(known.number);
      batch.put(reap, Reaper.rowFor(reap, NO_ENTRY));
      write.reaps.push(known.number, NO_ENTRY);
    }
    const absence = new Absence();
    this.#heads.set(key, absence);
    this.#add(write, purge, absence);
  }

  #addSweep(write: Write, known: Head | Absence, sweep: Sweep): void {
    const id = idKey(sweep.address);
    write.batch.del(sweep.key);
    if (known instanceof Absence && this.#database.getSync(id)?.equals(sweep.row) === true) {
      write.batch.del(id);
      sweep.removed = true;
    }
    this.#add(write, sweep, known);
  }

  #landed(write: Write): void {
    this.#pace.landed(write.requests.length);
    // After a torn write LevelDB cannot find those behind it again.
    if (this.#failure !== undefined) {
      this.#answerUnknown(write);
      return;
    }
    const { requests, heads, reaps } = write;
    for (let index = 0; index < requests.length; index++) {
      const head = heads[index]!;
      head.busy = false;
      const request = requests[index]!;
      // The head may go on at once with what `accepted` brings about, but not before the next write begins.
      if (head instanceof Head) (request as CommitSource).accepted(head.revision);
      else (request as Purge | Sweep).accepted();
    }
    for (let index = 0; index < reaps.length; index += 2) this.#reaper.reap(reaps[index]!, reaps[index + 1]!);
    this.#ended();
  }

  #notLanded(write: Write, error: unknown): void {
    this.#pace.landed(write.requests.length);
    this.#fail('a write', error);
    this.#answerUnknown(write);
  }

  #answerUnknown(write: Write): void {
    const { message } = this.#failure!;
    for (const request of write.requests)
      request.refused(new StoreUnavailableError(message, { wroteNothing: false, cause: this.#failure }));
    this.#ended();
  }

  #ended(): void {
    if (this.#pace.underWay === 0) this.#whenIdle?.();
    if (this.#state === 'started') this.#unblock();
    else this.#refuseWaiting();
  }

  // --- numbers

  /** Whether a life may begin: its number must be leased durably. Leases more when there are few. */
  #mayBegin(): boolean {
    if (this.#leasedTo - this.#lastNumber < LEASE_LENGTH / 2 && !this.#leasing) {
      this.#leasing = true;
      writeLease(this.#database, Math.max(this.#leasedTo, this.#lastNumber)).then(
        (leasedTo) => {
          this.#leasing = false;
          this.#leasedTo = leasedTo;
          this.#unblock();
        },
        (error: unknown) => {
          this.#leasing = false;
          this.#fail('a write', error);
        },
      );
    }
    return this.#lastNumber + 1 < this.#leasedTo;
  }

  // --- failing

  #fail(what: string, cause: unknown): void {
    if (this.#failure !== undefined) return;
    if (this.#state === 'started') this.#state = 'failed';
    const detail = cause instanceof Error ? cause.message : String(cause);
    const remedy = /no space left|ENOSPC|disk full/i.test(detail) ? 'the disk is full: make room' : 'mend the disk';
    this.#failure = new StoreUnavailableError(
      `the store in ${this.#folder} serves no more since ${what} failed (${detail}); ${remedy}, then restart`,
      { cause, wroteNothing: true },
    );
    this.#failureNoted = noteFailedWrite(this.#folder);
    this.#heads.clear();
    this.#refuseWaiting();
  }

  #notStarted(): StoreUnavailableError {
    return new StoreUnavailableError(`the store in ${this.#folder} is not started`, { wroteNothing: true });
  }

  async #reading<T>(read: (database: Database) => Promise<T>): Promise<T> {
    if (this.#state !== 'started') throw this.#failure ?? this.#notStarted();
    let value: T;
    try {
      value = await read(this.#database);
    } catch (error) {
      throw this.#translated(error);
    }
    // What was read while a write failed may not be on the disk.
    if (this.#failure !== undefined) throw this.#failure;
    return value;
  }

  #translated(error: unknown): unknown {
    if (error instanceof TroupeError || error instanceof TypeError) return error;
    const code = levelCode(error);
    const detail =
      error instanceof Error ? (error.cause instanceof Error ? error.cause.message : error.message) : String(error);
    if (code === 'LEVEL_CORRUPTION')
      return new CorruptRecordError(`the database in ${this.#folder} is damaged: ${detail}`, { cause: error });
    if (this.#state !== 'started') return this.#failure ?? this.#notStarted();
    return new StoreUnavailableError(`the database in ${this.#folder} cannot be read: ${detail}`, {
      cause: error,
      wroteNothing: true,
    });
  }
}

/** Leases the numbers after `from` durably; resolves with the first that is not. */
async function writeLease(database: Database, from: number): Promise<number> {
  const payload = Buffer.allocUnsafe(6);
  payload.writeUIntBE(from + LEASE_LENGTH, 0, 6);
  await database.put(LEASE_KEY, encodeRow(LEASE_KEY, payload), { sync: true });
  return from + LEASE_LENGTH;
}
