// Random sequences of operations on a store and on a model that is too simple to be wrong, compared after every few.

import { expect, test } from 'vitest';
import { formatAddress, type ActorAddress } from '../address.ts';
import { ConflictError } from '../errors.ts';
import { COMMIT_IDS_KEPT } from '../limits.ts';
import {
  commitOnce,
  type Commit,
  type CommitId,
  type EntryRun,
  type Store,
  type Summary,
  type Tombstone,
} from '../store.ts';
import { SUITE_LAYOUT, type StoreFixture } from './store-fixture.ts';

interface ModelRecord {
  revision: number;
  state: string;
  runs: EntryRun[];
  firstEntry: number;
  nextEntry: number;
  dueAtMs: number | null;
  summary: Summary | null;
  ids: CommitId[];
}

interface Model {
  readonly records: Map<string, { readonly address: ActorAddress; readonly record: ModelRecord }>;
  readonly tombstones: Map<string, Tombstone>;
  /** The highest revision that each address ever had. */
  readonly highest: Map<string, number>;
}

const STEPS = 300;
const ADDRESSES: readonly ActorAddress[] = ['a', 'b', 'a/b', '🎭', 'z'.repeat(40)].flatMap((id) => [
  { type: 'one', id },
  { type: 'two', id },
]);

/** Declares the tests; part of `storeSuite`. Set TROUPE_SEED to repeat a run that failed. */
export function modelTests(suite: StoreFixture): void {
  const given = process.env['TROUPE_SEED'];
  // Another one in every run; the name of the test prints it.
  const seeds = given === undefined ? [1, 2, Math.floor(Math.random() * 2 ** 31)] : [Number(given)];
  test.each(seeds)(
    'random operations agree with a simple model (TROUPE_SEED=%i)',
    async (seed) => {
      const random = mulberry32(seed);
      const pick = <T>(values: readonly T[]): T => values[Math.floor(random() * values.length)]!;
      const model: Model = { records: new Map(), tombstones: new Map(), highest: new Map() };
      for (let step = 0; step < STEPS; step++) {
        if (random() < 0.02) await suite.restart();
        else if (random() < 0.05) await sweep(suite.store, model, Math.floor(random() * STEPS));
        else {
          // Several addresses at a time, so that writes are shared and overlap.
          const addresses = ADDRESSES.filter(() => random() < 0.3);
          await Promise.all(addresses.map((address) => change(suite.store, model, address, step, random, pick)));
        }
        if (step % 10 === 9 || step === STEPS - 1) await compare(suite.store, model, random);
      }
    },
    60_000,
  );
}

async function change(
  store: Store,
  model: Model,
  address: ActorAddress,
  step: number,
  random: () => number,
  pick: <T>(values: readonly T[]) => T,
): Promise<void> {
  const key = formatAddress(address);
  const record = model.records.get(key)?.record;
  const revision = record?.revision ?? 0;
  if (random() < 0.1) {
    const expected = random() < 0.3 ? revision + 1 : revision;
    const tombstone = random() < 0.5 ? { key: `k${step}`, hash: String(step), atMs: step } : undefined;
    const purged = store.purge(address, expected, tombstone);
    if (expected !== revision) return expect(purged).rejects.toBeInstanceOf(ConflictError);
    await purged;
    model.records.delete(key);
    if (tombstone !== undefined) model.tombstones.set(key, tombstone);
    return;
  }
  const nextEntry = record?.nextEntry ?? 1;
  const count = random() < 0.5 ? 1 + Math.floor(random() * 4) : 0;
  const entries = count === 0 ? null : { first: nextEntry, count, bytes: Buffer.from(`${step}:${nextEntry}+${count}`) };
  const end = nextEntry + count;
  const firstEntry = record?.firstEntry ?? 1;
  const keepFrom = random() < 0.3 ? firstEntry + Math.floor(random() * (end - firstEntry + 1)) : 'same';
  const state = record !== undefined && random() < 0.4 ? 'same' : Buffer.from(`state ${step}`);
  const commit: Commit = {
    id: { writer: pick(['w1', 'w2', 'another-writer']), sequence: step },
    expectedRevision: random() < 0.1 ? revision + 1 : revision,
    state,
    entries,
    keepFrom,
    dueAtMs: pick([null, 0, step, 1_000 + step, 7]),
    summary: pick<Summary | null | 'same'>(['same', 'same', null, aSummary(step, random, pick)]),
  };
  const committed = commitOnce(store, address, commit);
  if (commit.expectedRevision !== revision) return expect(committed).rejects.toBeInstanceOf(ConflictError);
  const made = await committed;
  expect(made, `S1 at ${key}`).toBeGreaterThan(model.highest.get(key) ?? 0);
  if (random() < 0.2) expect(await commitOnce(store, address, commit)).toBe(made);
  model.highest.set(key, made);
  model.tombstones.delete(key);
  model.records.set(key, {
    address,
    record: {
      revision: made,
      state: state === 'same' ? record!.state : state.toString(),
      runs: [...(record?.runs ?? []), ...(entries === null ? [] : [entries])],
      firstEntry: keepFrom === 'same' ? firstEntry : keepFrom,
      nextEntry: end,
      dueAtMs: commit.dueAtMs,
      summary: commit.summary === 'same' ? (record?.summary ?? null) : commit.summary,
      ids: [commit.id, ...(record?.ids ?? [])].slice(0, COMMIT_IDS_KEPT),
    },
  });
}

