// The storage that all simulated hosts share, and the store by which each of them reaches it: operations travel there
// and their answers back, and either may be late or lost, as the faults say.
//
// V1  What is carried out is carried out as in `MemoryContents`, in one step: the promises of `store.ts` hold, for loads
//     too; a load whose answer is late may be old when it is seen.
// V2  A write whose answer says "it may have been written" is carried out before the answer, after it, or never.
//     A first commit does not begin a second life.
// V3  A commit is sealed by its process, then on its way: it may be carried out when that is paused or dead.

import { formatAddress, type ActorAddress } from '../address.ts';
import { ConflictError, StoreUnavailableError } from '../errors.ts';
import { MemoryContents, type StoreOperation } from '../memory-store.ts';
import { checkLayout } from '../store-rules.ts';
import type { Commit, CommitSource, Store } from '../store.ts';
import type { Agenda, SimulatedProcess } from './agenda.ts';
import type { SimulationFaults } from './faults.ts';
import type { SeededRandom } from './seeded-random.ts';

/** A write that was carried out and accepted. */
export interface AppliedWrite {
  readonly atMs: number;
  /** The process that asked for it, which may be dead by then. */
  readonly by: string;
  readonly address: ActorAddress;
  readonly kind: 'commit' | 'purge';
  readonly expectedRevision: number;
  /** Absent for a purge. */
  readonly revision: number | undefined;
  readonly commit: Commit | undefined;
}

/**
 * How one operation fares: `well`; `lost`: it times out and is never carried out; `unanswered`: it is carried out and
 * times out; `late`: it times out and is carried out after that.
 */
export type OperationFate = 'well' | 'lost' | 'unanswered' | 'late';

export class SimulatedStorage {
  readonly contents = new MemoryContents();
  /** Every write that was carried out, in order; a commit that was accepted again is there once for each time. */
  readonly applied: AppliedWrite[] = [];
  /** Operations that were asked for, by all processes. */
  operations = 0;
  /** Decides how an operation fares, for a test of one certain case; undefined: as the faults say. */
  decide:
    | ((operation: StoreOperation, address: ActorAddress | undefined, by: string) => OperationFate | undefined)
    | undefined;
  readonly #agenda: Agenda;
  readonly #random: SeededRandom;
  readonly #faults: () => SimulationFaults;
  /** By their numbers, with the process that waits for the answer. */
  readonly #underWay = new Map<number, SimulatedProcess>();
  #leaderBackAtMs = 0;

  constructor(agenda: Agenda, random: SeededRandom, faults: () => SimulationFaults) {
    this.#agenda = agenda;
    this.#random = random;
    this.#faults = faults;
  }

  /** Carries out nothing for a time. */
  loseLeader(forMs: number): void {
    this.#agenda.note(`the storage has no leader for ${forMs} ms`);
    this.#leaderBackAtMs = this.#agenda.nowMs + forMs;
  }

  /** The leader is there. */
  electLeader(): void {
    this.#leaderBackAtMs = 0;
  }

