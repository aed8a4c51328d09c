// What the store alone gets done: the commits of one workflow, again and again under other addresses, with no engine above.
// It lies between the engine and the floor and tells which of the two a workload waits for.

import { join } from 'node:path';
import type { ActorAddress, Commit, CommitSource, Store } from '@troupe/actors';
import { levelStore } from '@troupe/level';
import { closedLoop, type Rounds } from './closed-loop.ts';

const LAYOUT = { app: 'default', partitionCount: 256, hash: 'fnv1a-fmix32', format: 1 } as const;

/** Writers on an embedded store of their own. */
export class StoreWriters {
  readonly #store: Store;
  readonly #commits: readonly Commit[];
  #lives = 0;

  private constructor(store: Store, commits: readonly Commit[]) {
    this.#store = store;
    this.#commits = commits;
  }

  /** `commits`: those of one life, in order. */
  static async start(folder: string, commits: readonly Commit[]): Promise<StoreWriters> {
    const store = levelStore(join(folder, 'store-alone'));
    await store.start(LAYOUT);
    return new StoreWriters(store, commits);
  }

  /** So many writers that each wait for one commit before they ask for the next. A round is a whole life. */
  writers(count: number, durationMs: number): Promise<Rounds> {
    return closedLoop(count, durationMs, (done) => void this.#live(done));
  }

  async #live(done: () => void): Promise<void> {
    const id = `0b9fd6f8-5e4a-4a4e-9d3b-${String(++this.#lives).padStart(12, '0')}`;
    const life = new Life(this.#store, this.#commits, { type: 'workflow', id }, done);
    await this.#store.load(life.address);
    this.#store.commit(life);
  }

  stop(): Promise<void> {
    return this.#store.stop();
  }
}

class Life implements CommitSource {
  readonly address: ActorAddress;
  storeSlot: unknown;
  readonly #store: Store;
  readonly #commits: readonly Commit[];
  readonly #done: () => void;
  #made = 0;
  #revision = 0;

  constructor(store: Store, commits: readonly Commit[], address: ActorAddress, done: () => void) {
    this.#store = store;
    this.#commits = commits;
    this.address = address;
    this.#done = done;
  }

  seal(): Commit {
    return { ...this.#commits[this.#made]!, expectedRevision: this.#revision };
  }

  accepted(revision: number): void {
    this.#revision = revision;
    this.#made += 1;
    if (this.#made < this.#commits.length) {
      this.#store.commit(this);
      return;
    }
    this.#store.release?.(this);
    this.#done();
  }

  refused(error: Error): void {
    throw error;
  }
}
