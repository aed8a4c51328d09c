import type { CommitSource, Store } from '@troupe/actors';

/** A store that counts what passes through it: commits, and the writes that they were put into. */
export function countingStore(store: Store): {
  readonly store: Store;
  readonly counts: { commits: number; syncs: number };
} {
  const counts = { commits: 0, syncs: 0 };
  let inWrite = false;
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
  counting.commit = (source: CommitSource) => {
    store.commit({
      address: source.address,
      seal() {
        counts.commits += 1;
        // A store seals what goes into one write in one go.
        if (!inWrite) {
          inWrite = true;
          counts.syncs += 1;
          queueMicrotask(() => {
            inWrite = false;
          });
        }
        return source.seal();
      },
      accepted: (revision) => source.accepted(revision),
      refused: (error) => source.refused(error),
    });
  };
  return { store: counting, counts };
}