  /** Whether one of the first `count` operations is still to be answered. */
  awaits(count: number): boolean {
    for (const [number, process] of this.#underWay) if (number <= count && process.state !== 'dead') return true;
    return false;
  }

  /** The store of one process. */
  store(process: SimulatedProcess): Store {
    return new SimulatedStore(this, this.#agenda, this.#random, process);
  }

  /**
   * Carries out one operation for a process and answers it.
   *
   * @internal
   */
  perform<T>(
    process: SimulatedProcess,
    operation: StoreOperation,
    address: ActorAddress | undefined,
    detail: string,
    carryOut: () => T,
    answer: (outcome: { readonly value: T } | { readonly error: Error }) => void,
  ): void {
    const label = `${operation} ${address === undefined ? '' : formatAddress(address)}${detail}`;
    const random = this.#random;
    const faults = this.#faults();
    const number = ++this.operations;
    this.#underWay.set(number, process);
    const name = `${process.id} ${label}`;
    const fate = this.decide?.(operation, address, process.id) ?? this.#fate(operation);
    let delayMs = random.integer(0, 2);
    let answerDelayMs = random.integer(0, 2);
    if (random.chance(faults.storeSlow)) delayMs += random.integer(1, random.pick([10, 1_000]));
    if (random.chance(faults.storeSlow)) answerDelayMs += random.integer(1, random.pick([10, 1_000]));
    const timeoutMs = random.integer(1, random.pick([20, 2_000]));
    const staysBehind = random.chance(0.5);
    const answerLater = (afterMs: number, how: string, outcome: Parameters<typeof answer>[0]): void => {
      this.#agenda.add(process, afterMs, `${name}: ${how}`, () => {
        this.#underWay.delete(number);
        answer(outcome);
      });
    };
    const timeOut = (afterMs: number): void => answerLater(afterMs, 'timed out', { error: timedOut(label) });
    const effect = (): void => {
      if (this.#leaderBackAtMs > this.#agenda.nowMs) {
        if (fate !== 'late') timeOut(Math.min(timeoutMs, this.#leaderBackAtMs - this.#agenda.nowMs));
        return;
      }
      let outcome: { readonly value: T } | { readonly error: Error };
      try {
        outcome = { value: carryOut() };
      } catch (error) {
        outcome = { error: error as Error };
      }
      const ended = 'error' in outcome ? outcome.error.name : 'done';
      if (fate === 'well') answerLater(answerDelayMs, ended, outcome);
      else if (fate === 'unanswered') timeOut(timeoutMs);
    };
    if (fate === 'lost') {
      timeOut(delayMs + timeoutMs);
      return;
    }
    if (fate === 'late') {
      timeOut(timeoutMs);
      delayMs += timeoutMs + random.integer(0, random.pick([5, 500, 5_000]));
    }
    // The bytes may not have left a process that is paused or killed by then.
    this.#agenda.add(undefined, delayMs, `${name} is carried out`, () => {
      if (process.state === 'running' || !staysBehind) effect();
      else this.#agenda.add(process, 0, `${name} is carried out late`, effect);
    });
  }

