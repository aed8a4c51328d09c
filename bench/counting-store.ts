import type { ActorAddress, Commit, CommitSource, ConflictError, LimitError, Store } from '@troupe/actors';
import type { Counts } from './meter.ts';

/** A store that counts what passes through it: commits, and the writes that they were put into. */
export function countingStore(store: Store): { readonly store: Store; readonly counts: Counts } {
  const counts: Counts = { commits: 0, syncs: 0 };
  const counting = Object.create(store) as Store;
  for (const name of [
    'start',
    'stop',
    'load',
    'read',
    'purge',
    'sweepTombstones',
    'due',
    'list',
    'count',
    'failure',
  ] as const) {
    (counting as unknown as Record<string, unknown>)[name] = (store[name] as (...args: never[]) => unknown).bind(store);
  }
  counting.commit = (source) => store.commit(new CountedSource(source, counts));
  counting.release = (source) => store.release?.(source);
  return { store: counting, counts };
}

/** A store seals what goes into one write in one go, between two jobs. */
let inWrite = false;
const writeEnds = (): void => {
  inWrite = false;
};

class CountedSource implements CommitSource {
  readonly #source: CommitSource;
  readonly #counts: Counts;

  constructor(source: CommitSource, counts: Counts) {
    this.#source = source;
    this.#counts = counts;
  }

  get address(): ActorAddress {
    return this.#source.address;
  }

  get storeSlot(): unknown {
    return this.#source.storeSlot;
  }

  set storeSlot(slot: unknown) {
    this.#source.storeSlot = slot;
  }

  seal(): Commit {
    this.#counts.commits += 1;
    if (!inWrite) {
      inWrite = true;
      this.#counts.syncs += 1;
      queueMicrotask(writeEnds);
    }
    const commit = this.#source.seal();
    this.#counts.onCommit?.(commit);
    return commit;
  }

  accepted(revision: number): void {
    this.#source.accepted(revision);
  }

  refused(error: ConflictError | LimitError | Error): void {
    this.#source.refused(error);
  }
}
