import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  commitOnce,
  recordActor,
  startActorHost,
  TextPayload,
  type Commit,
  type Layout,
  type RecordReadContext,
  type Store,
} from '@troupe/actors';
import { storeSuite } from '@troupe/actors/conformance';
import { ClassicLevel } from 'classic-level';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { levelStore } from '../src/index.ts';
import { Absence, HeadCache } from '../src/head.ts';
import { LAYOUT_KEY } from '../src/keys.ts';
import { encodeRow } from '../src/record.ts';

storeSuite('levelStore', () => {
  let root: string;
  return {
    async open() {
      root = await mkdtemp(join(tmpdir(), 'troupe-level-'));
      return levelStore(join(root, 'made', 'by', 'start'));
    },
    reopen: async () => levelStore(join(root, 'made', 'by', 'start')),
    dispose: () => rm(root, { recursive: true }),
  };
});

const LAYOUT: Layout = { app: 'level', partitionCount: 8, hash: 'fnv1a-fmix32', format: 1 };

let folder: string;
let store: Store;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'troupe-level-'));
  store = levelStore(folder);
});

afterEach(async () => {
  await store.stop();
  await rm(folder, { recursive: true });
});

async function put(id: string, change: Partial<Commit>): Promise<number> {
  const { record } = await store.load({ type: 'thing', id });
  const expectedRevision = record?.revision ?? 0;
  return commitOnce(
    store,
    { type: 'thing', id },
    {
      id: { writer: 'w', sequence: expectedRevision + 1 },
      expectedRevision,
      state: Buffer.from('state'),
      entries: null,
      keepFrom: 'same',
      dueAtMs: null,
      summary: null,
      ...change,
    },
  );
}

async function appendEntries(id: string, count: number, change: Partial<Commit> = {}): Promise<number> {
  let revision = 0;
  for (let index = 0; index < count; index++) {
    const { record } = await store.load({ type: 'thing', id });
    revision = await put(id, {
      entries: { first: record?.nextEntry ?? 1, count: 1, bytes: Buffer.from('entry') },
      ...change,
    });
  }
  return revision;
}

/** The first bytes of all keys in the database of the stopped store, with how many there are. */
async function rowCounts(): Promise<Record<number, number>> {
  const database = new ClassicLevel<Buffer, Buffer>(folder, { keyEncoding: 'buffer', valueEncoding: 'buffer' });
  const counts: Record<number, number> = {};
  for (const key of await database.keys().all()) counts[key[0]!] = (counts[key[0]!] ?? 0) + 1;
  await database.close();
  // The files are not as the store left them any more.
  await rm(join(folder, 'owner.json'));
  return counts;
}

/** Restarts until the background has nothing left to do: it stops where it is when the store stops. */
async function rowCountsInTheEnd(expected: Record<number, number>): Promise<void> {
  await expect
    .poll(
      async () => {
        await store.start(LAYOUT);
        for (let round = 0; round < 50; round++) await new Promise((resolve) => setImmediate(resolve));
        await store.stop();
        return rowCounts();
      },
      { timeout: 10_000 },
    )
    .toEqual(expected);
}

describe('what is kept in the folder', () => {
  test('nothing is left of what was purged but the layout and the lease', async () => {
    await store.start(LAYOUT);
    for (const id of ['a', 'b'])
      await store.purge(
        { type: 'thing', id },
        await appendEntries(id, 700, {
          dueAtMs: 5,
          summary: { name: 'n', status: 's', createdAtMs: 1, tags: {} },
        }),
      );
    await store.stop();
    await rowCountsInTheEnd({ 0: 2 });
  });

  test('nothing is left of a tombstone that was swept', async () => {
    await store.start(LAYOUT);
    await store.purge({ type: 'thing', id: 'a' }, await put('a', {}), { key: 'k', hash: 'h', atMs: 1 });
    await store.sweepTombstones(2);
    await store.stop();
    await rowCountsInTheEnd({ 0: 2 });
  });

  test('entries that are not needed any more are deleted, but for a few', async () => {
    await store.start(LAYOUT);
    await appendEntries('a', 300);
    await put('a', { keepFrom: 290 });
    await store.stop();
    // The id, the last commit without entries, and entries 290 to 300.
    await rowCountsInTheEnd({ 0: 2, 1: 1, 2: 12 });
    await store.start(LAYOUT);
    const runs = await store.read({ type: 'thing', id: 'a' }, 290, 100);
    expect(runs.map(({ first }) => first)).toEqual(Array.from({ length: 11 }, (_, index) => 290 + index));
  });

  test('a state outlives the entries that it was written with', async () => {
    await store.start(LAYOUT);
    await appendEntries('a', 10, { state: Buffer.from('old') });
    await appendEntries('a', 1, { state: Buffer.from('kept') });
    await appendEntries('a', 200, { state: 'same' });
    await put('a', { state: 'same', keepFrom: 212 });
    await store.stop();
    await store.start(LAYOUT);
    for (let round = 0; round < 50; round++) await new Promise((resolve) => setImmediate(resolve));
    const { record } = await store.load({ type: 'thing', id: 'a' });
    expect(Buffer.from(record!.state).toString()).toBe('kept');
    expect(record).toMatchObject({ firstEntry: 212, nextEntry: 212 });
  });
});

