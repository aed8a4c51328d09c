import { expect, test } from 'vitest';
import { NO_ENTRY, numberOfKey, reapKey, recordKey } from '../src/keys.ts';
import { REAP_KEYS_MAX, REAP_LIVES_MAX } from '../src/limits.ts';
import { Reaper } from '../src/reaper.ts';

type Range = { readonly gte: Buffer; readonly lte: Buffer; readonly limit: number };

/** Sorted keys in memory whose reads are answered when the test says so. */
class SlowDatabase {
  readonly keysLeft: Buffer[];
  /** Deletions of each batch that was written. */
  readonly batches: number[] = [];
  #reads: (() => void)[] = [];

  constructor(keys: readonly Buffer[]) {
    this.keysLeft = keys.toSorted((a, b) => a.compare(b));
  }

  get readsUnderWay(): number {
    return this.#reads.length;
  }

  answerReads(): void {
    for (const answer of this.#reads.splice(0)) answer();
  }

  keys({ gte, lte, limit }: Range) {
    const found = (): Buffer[] =>
      this.keysLeft.filter((key) => key.compare(gte) >= 0 && key.compare(lte) <= 0).slice(0, limit);
    return { all: () => new Promise<Buffer[]>((resolve) => this.#reads.push(() => resolve(found()))) };
  }

  batch() {
    const deleted: Buffer[] = [];
    return {
      get length() {
        return deleted.length;
      },
      del: (key: Buffer) => void deleted.push(key),
      write: async () => {
        this.batches.push(deleted.length);
        for (const key of deleted) {
          const at = this.keysLeft.findIndex((kept) => kept.equals(key));
          if (at >= 0) this.keysLeft.splice(at, 1);
        }
      },
      close: async () => {},
    };
  }
}

function reaperOf(database: SlowDatabase): Reaper {
  return new Reaper(database as never, (error) => {
    throw error;
  });
}

const settled = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/** Answers what is read until nothing is; resolves with how many rounds that took. */
async function finish(database: SlowDatabase): Promise<number> {
  let rounds = 0;
  for (await settled(); database.readsUnderWay > 0; await settled()) {
    rounds++;
    database.answerReads();
  }
  return rounds;
}

/** The keys of a life with so many records, and the row that says that they are to go. */
function life(number: number, records: number): Buffer[] {
  const entries = Array.from({ length: records }, (_, index) => recordKey(number, index + 1));
  return [...entries, reapKey(number)];
}

const numbers = (count: number): number[] => Array.from({ length: count }, (_, index) => index + 1);

test('many lives are deleted in few rounds: a busy process does not fall behind its purges', async () => {
  const lives = numbers(5 * REAP_LIVES_MAX);
  const database = new SlowDatabase(lives.flatMap((number) => life(number, 3)));
  const reaper = reaperOf(database);
  for (const number of lives) reaper.reap(number, NO_ENTRY);
  // The first began alone, when nothing else was known.
  expect(await finish(database)).toBeLessThanOrEqual(6);
  expect(database.keysLeft).toEqual([]);
  await reaper.stop();
});

test('no batch deletes more than its bound, whatever lives are made of', async () => {
  const long = 1;
  const lives = numbers(REAP_LIVES_MAX + 1);
  const database = new SlowDatabase(lives.flatMap((number) => life(number, number === long ? 5 * REAP_KEYS_MAX : 20)));
  const reaper = reaperOf(database);
  for (const number of lives) reaper.reap(number, NO_ENTRY);
  await finish(database);
  expect(database.keysLeft).toEqual([]);
  // The rows that say what is to go come on top.
  expect(Math.max(...database.batches)).toBeLessThanOrEqual(REAP_KEYS_MAX + REAP_LIVES_MAX);
  await reaper.stop();
});

test('what is kept of a life that goes on is the record that holds the entry, and what follows', async () => {
  const database = new SlowDatabase([...life(7, 40), recordKey(8, 1)]);
  const reaper = reaperOf(database);
  reaper.reap(7, 30);
  await finish(database);
  expect(database.keysLeft.filter((key) => key[0] === 2 && numberOfKey(key) === 7)).toHaveLength(11);
  expect(database.keysLeft).toContainEqual(recordKey(7, 30));
  expect(database.keysLeft).toContainEqual(recordKey(8, 1));
  expect(database.keysLeft).not.toContainEqual(reapKey(7));
  await reaper.stop();
});

test('a life whose bound rises while it is read is looked at again', async () => {
  const database = new SlowDatabase(life(7, 40));
  const reaper = reaperOf(database);
  reaper.reap(7, 10);
  await settled();
  reaper.reap(7, NO_ENTRY);
  await finish(database);
  expect(database.keysLeft).toEqual([]);
  await reaper.stop();
});
