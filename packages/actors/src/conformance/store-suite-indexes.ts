// The store suite, on what is found without an address: due entries, lists, counts.

import { describe, expect, test } from 'vitest';
import { partitionOf } from '../address.ts';
import { commitOnce, type ListFilter, type Summary } from '../store.ts';
import { aCommit, aSummary, at, idsInPartition, run, SUITE_LAYOUT, TYPE, type StoreFixture } from './store-fixture.ts';

/** Declares the tests; part of `storeSuite`. */
export function indexTests(suite: StoreFixture): void {
  describe('due', () => {
    test('an actor is found from its due time on, and moves and leaves with its commits (S6)', async () => {
      await suite.put('a', { dueAtMs: 1_000 });
      expect(await suite.dueOf('a', 999)).toBeUndefined();
      expect(await suite.dueOf('a', 1_000)).toBe(1_000);
      await suite.put('a', { dueAtMs: 1_000 });
      expect(await suite.dueOf('a', 1_000)).toBe(1_000);
      await suite.put('a', { dueAtMs: 0 });
      expect(await suite.dueOf('a', 0)).toBe(0);
      await suite.put('a', { dueAtMs: 2_000 });
      expect(await suite.dueOf('a', 1_999)).toBeUndefined();
      await suite.restart();
      expect(await suite.dueOf('a', 2_000)).toBe(2_000);
      await suite.put('a', { dueAtMs: null });
      expect(await suite.dueOf('a', Number.MAX_SAFE_INTEGER)).toBeUndefined();
      expect((await suite.recordOf('a')).dueAtMs).toBeNull();
    });

    test('times far away are found by those who look far', async () => {
      for (const [id, dueAtMs] of [
        ['a', Number.MAX_SAFE_INTEGER],
        ['b', 8.64e15],
        ['c', 2 ** 48],
      ] as const) {
        await suite.put(id, { dueAtMs });
        expect(await suite.dueOf(id, Number.MAX_SAFE_INTEGER)).toBe(dueAtMs);
        expect(await suite.dueOf(id, 2 ** 47)).toBeUndefined();
      }
    });

    test('each partition has its own, sorted by time', async () => {
      const expected = new Map<number, { id: string; dueAtMs: number }[]>();
      for (let index = 0; index < 100; index++) {
        const id = `a${index}`;
        const dueAtMs = (index * 7_919) % 1_000;
        await suite.put(id, { dueAtMs });
        const partition = partitionOf(at(id), SUITE_LAYOUT.partitionCount);
        expected.set(partition, [...(expected.get(partition) ?? []), { id, dueAtMs }]);
      }
      for (let partition = 0; partition < SUITE_LAYOUT.partitionCount; partition++) {
        const { entries } = await suite.store.due(partition, 500, undefined, 1_000);
        const own = (expected.get(partition) ?? []).filter(({ dueAtMs }) => dueAtMs <= 500);
        expect(entries.map(({ dueAtMs }) => dueAtMs)).toEqual(own.map(({ dueAtMs }) => dueAtMs).sort((a, b) => a - b));
        expect(entries.map(({ address }) => address.id).sort()).toEqual(own.map(({ id }) => id).sort());
      }
    });

    test('pages put together are everything, also while others come and go', async () => {
      const ids = idsInPartition(0, 25);
      for (const [index, id] of ids.entries()) await suite.put(id, { dueAtMs: 10 + Math.floor(index / 3) });
      for (const limit of [1, 2, 7, 25, 26])
        expect((await suite.allDue(0, 100, limit)).sort()).toEqual([...ids].sort());

      const first = await suite.store.due(0, 100, undefined, 10);
      const [early, late, gone] = idsInPartition(0, 28).slice(25);
      await suite.put(early!, { dueAtMs: 0 });
      await suite.put(late!, { dueAtMs: 99 });
      await suite.put(gone!, { dueAtMs: 100 });
      await suite.put(gone!, { dueAtMs: null });
      const seen = first.entries.map(({ address }) => address.id);
      await suite.put(seen[0]!, { dueAtMs: null });
      for (let cursor = first.cursor; cursor !== undefined;) {
        const page = await suite.store.due(0, 100, cursor, 10);
        seen.push(...page.entries.map(({ address }) => address.id));
        cursor = page.cursor;
      }
      expect(seen.length).toBe(new Set(seen).size);
      expect(seen.filter((id) => id !== early).sort()).toEqual([...ids, late!].sort());
    });
  });

  describe('list and count', () => {
    test('newest created first, then by the bytes of the id', async () => {
      // By UTF-16 units the emoji would sort before U+FFFF.
      const ids = ['a', 'B', 'b', '\uffff', '🎭', 'é', 'aa', 'a!'];
      for (const id of ids) await suite.put(id, { summary: aSummary({ createdAtMs: 1_000 }) });
      await suite.put('newest', { summary: aSummary({ createdAtMs: 1_001 }) });
      await suite.put('oldest', { summary: aSummary({ createdAtMs: 0 }) });
      const sorted = [...ids].sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
      const expected = ['newest', ...sorted, 'oldest'];
      for (const limit of [1, 2, 3, 10, 100]) expect(await suite.listed({}, limit)).toEqual(expected);
    });

    test('every filter, and filters together', async () => {
      const summaries: Record<string, Summary> = {
        'order-1': aSummary({
          name: 'order',
          status: 'running',
          createdAtMs: 10,
          tags: { customer: 'x', region: 'eu' },
        }),
        'order-2': aSummary({ name: 'order', status: 'failed', createdAtMs: 20, tags: { customer: 'x' } }),
        'order-3': aSummary({ name: 'order', status: 'running', createdAtMs: 30, completedAtMs: 40, tags: {} }),
        'mail-1': aSummary({
          name: 'mail',
          status: 'completed',
          createdAtMs: 20,
          tags: { customer: 'y', region: 'eu' },
        }),
      };
      for (const [id, summary] of Object.entries(summaries)) await suite.put(id, { summary });
      await commitOnce(
        suite.store,
        { type: 'other', id: 'order-9' },
        { ...aCommit(0), summary: summaries['order-1']! },
      );
      const cases: [Omit<ListFilter, 'type'>, string[]][] = [
        [{}, ['order-3', 'mail-1', 'order-2', 'order-1']],
        [{ name: 'order' }, ['order-3', 'order-2', 'order-1']],
        [{ name: 'orde' }, []],
        [{ statuses: ['failed', 'completed'] }, ['mail-1', 'order-2']],
        [{ statuses: [] }, []],
        [{ tags: { customer: 'x' } }, ['order-2', 'order-1']],
        [{ tags: { customer: 'x', region: 'eu' } }, ['order-1']],
        [{ tags: { toString: 'x' } }, []],
        [{ idPrefix: 'order-' }, ['order-3', 'order-2', 'order-1']],
        [{ idPrefix: '' }, ['order-3', 'mail-1', 'order-2', 'order-1']],
        [{ createdAfterMs: 20 }, ['order-3', 'mail-1', 'order-2']],
        [{ createdBeforeMs: 20 }, ['order-1']],
        [{ createdAfterMs: 20, createdBeforeMs: 30 }, ['mail-1', 'order-2']],
        [{ createdAfterMs: 21, createdBeforeMs: 30 }, []],
        [
          { name: 'order', statuses: ['running'], idPrefix: 'order', createdBeforeMs: 30, tags: { region: 'eu' } },
          ['order-1'],
        ],
      ];
      for (const [filter, expected] of cases) {
        for (const limit of [1, 100])
          expect(await suite.listed(filter, limit), JSON.stringify(filter)).toEqual(expected);
        const counts: Record<string, number> = {};
        for (const id of expected) counts[summaries[id]!.status] = (counts[summaries[id]!.status] ?? 0) + 1;
        expect(await suite.store.count({ type: TYPE, ...filter }), JSON.stringify(filter)).toEqual(counts);
      }
      const { actors } = await suite.store.list({ type: TYPE, idPrefix: 'order-3' }, { limit: 1 });
      expect(actors).toEqual([{ address: at('order-3'), summary: summaries['order-3'] }]);
      expect(await suite.store.count({ type: 'nothing' })).toEqual({});
    });

    test('a summary changes, moves, goes and comes with the commits; "same" leaves it', async () => {
      await suite.put('a', { summary: aSummary({ status: 'running', createdAtMs: 10 }) });
      await suite.put('b', { summary: aSummary({ status: 'running', createdAtMs: 20 }) });
      await suite.put('a', { summary: 'same', entries: run(1, 1) });
      expect(await suite.listed()).toEqual(['b', 'a']);
      await suite.put('a', { summary: aSummary({ status: 'failed', createdAtMs: 10 }) });
      expect(await suite.store.count({ type: TYPE })).toEqual({ running: 1, failed: 1 });
      await suite.put('a', { summary: aSummary({ status: 'running', createdAtMs: 30 }) });
      expect(await suite.listed()).toEqual(['a', 'b']);
      expect(await suite.store.count({ type: TYPE })).toEqual({ running: 2 });
      await suite.put('a', { summary: null });
      expect(await suite.listed()).toEqual(['b']);
      expect((await suite.recordOf('a')).summary).toBeNull();
      await suite.put('a', { summary: 'same' });
      expect((await suite.recordOf('a')).summary).toBeNull();
      await suite.restart();
      await suite.put('a', { summary: aSummary({ createdAtMs: 5 }) });
      expect(await suite.listed()).toEqual(['b', 'a']);
      expect((await suite.recordOf('a')).summary).toEqual(aSummary({ createdAtMs: 5 }));
    });

    test('a cursor goes on where its page ended, whatever came or went meanwhile', async () => {
      const ids = Array.from({ length: 20 }, (_, index) => `i${String(index).padStart(2, '0')}`);
      for (const [index, id] of ids.entries())
        await suite.put(id, { summary: aSummary({ createdAtMs: 100 - Math.floor(index / 4) }) });
      const first = await suite.store.list({ type: TYPE }, { limit: 7 });
      await suite.put('new', { summary: aSummary({ createdAtMs: 500 }) });
      await suite.put('old', { summary: aSummary({ createdAtMs: 1 }) });
      await suite.put(ids[0]!, { summary: null });
      await suite.put(ids[6]!, { summary: null });
      const seen = first.actors.map(({ address }) => address.id);
      for (let cursor = first.cursor; cursor !== undefined;) {
        const page = await suite.store.list({ type: TYPE }, { limit: 7, cursor });
        seen.push(...page.actors.map(({ address }) => address.id));
        cursor = page.cursor;
      }
      expect(seen).toEqual([...ids, 'old']);
    });

    test('a cursor outlives a restart, and text that is none is refused', async () => {
      for (const id of ['a', 'b', 'c']) await suite.put(id, { summary: aSummary() });
      const { cursor } = await suite.store.list({ type: TYPE }, { limit: 2 });
      await suite.restart();
      const { actors } = await suite.store.list({ type: TYPE }, { limit: 2, cursor: cursor! });
      expect(actors.map(({ address }) => address.id)).toEqual(['c']);
      for (const bad of ['', 'nonsense', '{}', '🎭']) {
        await expect(suite.store.list({ type: TYPE }, { limit: 2, cursor: bad })).rejects.toBeInstanceOf(TypeError);
      }
    });

    test('many are listed in pages and counted', async () => {
      const commits = Array.from({ length: 1_200 }, (_, index) =>
        commitOnce(suite.store, at(`n${index}`), {
          ...aCommit(0),
          summary: aSummary({ createdAtMs: index, status: index % 3 === 0 ? 'x' : 'y' }),
        }),
      );
      await Promise.all(commits);
      const expected = Array.from({ length: 1_200 }, (_, index) => `n${1_199 - index}`);
      expect(await suite.listed({}, 333)).toEqual(expected);
      expect(await suite.store.count({ type: TYPE })).toEqual({ x: 400, y: 800 });
      expect(await suite.listed({ statuses: ['x'], createdAfterMs: 600 }, 50)).toEqual(
        expected.filter((_, index) => (1_199 - index) % 3 === 0 && index < 600),
      );
    });
  });
}