function aSummary(step: number, random: () => number, pick: <T>(values: readonly T[]) => T): Summary {
  const summary = {
    name: pick(['n1', 'n2']),
    status: pick(['running', 'failed']),
    createdAtMs: Math.floor(random() * 5),
    tags: { t: pick(['x', 'y']) },
  };
  return random() < 0.5 ? summary : { ...summary, completedAtMs: step };
}

async function sweep(store: Store, model: Model, beforeMs: number): Promise<void> {
  let count = 0;
  for (const [key, { atMs }] of model.tombstones) {
    if (atMs < beforeMs && model.tombstones.delete(key)) count++;
  }
  expect(await store.sweepTombstones(beforeMs)).toBe(count);
}

async function compare(store: Store, model: Model, random: () => number): Promise<void> {
  for (const address of ADDRESSES) {
    const key = formatAddress(address);
    const expected = model.records.get(key)?.record;
    const { record, tombstone } = await store.load(address);
    expect(tombstone, key).toEqual(model.tombstones.get(key));
    if (expected === undefined) {
      expect(record, key).toBeUndefined();
      expect(await store.read(address, 1, 100)).toEqual([]);
      continue;
    }
    const { runs, ids, ...rest } = expected;
    expect({ ...record, state: Buffer.from(record!.state).toString() }, key).toEqual({ ...rest, commitIds: ids });
    const from = Math.max(expected.firstEntry, Math.floor(random() * (expected.nextEntry + 1)));
    const limit = 1 + Math.floor(random() * 20);
    const wanted = runs.filter(({ first, count }) => first + count > from && first < from + limit);
    const found = await store.read(address, from, limit);
    expect(
      found.map(({ first, bytes }) => `${first} ${Buffer.from(bytes).toString()}`),
      `${key} from ${from}`,
    ).toEqual(wanted.map(({ first, bytes }) => `${first} ${Buffer.from(bytes).toString()}`));
  }
  const all = [...model.records.values()];
  const due: string[] = [];
  for (let partition = 0; partition < SUITE_LAYOUT.partitionCount; partition++) {
    const { entries } = await store.due(partition, 500, undefined, 100);
    for (const { address, dueAtMs } of entries) due.push(`${formatAddress(address)} ${dueAtMs}`);
  }
  const expectedDue = all.filter(({ record }) => record.dueAtMs !== null && record.dueAtMs <= 500);
  expect(due.sort()).toEqual(
    expectedDue.map(({ address, record }) => `${formatAddress(address)} ${record.dueAtMs}`).sort(),
  );
  for (const type of ['one', 'two']) {
    const { actors } = await store.list({ type, name: 'n1', tags: { t: 'x' } }, { limit: 100 });
    const expectedList = all
      .filter(
        ({ address, record: { summary } }) =>
          address.type === type && summary?.name === 'n1' && summary.tags['t'] === 'x',
      )
      .sort(
        (a, b) =>
          b.record.summary!.createdAtMs - a.record.summary!.createdAtMs ||
          Buffer.compare(Buffer.from(a.address.id), Buffer.from(b.address.id)),
      );
    expect(actors).toEqual(expectedList.map(({ address, record }) => ({ address, summary: record.summary })));
  }
}

/** A small seeded generator. Source: Tommy Ettinger, mulberry32 (public domain). */
function mulberry32(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
