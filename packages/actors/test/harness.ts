// What the tests of this package share: hosts on a manual clock, over memory stores that can be killed.

import {
  LocalNetwork,
  MemoryStore,
  startActorHost,
  type ActorHost,
  type ActorHostOptions,
  type AnyActorDefinition,
  type Logger,
  type MemoryContents,
  type StoreFault,
  type StoreOperation,
} from '../src/index.ts';
import { ManualClock, settled } from '../src/testing.ts';

/** Keeps what was logged. */
export class MemoryLogger implements Logger {
  readonly lines: string[] = [];
  debug(): void {}
  info(): void {}
  warn(_details: object, message: string): void {
    this.lines.push(message);
  }
  error(_details: object, message: string): void {
    this.lines.push(message);
  }
}

let seeds = 0;

/** A random function of its own for each host, the same in every run. */
export function seededRandom(seed: number = ++seeds): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

export interface Rig {
  readonly host: ActorHost;
  readonly store: MemoryStore;
  readonly clock: ManualClock;
  readonly logger: MemoryLogger;
  /** Ends the host as a killed process would: nothing more is written or answered. */
  kill(): void;
}

/** Starts a host on a manual clock. */
export async function startRig(
  actors: readonly AnyActorDefinition[],
  options: Partial<ActorHostOptions> & { contents?: MemoryContents; clock?: ManualClock } = {},
): Promise<Rig> {
  const clock = options.clock ?? new ManualClock();
  const store = new MemoryStore({ clock, ...(options.contents === undefined ? {} : { contents: options.contents }) });
  const logger = new MemoryLogger();
  const dead = { yes: false };
  const ownClock = {
    nowMs: () => clock.nowMs(),
    setTimeout: (callback: () => void, delayMs: number) => clock.setTimeout(() => dead.yes || callback(), delayMs),
  };
  const host = await startActorHost({
    store,
    logger,
    actors,
    partitionCount: 8,
    random: seededRandom(),
    ...options,
    clock: ownClock,
  });
  const kill = (): void => {
    dead.yes = true;
    store.crash();
  };
  return { host, store, clock, logger, kill };
}

/** Starts a host on what another left, on the same clock. */
export function restart(
  rig: Rig,
  actors: readonly AnyActorDefinition[],
  options: Partial<ActorHostOptions> = {},
): Promise<Rig> {
  return startRig(actors, { ...options, clock: rig.clock, contents: rig.store.contents });
}

/** A fault for the next operations of a kind; then none. */
export function failNext(store: MemoryStore, operation: StoreOperation, ...faults: StoreFault[]): void {
  store.faults = (asked) => (asked === operation ? faults.shift() : undefined);
}

/** A gate that holds commits until it is opened. Counts what passes. */
export class Pause {
  commits = 0;
  #waiting: (() => void)[] | undefined;

  constructor(store: MemoryStore) {
    const commit = store.commit.bind(store);
    store.commit = (source) => {
      this.commits++;
      if (this.#waiting === undefined) commit(source);
      else this.#waiting.push(() => commit(source));
    };
  }

  close(): void {
    this.#waiting ??= [];
  }

  open(): void {
    const waiting = this.#waiting ?? [];
    this.#waiting = undefined;
    for (const go of waiting) go();
  }
}

/** Whether a promise has ended, and how. */
export function watch<T>(promise: Promise<T>): { state: 'waiting' | 'done' | 'failed'; value?: T; error?: unknown } {
  const seen: { state: 'waiting' | 'done' | 'failed'; value?: T; error?: unknown } = { state: 'waiting' };
  promise.then(
    (value) => Object.assign(seen, { state: 'done', value }),
    (error: unknown) => Object.assign(seen, { state: 'failed', error }),
  );
  return seen;
}

/** A promise that is ended by hand. */
export function deferred<T = void>(): {
  promise: Promise<T>;
  resolve: (value: T) => void;
  reject: (error: unknown) => void;
} {
  let resolve!: (value: T) => void;
  let reject!: (error: unknown) => void;
  const promise = new Promise<T>((yes, no) => {
    resolve = yes;
    reject = no;
  });
  return { promise, resolve, reject };
}

/** The one error of a call that fails. */
export async function failure(promise: Promise<unknown>): Promise<Error> {
  try {
    await promise;
  } catch (error) {
    return error as Error;
  }
  throw new Error('the call did not fail');
}

export { LocalNetwork, settled };