  #fate(operation: StoreOperation): OperationFate {
    const { storeTimeoutBefore, storeTimeoutAfter, storeLateWrite } = this.#faults();
    if (this.#random.chance(storeTimeoutBefore)) return 'lost';
    if (operation !== 'commit' && operation !== 'purge') return 'well';
    if (this.#random.chance(storeTimeoutAfter)) return 'unanswered';
    return this.#random.chance(storeLateWrite) ? 'late' : 'well';
  }

  /**
   * Refuses what began a life that was purged since, when it comes once more, as what a purge leaves in a replicated log
   * does: for `contents` there is just no record again.
   *
   * @internal
   */
  refuseRevenant(address: ActorAddress, { id, expectedRevision }: Commit): void {
    if (expectedRevision !== 0 || this.contents.load(address).record !== undefined) return;
    const began = (write: AppliedWrite): boolean =>
      write.commit?.id.writer === id.writer &&
      write.commit.id.sequence === id.sequence &&
      formatAddress(write.address) === formatAddress(address);
    if (this.applied.some(began)) throw new ConflictError(address, 0, 0);
  }

  /** @internal */
  noteApplied(write: Omit<AppliedWrite, 'atMs'>): void {
    this.applied.push({ ...write, atMs: this.#agenda.nowMs });
  }
}

/** Whether it was carried out nobody knows. */
function timedOut(label: string): StoreUnavailableError {
  return new StoreUnavailableError(`${label} timed out`, { wroteNothing: false });
}

/** What one process has of the storage. */
class SimulatedStore implements Store {
  readonly #storage: SimulatedStorage;
  readonly #agenda: Agenda;
  readonly #random: SeededRandom;
  readonly #process: SimulatedProcess;
  #started = false;
  #waiting: CommitSource[] = [];
  #underWay = 0;
  #whenIdle: (() => void) | undefined;

  constructor(storage: SimulatedStorage, agenda: Agenda, random: SeededRandom, process: SimulatedProcess) {
    this.#storage = storage;
    this.#agenda = agenda;
    this.#random = random;
    this.#process = process;
  }

  start: Store['start'] = async (layout) => {
    const { contents } = this.#storage;
    const settled = (contents.layout ??= { ...layout });
    checkLayout(settled, layout);
    this.#started = true;
    return settled;
  };

  async stop(): Promise<void> {
    this.#started = false;
    for (const source of this.#waiting.splice(0)) source.refused(notStarted());
    if (this.#underWay > 0 && this.#process.state !== 'dead')
      await new Promise<void>((resolve) => (this.#whenIdle = resolve));
  }

  load: Store['load'] = (address) => this.#ask('load', address, '', (contents) => contents.load(address));

  read: Store['read'] = (address, fromEntry, limit) =>
    this.#ask('read', address, ` from ${fromEntry}`, (contents) => contents.read(address, fromEntry, limit));

  commit(source: CommitSource): void {
    this.#waiting.push(source);
    if (this.#waiting.length > 1) return;
    this.#agenda.add(this.#process, this.#random.integer(0, 1), `${this.#process.id} begins to write`, () =>
      this.#write(),
    );
  }

  /** Begins a write of everything that waits. All are sealed before anybody is answered. */
  #write(): void {
    for (const source of this.#waiting.splice(0)) {
      if (!this.#started) {
        source.refused(notStarted());
        continue;
      }
      let commit: Commit;
      try {
        commit = source.seal();
      } catch (error) {
        source.refused(error as Error);
        continue;
      }
      this.#send(source, commit);
    }
  }

  #send(source: CommitSource, commit: Commit): void {
    const { address } = source;
    const { id, expectedRevision } = commit;
    this.#perform(
      'commit',
      address,
      ` ${id.writer}.${id.sequence} at ${expectedRevision}`,
      (contents) => {
        this.#storage.refuseRevenant(address, commit);
        const revision = contents.commit(address, commit);
        const by = this.#process.id;
        this.#storage.noteApplied({ by, address, kind: 'commit', expectedRevision, revision, commit });
        return revision;
      },
      (outcome) => {
        if ('error' in outcome) source.refused(outcome.error);
        else source.accepted(outcome.value);
      },
    );
  }

  purge: Store['purge'] = (address, expectedRevision, tombstone) =>
    this.#ask('purge', address, ` at ${expectedRevision}`, (contents) => {
      contents.purge(address, expectedRevision, tombstone);
      const by = this.#process.id;
      this.#storage.noteApplied({
        by,
        address,
        kind: 'purge',
        expectedRevision,
        revision: undefined,
        commit: undefined,
      });
    });

  sweepTombstones: Store['sweepTombstones'] = (beforeMs) =>
    this.#ask('sweep', undefined, '', (contents) => contents.sweepTombstones(beforeMs));

  due: Store['due'] = (partition, untilMs, cursor, limit) =>
    this.#ask('due', undefined, `${partition}`, (contents) => contents.due(partition, untilMs, cursor, limit));

  list: Store['list'] = (filter, page) =>
    this.#ask('list', undefined, '', (contents) => contents.list(filter, page.limit, page.cursor));

  count: Store['count'] = (filter) => this.#ask('count', undefined, '', (contents) => contents.count(filter));

  failure(): Error | undefined {
    return this.#started ? undefined : notStarted();
  }

  #ask<T>(
    operation: StoreOperation,
    address: ActorAddress | undefined,
    detail: string,
    carryOut: (contents: MemoryContents) => T,
  ): Promise<T> {
    if (!this.#started) return Promise.reject(notStarted());
    return new Promise<T>((resolve, reject) => {
      this.#perform(operation, address, detail, carryOut, (outcome) => {
        if ('error' in outcome) reject(outcome.error);
        else resolve(outcome.value);
      });
    });
  }

  #perform<T>(
    operation: StoreOperation,
    address: ActorAddress | undefined,
    detail: string,
    carryOut: (contents: MemoryContents) => T,
    answer: (outcome: { readonly value: T } | { readonly error: Error }) => void,
  ): void {
    this.#underWay++;
    const onContents = (): T => carryOut(this.#storage.contents);
    this.#storage.perform<T>(this.#process, operation, address, detail, onContents, (outcome) => {
      answer(outcome);
      if (--this.#underWay === 0) this.#whenIdle?.();
    });
  }
}

function notStarted(): StoreUnavailableError {
  return new StoreUnavailableError('the store is not started', { wroteNothing: true });
}
