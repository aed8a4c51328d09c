import { describe, expect, test } from 'vitest';
import { storeSuite, SUITE_LAYOUT } from '../src/conformance.ts';
import { MemoryStore, type StoreFault, type StoreOperation } from '../src/memory-store.ts';
import { commitOnce, type Commit } from '../src/store.ts';
import { ManualClock } from '../src/testing.ts';

storeSuite('MemoryStore', () => {
  let store: MemoryStore;
  return {
    open: async () => (store = new MemoryStore()),
    reopen: async () => (store = new MemoryStore({ contents: store.contents })),
    dispose: async () => {},
  };
});

const address = { type: 'thing', id: 'a' };

function aCommit(expectedRevision: number, state = 'state'): Commit {
  return {
    id: { writer: 'w', sequence: expectedRevision + 1 },
    expectedRevision,
    state: Buffer.from(state),
    entries: null,
    keepFrom: 'same',
    dueAtMs: 0,
    summary: null,
  };
}

async function started(operation?: StoreOperation, fault?: StoreFault, clock?: ManualClock): Promise<MemoryStore> {
  const store = new MemoryStore({
    ...(clock && { clock }),
    faults: (asked) => (asked === operation ? fault : undefined),
  });
  await store.start(SUITE_LAYOUT);
  return store;
}

async function stateOf(store: MemoryStore): Promise<string | undefined> {
  store.faults = undefined;
  const { record } = await store.load(address);
  return record && Buffer.from(record.state).toString();
}

/** Long enough for everything that needs no clock. */
async function rounds(): Promise<void> {
  for (let round = 0; round < 10; round++) await new Promise((resolve) => setImmediate(resolve));
}

describe('faults of a MemoryStore', () => {
  test('a commit that fails before the write wrote nothing', async () => {
    const store = await started('commit', { fail: 'before-write' });
    await expect(commitOnce(store, address, aCommit(0))).rejects.toMatchObject({
      code: 'store_unavailable',
      wroteNothing: true,
    });
    expect(await stateOf(store)).toBeUndefined();
  });

  test('a commit that fails after the write is there, and is accepted when it is sent again', async () => {
    const store = await started('commit', { fail: 'after-write' });
    await expect(commitOnce(store, address, aCommit(0))).rejects.toMatchObject({
      code: 'store_unavailable',
      wroteNothing: false,
    });
    expect(await stateOf(store)).toBe('state');
    expect(await commitOnce(store, address, aCommit(0))).toBe((await store.load(address)).record!.revision);
  });

  test('a silent commit is never answered and is there, unless it fails before the write', async () => {
    for (const [fault, expected] of [
      [{ silent: true }, 'state'],
      [{ silent: true, fail: 'before-write' }, undefined],
    ] as const) {
      const store = await started('commit', fault);
      let answered = false;
      void commitOnce(store, address, aCommit(0)).finally(() => (answered = true));
      await rounds();
      expect(answered).toBe(false);
      expect(await stateOf(store)).toBe(expected);
      await store.stop();
    }
  });

  test('a delayed commit takes effect late, and meets what others wrote meanwhile', async () => {
    const clock = new ManualClock();
    const store = await started('commit', { delayMs: 100 }, clock);
    const late = expect(commitOnce(store, address, aCommit(0, 'late'))).rejects.toMatchObject({ code: 'conflict' });
    await rounds();
    expect(await stateOf(store)).toBeUndefined();
    await commitOnce(store, address, { ...aCommit(0, 'soon'), id: { writer: 'other', sequence: 1 } });
    await clock.advance(100);
    await late;
    expect(await stateOf(store)).toBe('soon');
  });

  test('a delayed answer comes after its effect; a stop waits for it', async () => {
    const clock = new ManualClock();
    const store = await started('commit', { answerDelayMs: 100 }, clock);
    let accepted = false;
    const late = commitOnce(store, address, aCommit(0)).then(() => (accepted = true));
    await rounds();
    expect(await stateOf(store)).toBe('state');
    expect(accepted).toBe(false);
    const stopped = store.stop();
    await clock.advance(100);
    await Promise.all([late, stopped]);
  });

  test('every operation can fail', async () => {
    const uses: [StoreOperation, (store: MemoryStore) => Promise<unknown>][] = [
      ['load', (store) => store.load(address)],
      ['read', (store) => store.read(address, 1, 1)],
      ['purge', (store) => store.purge(address, 0)],
      ['sweep', (store) => store.sweepTombstones(0)],
      ['due', (store) => store.due(0, 0, undefined, 1)],
      ['list', (store) => store.list({ type: 'thing' }, { limit: 1 })],
      ['count', (store) => store.count({ type: 'thing' })],
    ];
    for (const [operation, use] of uses) {
      const store = await started(operation, { fail: 'before-write' });
      await expect(use(store), operation).rejects.toMatchObject({ code: 'store_unavailable', wroteNothing: true });
      store.faults = undefined;
      await use(store);
    }
  });

  test('an unavailable store refuses everything, says why, and goes on when it is back', async () => {
    const store = await started();
    await commitOnce(store, address, aCommit(0));
    store.unavailable = true;
    expect(store.failure()).toMatchObject({ code: 'store_unavailable' });
    await expect(store.load(address)).rejects.toMatchObject({ wroteNothing: true });
    await expect(commitOnce(store, address, aCommit(1))).rejects.toMatchObject({ wroteNothing: true });
    store.unavailable = false;
    expect(store.failure()).toBeUndefined();
    await commitOnce(store, address, aCommit((await store.load(address)).record!.revision));
  });
});