describe('a folder that cannot be used', () => {
  test('is a file', async () => {
    const path = join(folder, 'file');
    await writeFile(path, 'text');
    await expect(levelStore(path).start(LAYOUT)).rejects.toThrow(`${path} cannot be used: it is a file`);
    await expect(levelStore(join(path, 'below')).start(LAYOUT)).rejects.toMatchObject({ code: 'store_unavailable' });
  });

  test('has something else in it, which stays as it is', async () => {
    await writeFile(join(folder, 'thesis.txt'), 'years of work');
    await expect(store.start(LAYOUT)).rejects.toThrow('it holds thesis.txt');
    expect(await readFile(join(folder, 'thesis.txt'), 'utf8')).toBe('years of work');
    await rm(join(folder, 'thesis.txt'));
    await store.start(LAYOUT);
  });

  test('has another LevelDB in it', async () => {
    const other = new ClassicLevel(folder);
    await other.put('key', 'value');
    await other.close();
    await expect(store.start(LAYOUT)).rejects.toMatchObject({ code: 'layout_mismatch' });
  });

  test('was written by a newer version', async () => {
    await store.start(LAYOUT);
    await store.stop();
    const database = new ClassicLevel<Buffer, Buffer>(folder, { keyEncoding: 'buffer', valueEncoding: 'buffer' });
    await database.put(
      LAYOUT_KEY,
      encodeRow(LAYOUT_KEY, Buffer.from(JSON.stringify({ databaseFormat: 2, layout: LAYOUT }))),
    );
    await database.close();
    await rm(join(folder, 'owner.json'));
    await expect(store.start(LAYOUT)).rejects.toThrow(
      'format 2; this version knows formats up to 1: start a newer version',
    );
  });

  test('cannot be made', async () => {
    await mkdir(join(folder, 'sub'));
    await writeFile(join(folder, 'sub', 'file'), '');
    const refusal = levelStore(join(folder, 'sub', 'file', 'store')).start(LAYOUT);
    await expect(refusal).rejects.toThrow(/cannot be used/);
  });
});

describe('the cache of heads', () => {
  test('is bounded, and drops neither what has just come nor what is in a write', () => {
    const cache = new HeadCache(100);
    const busy = new Absence();
    busy.busy = true;
    cache.set('busy', busy);
    for (let index = 0; index < 1_000; index++) {
      cache.set(`k${index}`, new Absence());
      for (let back = 0; back < 40; back++) expect(cache.has(`k${Math.max(0, index - back)}`)).toBe(true);
      expect(cache.has('busy')).toBe(true);
    }
    expect(Array.from({ length: 1_000 }, (_, index) => cache.has(`k${index}`)).filter(Boolean).length).toBeLessThan(
      100,
    );
  });

  test('keeps what is used again and again rather than what is not', () => {
    const cache = new HeadCache(100);
    let misses = 0;
    for (let index = 0; index < 1_000; index++) {
      if (cache.get('often') === undefined) {
        misses++;
        cache.set('often', new Absence());
      }
      cache.set(`k${index}`, new Absence());
    }
    expect(misses).toBe(1);
  });
});

test('texts in the record of an actor are read back to the letter', async () => {
  interface Shelf {
    readonly all: readonly unknown[];
    last: unknown;
  }
  const shelf = recordActor('shelf', {
    async open(opening): Promise<Shelf> {
      return {
        all: await opening.read(opening.firstEntry, 100),
        last: opening.snapshot,
      };
    },
    snapshot: (local: Shelf) => local.last,
    methods: {
      put(ctx, value: unknown) {
        ctx.local.last = value;
        ctx.append([value]);
        ctx.changed();
      },
    },
    readOnly: { all: (ctx: RecordReadContext<Shelf>) => ctx.local },
  });
  const payloads = ['', 'no JSON', ' {"a" : 1.0}', 'é'.repeat(400_000)].map((text) => new TextPayload(text));
  await using host = await startActorHost({ store: levelStore(join(folder, 'texts')), actors: [shelf] });
  for (const payload of payloads) await host.actor(shelf, 's').put(payload);
  await host.stop();
  await using next = await startActorHost({ store: levelStore(join(folder, 'texts')), actors: [shelf] });
  const { all, last } = await next.actor(shelf, 's').all();
  expect(all).toStrictEqual(payloads.map((payload) => [payload]));
  expect(last).toStrictEqual(payloads.at(-1));
});
