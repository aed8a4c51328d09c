// The store suite, on ends and beginnings: purges, new lives, restarts.

import { describe, expect, test } from 'vitest';
import { ConflictError, LayoutMismatchError, StoreUnavailableError } from '../errors.ts';
import { commitOnce, type Layout, type Store } from '../store.ts';
import { aCommit, aSummary, at, bytes, run, SUITE_LAYOUT, text, TYPE, type StoreFixture } from './store-fixture.ts';

/** Declares the tests; part of `storeSuite`. */
export function lifetimeTests(suite: StoreFixture): void {
  describe('purge and tombstones', () => {
    test('a purge removes record, entries, due entry and summary', async () => {
      await suite.put('a', { entries: run(1, 50), dueAtMs: 0, summary: aSummary() });
      await suite.put('a', { entries: run(51, 50), dueAtMs: 0, keepFrom: 20 });
      await suite.put('b', { entries: run(1, 5), dueAtMs: 0, summary: aSummary() });
      await suite.store.purge(at('a'), (await suite.recordOf('a')).revision);
      for (const when of ['at once', 'after a restart']) {
        expect(await suite.store.load(at('a')), when).toEqual({ record: undefined, tombstone: undefined });
        expect(await suite.store.read(at('a'), 1, 1_000)).toEqual([]);
        expect(await suite.dueOf('a', 10)).toBeUndefined();
        expect(await suite.listed()).toEqual(['b']);
        expect(await suite.entriesOf('b')).toEqual([1, 2, 3, 4, 5]);
        await suite.restart();
      }
    });

    test('a purge that expects another revision is refused and removes nothing', async () => {
      const revision = await suite.put('a', { entries: run(1, 1), dueAtMs: 0, summary: aSummary() });
      for (const expected of [0, revision + 1]) {
        await expect(suite.store.purge(at('a'), expected)).rejects.toMatchObject({
          code: 'conflict',
          actualRevision: revision,
        });
      }
      await expect(suite.store.purge(at('nobody'), 7)).rejects.toBeInstanceOf(ConflictError);
      expect(await suite.entriesOf('a')).toEqual([1]);
      expect(await suite.dueOf('a', 0)).toBe(0);
      expect(await suite.listed()).toEqual(['a']);
    });

    test('a purge and a commit on the same revision: one of them wins (S3)', async () => {
      const revision = await suite.put('a');
      const [purged, committed] = await Promise.allSettled([
        suite.store.purge(at('a'), revision),
        commitOnce(suite.store, at('a'), aCommit(revision)),
      ]);
      expect([purged.status, committed.status].sort()).toEqual(['fulfilled', 'rejected']);
      expect((await suite.store.load(at('a'))).record === undefined).toBe(purged.status === 'fulfilled');
    });

    test('an actor that is born again has higher revisions and nothing of its former life (S1, S7)', async () => {
      let last = 0;
      for (let life = 1; life <= 6; life++) {
        for (let count = 1; count <= 5 * life; count++) {
          const revision = await suite.put('a', {
            entries: run(count, 1),
            summary: aSummary({ createdAtMs: life }),
            dueAtMs: life,
          });
          expect(revision).toBeGreaterThan(last);
          last = revision;
        }
        await suite.put('b');
        if (life % 3 === 0) await suite.restart();
        await suite.store.purge(at('a'), last);
        if (life % 2 === 0) await suite.restart();
        const revision = await suite.put('a', { state: bytes(`life ${life}`) });
        expect(revision).toBeGreaterThan(last);
        last = revision;
        expect(await suite.recordOf('a')).toMatchObject({ firstEntry: 1, nextEntry: 1, dueAtMs: null, summary: null });
        expect((await suite.recordOf('a')).commitIds.length).toBe(1);
        expect(await suite.listed()).toEqual([]);
        await suite.put('a', { entries: run(1, 2) });
        expect(await suite.entriesOf('a')).toEqual([1, 2]);
        expect(text((await suite.recordOf('a')).state)).toBe('state');
        last = (await suite.recordOf('a')).revision;
        await expect(commitOnce(suite.store, at('a'), aCommit(last - 1))).rejects.toBeInstanceOf(ConflictError);
        await suite.store.purge(at('a'), last);
      }
    });

    test('what a purge leaves to the background does not touch a new life', async () => {
      for (let first = 1; first <= 3_000; first += 1_000) await suite.put('a', { entries: run(first, 1_000) });
      for (let count = 0; count < 30; count++) await suite.put('a', { entries: run(3_001 + count, 1) });
      await suite.store.purge(at('a'), (await suite.recordOf('a')).revision);
      await suite.put('a', { entries: run(1, 3) });
      await suite.restart();
      await suite.put('a', { entries: run(4, 2) });
      await new Promise((resolve) => setImmediate(resolve));
      expect(await suite.entriesOf('a')).toEqual([1, 2, 3, 4, 5]);
    });

    test('a tombstone is loaded until a plain new commit replaces it', async () => {
      const tombstone = { key: 'parent/1', hash: 'abc', atMs: 50, untilMs: 70 };
      await suite.store.purge(at('a'), await suite.put('a'), tombstone);
      expect(await suite.store.load(at('a'))).toEqual({ record: undefined, tombstone });
      await suite.restart();
      expect(await suite.store.load(at('a'))).toEqual({ record: undefined, tombstone });
      await suite.put('a');
      expect(await suite.store.load(at('a'))).toMatchObject({ tombstone: undefined, record: { nextEntry: 1 } });
      expect(await suite.store.sweepTombstones(1_000)).toBe(0);
      await suite.recordOf('a');
      await suite.store.purge(at('a'), (await suite.recordOf('a')).revision);
      expect(await suite.store.load(at('a'))).toEqual({ record: undefined, tombstone: undefined });
    });

    test('a sweep removes tombstones that are older, and only those', async () => {
      for (const [id, atMs] of [
        ['a', 10],
        ['b', 20],
        ['c', 30],
      ] as const) {
        await suite.store.purge(at(id), await suite.put(id), { key: id, hash: '', atMs });
      }
      await suite.put('d');
      expect(await suite.store.sweepTombstones(10)).toBe(0);
      expect(await suite.store.sweepTombstones(30)).toBe(2);
      expect(await suite.store.sweepTombstones(30)).toBe(0);
      expect((await suite.store.load(at('a'))).tombstone).toBeUndefined();
      expect((await suite.store.load(at('c'))).tombstone).toMatchObject({ key: 'c' });
      await suite.restart();
      expect((await suite.store.load(at('b'))).tombstone).toBeUndefined();
      expect(await suite.store.sweepTombstones(31)).toBe(1);
      await suite.recordOf('d');
      expect(await suite.put('a')).toBeGreaterThan(0);
    });

    test('the tombstone of a later life is not swept for an earlier one', async () => {
      await suite.store.purge(at('a'), await suite.put('a'), { key: 'k', hash: '1', atMs: 10 });
      await suite.store.purge(at('a'), await suite.put('a'), { key: 'k', hash: '2', atMs: 100 });
      expect(await suite.store.sweepTombstones(50)).toBe(0);
      expect((await suite.store.load(at('a'))).tombstone).toEqual({ key: 'k', hash: '2', atMs: 100 });
      expect(await suite.store.sweepTombstones(101)).toBe(1);
    });
  });

  describe('start and stop', () => {
    test('everything is there after a restart', async () => {
      const summary = aSummary({ tags: { a: 'b' } });
      for (let index = 0; index < 50; index++)
        await suite.put(`a${index}`, { entries: run(1, 2), dueAtMs: index, summary });
      const before = await Promise.all(
        Array.from({ length: 50 }, async (_, index) => suite.store.load(at(`a${index}`))),
      );
      await suite.restart();
      await suite.restart();
      const plain = (loaded: Awaited<ReturnType<Store['load']>>) => ({
        ...loaded.record,
        state: text(loaded.record!.state),
      });
      for (let index = 0; index < 50; index++) {
        expect(plain(await suite.store.load(at(`a${index}`)))).toEqual(plain(before[index]!));
        expect(await suite.entriesOf(`a${index}`)).toEqual([1, 2]);
        expect(await suite.dueOf(`a${index}`, index)).toBe(index);
      }
      expect((await suite.listed()).length).toBe(50);
    });

    test('the same store starts again after a stop', async () => {
      await suite.put('a');
      await suite.store.stop();
      expect(await suite.store.start(SUITE_LAYOUT)).toEqual(SUITE_LAYOUT);
      await suite.recordOf('a');
      await suite.put('a');
    });

    test('a layout that differs is refused with both values, and the store still starts with its own', async () => {
      await suite.store.stop();
      const others: Partial<Layout>[] = [{ app: 'another' }, { partitionCount: 16 }, { format: 0 }];
      for (const other of others) {
        suite.store = await suite.harness.reopen();
        const refusal = suite.store.start({ ...SUITE_LAYOUT, ...other });
        await expect(refusal).rejects.toBeInstanceOf(LayoutMismatchError);
        const [part, value] = Object.entries(other)[0] as [keyof Layout, unknown];
        await expect(refusal).rejects.toThrow(String(value));
        await expect(refusal).rejects.toThrow(String(SUITE_LAYOUT[part]));
        await suite.store.stop();
      }
      suite.store = await suite.harness.reopen();
      expect(await suite.store.start(SUITE_LAYOUT)).toEqual(SUITE_LAYOUT);
    });

    test('a later version that knows more formats starts, with the format that is in force', async () => {
      await suite.store.stop();
      suite.store = await suite.harness.reopen();
      expect(await suite.store.start({ ...SUITE_LAYOUT, format: 2 })).toEqual(SUITE_LAYOUT);
    });

    test('nothing is served before a start and after a stop', async () => {
      await suite.put('a');
      expect(suite.store.failure()).toBeUndefined();
      await suite.store.stop();
      await suite.store.stop();
      expect(suite.store.failure()).toBeInstanceOf(Error);
      let answeredInside = true;
      const committed = new Promise<number>((resolve, reject) => {
        suite.store.commit({
          address: at('b'),
          seal: () => {
            throw new Error('no write begins');
          },
          accepted: resolve,
          refused: (error) => reject(answeredInside ? new Error('refused inside commit()') : error),
        });
      });
      answeredInside = false;
      const results = await Promise.allSettled([
        committed,
        suite.store.load(at('a')),
        suite.store.read(at('a'), 1, 1),
        suite.store.purge(at('a'), 1),
        suite.store.due(0, 1, undefined, 1),
        suite.store.list({ type: TYPE }, { limit: 1 }),
        suite.store.count({ type: TYPE }),
        suite.store.sweepTombstones(1),
      ]);
      for (const result of results) {
        expect(result).toMatchObject({ status: 'rejected', reason: { code: 'store_unavailable', wroteNothing: true } });
      }
      suite.store = await suite.harness.reopen();
      await expect(suite.store.load(at('a'))).rejects.toBeInstanceOf(StoreUnavailableError);
    });

    test('a stop answers every commit that was asked for: the accepted are there, the rest wrote nothing', async () => {
      const ids = Array.from({ length: 200 }, (_, index) => `s${index}`);
      const answers = ids.map((id) => commitOnce(suite.store, at(id), aCommit(0)));
      const settled = Promise.allSettled(answers);
      await new Promise((resolve) => setImmediate(resolve));
      const late = Promise.allSettled(ids.map((id) => commitOnce(suite.store, at(`late-${id}`), aCommit(0))));
      await suite.restart();
      for (const [results, prefix] of [
        [await settled, ''],
        [await late, 'late-'],
      ] as const) {
        for (const [index, result] of results.entries()) {
          const { record } = await suite.store.load(at(`${prefix}${ids[index]!}`));
          if (result.status === 'fulfilled') expect(record?.revision).toBe(result.value);
          else {
            expect(result.reason).toMatchObject({ code: 'store_unavailable', wroteNothing: true });
            expect(record).toBeUndefined();
          }
        }
      }
    });
  });
}