describe('the contents of a MemoryStore', () => {
  test('a snapshot keeps what was there; what came later is gone after a restore', async () => {
    const store = await started();
    const revision = await commitOnce(store, address, aCommit(0, 'then'));
    const snapshot = store.snapshot();
    await commitOnce(store, address, {
      ...aCommit(revision, 'now'),
      entries: { first: 1, count: 1, bytes: new Uint8Array(1) },
    });
    const other = new MemoryStore({ contents: snapshot });
    await other.start(SUITE_LAYOUT);
    expect(await stateOf(other)).toBe('then');
    store.restore(snapshot);
    expect(await stateOf(store)).toBe('then');
    expect(await store.read(address, 1, 1)).toEqual([]);
    expect(
      (await store.due(5, 0, undefined, 9)).entries.length + (await store.due(2, 0, undefined, 9)).entries.length,
    ).toBeLessThanOrEqual(1);
  });

  test('stores over the same contents see each other and fail alone', async () => {
    const one = await started();
    const two = new MemoryStore({ contents: one.contents });
    await two.start(SUITE_LAYOUT);
    one.unavailable = true;
    const revision = await commitOnce(two, address, aCommit(0));
    one.unavailable = false;
    await expect(commitOnce(one, address, { ...aCommit(0), id: { writer: 'x', sequence: 1 } })).rejects.toMatchObject({
      actualRevision: revision,
    });
  });

  test('a store that two have started is open until both have stopped it', async () => {
    const store = await started();
    await store.start(SUITE_LAYOUT);
    await store.stop();
    await commitOnce(store, address, aCommit(0));
    await store.stop();
    expect(store.failure()).toBeDefined();
  });

  test('a crash answers nobody and writes nothing more; the contents go on', async () => {
    const store = await started();
    await commitOnce(store, address, aCommit(0));
    let answered = false;
    void commitOnce(store, { ...address, id: 'b' }, aCommit(0)).finally(() => (answered = true));
    store.crash();
    void store.load(address).finally(() => (answered = true));
    await rounds();
    expect(answered).toBe(false);
    const next = new MemoryStore({ contents: store.contents });
    await next.start(SUITE_LAYOUT);
    expect(await stateOf(next)).toBe('state');
    expect((await next.load({ ...address, id: 'b' })).record).toBeUndefined();
  });
});
