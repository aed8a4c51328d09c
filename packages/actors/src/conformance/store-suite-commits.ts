// The store suite, on commits: what is written, shared writes, commit ids, entries.

import { beforeEach, describe, expect, test } from 'vitest';
import { ConflictError, LimitError } from '../errors.ts';
import { COMMIT_BYTES_MAX, COMMIT_IDS_KEPT } from '../limits.ts';
import { commitOnce, type Commit, type CommitSource, type EntryRun } from '../store.ts';
import { aCommit, aSummary, at, bytes, run, text, type StoreFixture } from './store-fixture.ts';

/** Declares the tests; part of `storeSuite`. */
export function commitTests(suite: StoreFixture): void {
  describe('commit and load', () => {
    test('an actor that never committed has no record and no tombstone', async () => {
      expect(await suite.store.load(at('nobody'))).toEqual({ record: undefined, tombstone: undefined });
      expect(await suite.store.read(at('nobody'), 1, 10)).toEqual([]);
    });

    test('what a commit has written is loaded again, all of it', async () => {
      const summary = aSummary({ completedAtMs: 5, tags: { colour: 'red' } });
      const revision = await suite.put('a', {
        state: bytes('S'),
        entries: run(1, 3),
        keepFrom: 2,
        dueAtMs: 77,
        summary,
        id: { writer: 'me', sequence: 4 },
      });
      const record = await suite.recordOf('a');
      expect({ ...record, state: text(record.state) }).toEqual({
        revision,
        state: 'S',
        firstEntry: 2,
        nextEntry: 4,
        dueAtMs: 77,
        summary,
        commitIds: [{ writer: 'me', sequence: 4 }],
      });
    });

    test('a first commit with nothing but a state has no entries, no due time, no summary', async () => {
      await suite.put('a', { state: bytes('') });
      const record = await suite.recordOf('a');
      expect(record).toMatchObject({ firstEntry: 1, nextEntry: 1, dueAtMs: null, summary: null });
      expect(record.state.length).toBe(0);
      expect(await suite.store.read(at('a'), 1, 10)).toEqual([]);
    });

    test('revisions of an address rise (S1)', async () => {
      let last = 0;
      for (let count = 0; count < 20; count++) {
        const revision = await suite.put('a', count % 3 === 0 ? { entries: run(count / 3 + 1, 1) } : {});
        expect(revision).toBeGreaterThan(last);
        last = revision;
      }
    });

    test('a commit that expects another revision is refused with a conflict that names both (S3)', async () => {
      const revision = await suite.put('a');
      await expect(commitOnce(suite.store, at('b'), aCommit(revision))).rejects.toMatchObject({
        expectedRevision: revision,
        actualRevision: 0,
      });
      for (const expected of [0, revision - 1, revision + 1]) {
        if (expected < 0) continue;
        const refusal = commitOnce(suite.store, at('a'), { ...aCommit(expected), state: bytes('other') });
        await expect(refusal).rejects.toBeInstanceOf(ConflictError);
        await expect(refusal).rejects.toMatchObject({
          address: at('a'),
          expectedRevision: expected,
          actualRevision: revision,
        });
      }
      expect(text((await suite.recordOf('a')).state)).toBe('state');
    });

    test('a refused commit leaves nothing behind (S2)', async () => {
      await suite.put('a');
      const bad: Partial<Commit> = { entries: run(1, 1), dueAtMs: 3, summary: aSummary() };
      await expect(commitOnce(suite.store, at('a'), { ...aCommit(999_999), ...bad })).rejects.toBeInstanceOf(
        ConflictError,
      );
      expect(await suite.recordOf('a')).toMatchObject({ nextEntry: 1, dueAtMs: null, summary: null });
      expect(await suite.dueOf('a', 10)).toBeUndefined();
      expect(await suite.listed()).toEqual([]);
    });

    test('state "same" keeps the state, with and without entries, however often', async () => {
      await suite.put('a', { state: bytes('first') });
      await suite.put('a', { state: 'same', dueAtMs: 1 });
      await suite.put('a', { state: 'same', entries: run(1, 2) });
      await suite.put('a', { state: 'same' });
      expect(text((await suite.recordOf('a')).state)).toBe('first');
      await suite.put('a', { state: bytes('second'), entries: run(3, 1) });
      await suite.put('a', { state: 'same', entries: run(4, 1) });
      await suite.put('a', { state: 'same' });
      await suite.put('a', { state: 'same', entries: run(5, 1), keepFrom: 6 });
      expect(text((await suite.recordOf('a')).state)).toBe('second');
      await suite.put('a', { state: bytes('third') });
      await suite.put('a', { state: 'same' });
      await suite.restart();
      expect(text((await suite.recordOf('a')).state)).toBe('third');
      await suite.put('a', { state: 'same' });
      expect(text((await suite.recordOf('a')).state)).toBe('third');
    });

    test('a first commit needs a state', async () => {
      await expect(suite.put('a', { state: 'same' })).rejects.toBeInstanceOf(TypeError);
      expect((await suite.store.load(at('a'))).record).toBeUndefined();
    });

    test('bytes that were sealed may be used again once the commit is answered', async () => {
      const state = bytes('before');
      const entries: EntryRun = { first: 1, count: 1, bytes: bytes('[1]') };
      await suite.put('a', { state, entries });
      state.fill(0);
      entries.bytes.fill(0);
      expect(text((await suite.recordOf('a')).state)).toBe('before');
      expect(await suite.entriesOf('a')).toEqual([1]);
    });

    test("bytes that were loaded are the reader's", async () => {
      await suite.put('a', { entries: run(1, 1) });
      (await suite.recordOf('a')).state.fill(0);
      for (const found of await suite.store.read(at('a'), 1, 1)) found.bytes.fill(0);
      expect(text((await suite.recordOf('a')).state)).toBe('state');
      expect(await suite.entriesOf('a')).toEqual([1]);
    });

    test('a commit beyond COMMIT_BYTES_MAX is refused with a LimitError and a large one is taken', async () => {
      const large = new Uint8Array(COMMIT_BYTES_MAX + 1);
      await expect(suite.put('a', { state: large })).rejects.toBeInstanceOf(LimitError);
      expect((await suite.store.load(at('a'))).record).toBeUndefined();
      await suite.put('a', {
        state: large.subarray(0, 3_000_000),
        entries: { first: 1, count: 1, bytes: large.subarray(0, 3_000_000) },
      });
      await suite.put('a', { state: large.subarray(0, 2_000_000) });
      expect((await suite.recordOf('a')).state.length).toBe(2_000_000);
      expect((await suite.store.read(at('a'), 1, 1))[0]!.bytes.length).toBe(3_000_000);
    });

    test('ids that mean something elsewhere are only ids here', async () => {
      const ids = [
        'a/b',
        '../',
        '..',
        '/',
        '//',
        '🎭',
        'é',
        'e\u0301',
        '__proto__',
        'constructor',
        'toString',
        '|@%00',
        '%',
        '*',
        '>',
        '.',
        ' ',
        '"',
        '\\',
        "'; drop",
        'ÿ',
        '\uffff',
        '\u{10ffff}',
        'x'.repeat(512),
        'ü'.repeat(256),
        '🎭'.repeat(128),
      ];
      for (const id of ids)
        await suite.put(id, {
          state: bytes(id),
          entries: run(1, 1),
          dueAtMs: 0,
          summary: aSummary({ name: id, tags: { [id]: id } }),
        });
      for (const id of ids) {
        expect(text((await suite.recordOf(id)).state)).toBe(id);
        expect((await suite.recordOf(id)).summary).toEqual(aSummary({ name: id, tags: { [id]: id } }));
        expect(await suite.dueOf(id, 0)).toBe(0);
        expect(await suite.listed({ tags: { [id]: id } })).toEqual([id]);
      }
      expect((await suite.listed()).length).toBe(ids.length);
      await suite.restart();
      for (const id of ids) await suite.store.purge(at(id), (await suite.recordOf(id)).revision);
      for (const id of ids) expect((await suite.store.load(at(id))).record).toBeUndefined();
      expect(await suite.listed()).toEqual([]);
    });

    test('types that begin alike, and a type and id that read alike, are apart', async () => {
      const addresses = [
        { type: 'a', id: 'b/c' },
        { type: 'a.b', id: 'c' },
        { type: 'ab', id: 'c' },
        { type: 'a', id: 'bc' },
        { type: 'A', id: 'bc' },
      ];
      for (const address of addresses) {
        const state = bytes(JSON.stringify(address));
        await commitOnce(suite.store, address, { ...aCommit(0), state, summary: aSummary() });
      }
      for (const address of addresses) {
        expect(text((await suite.store.load(address)).record!.state)).toBe(JSON.stringify(address));
        const { actors } = await suite.store.list({ type: address.type }, { limit: 10 });
        expect(actors.map((found) => found.address)).toEqual(
          addresses.filter(({ type }) => type === address.type).sort((a, b) => (a.id < b.id ? -1 : 1)),
        );
      }
    });
  });

  describe('group commit', () => {
    test('seal is called when the write begins, once, and never inside commit()', async () => {
      const seals: string[] = [];
      const answered: Promise<void>[] = [];
      for (let index = 0; index < 300; index++) {
        const id = `a${index}`;
        answered.push(
          new Promise((resolve, reject) => {
            suite.store.commit({
              address: at(id),
              seal: () => (seals.push(id), aCommit(0)),
              accepted: () => resolve(),
              refused: reject,
            });
          }),
        );
      }
      expect(seals).toEqual([]);
      await Promise.all(answered);
      expect(seals.length).toBe(300);
      expect(new Set(seals).size).toBe(300);
      for (let index = 0; index < 300; index += 37) await suite.recordOf(`a${index}`);
    });

    test('what happens between commit() and seal() is in the commit', async () => {
      let state = 'early';
      const accepted = new Promise<number>((resolve, reject) => {
        suite.store.commit({
          address: at('a'),
          seal: () => ({ ...aCommit(0), state: bytes(state) }),
          accepted: resolve,
          refused: reject,
        });
      });
      state = 'late';
      await accepted;
      expect(text((await suite.recordOf('a')).state)).toBe('late');
    });

    test('a seal that throws refuses its own request with what it threw, and no other', async () => {
      const problem = new Error('not now');
      const failing = new Promise((resolve, reject) => {
        suite.store.commit({
          address: at('bad'),
          seal: () => {
            throw problem;
          },
          accepted: resolve,
          refused: reject,
        });
      });
      const others = ['a', 'b', 'c'].map((id) => commitOnce(suite.store, at(id), aCommit(0)));
      await expect(failing).rejects.toBe(problem);
      await Promise.all(others);
      expect((await suite.store.load(at('bad'))).record).toBeUndefined();
      await suite.put('bad');
    });

    test('a conflict in a write refuses nobody else in it', async () => {
      await suite.put('old');
      const results = await Promise.allSettled(
        ['a', 'old', 'b'].map((id) => commitOnce(suite.store, at(id), aCommit(0))),
      );
      expect(results.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled']);
    });

    test('an actor may commit again from inside its answer, and is answered for each', async () => {
      const revisions: number[] = [];
      await new Promise<void>((resolve, reject) => {
        const source: CommitSource = {
          address: at('a'),
          seal: () => ({ ...aCommit(revisions.at(-1) ?? 0), state: bytes(String(revisions.length)) }),
          accepted(revision) {
            revisions.push(revision);
            if (revisions.length < 50) suite.store.commit(source);
            else resolve();
          },
          refused: reject,
        };
        suite.store.commit(source);
      });
      expect(revisions).toEqual([...new Set(revisions)].sort((a, b) => a - b));
      expect(text((await suite.recordOf('a')).state)).toBe('49');
    });

    test('of many that commit to one address on the same revision one is accepted (S3)', async () => {
      const results = await Promise.allSettled(
        Array.from({ length: 20 }, (_, index) =>
          commitOnce(suite.store, at('a'), { ...aCommit(0), state: bytes(String(index)) }),
        ),
      );
      const winners = results.flatMap(({ status }, index) => (status === 'fulfilled' ? [index] : []));
      expect(winners.length).toBe(1);
      for (const result of results)
        if (result.status === 'rejected') expect(result.reason).toBeInstanceOf(ConflictError);
      expect(text((await suite.recordOf('a')).state)).toBe(String(winners[0]));
    });
  });

  describe('commit ids', () => {
    test('a commit that is sent again is accepted again as the same revision and not applied twice (S5)', async () => {
      const commit: Commit = { ...aCommit(0), entries: run(1, 2) };
      const revision = await commitOnce(suite.store, at('a'), commit);
      expect(await commitOnce(suite.store, at('a'), commit)).toBe(revision);
      const second: Commit = { ...aCommit(revision), entries: run(3, 1) };
      const secondRevision = await commitOnce(suite.store, at('a'), second);
      expect(await commitOnce(suite.store, at('a'), commit)).toBe(revision);
      expect(await commitOnce(suite.store, at('a'), second)).toBe(secondRevision);
      await suite.restart();
      expect(await commitOnce(suite.store, at('a'), commit)).toBe(revision);
      expect(await commitOnce(suite.store, at('a'), second)).toBe(secondRevision);
      expect(await suite.entriesOf('a')).toEqual([1, 2, 3]);
      expect((await suite.recordOf('a')).revision).toBe(secondRevision);
    });

    test(`the last ${COMMIT_IDS_KEPT} are kept, newest first; an older commit sent again is a conflict`, async () => {
      const commits: Commit[] = [];
      const revisions: number[] = [];
      for (let count = 0; count <= COMMIT_IDS_KEPT; count++) {
        // Three writers that take turns, each counting for itself, with gaps.
        const commit = { ...aCommit(revisions.at(-1) ?? 0), id: { writer: `w${count % 3}`, sequence: 10 * count + 1 } };
        commits.push(commit);
        revisions.push(await commitOnce(suite.store, at('a'), commit));
      }
      expect((await suite.recordOf('a')).commitIds).toEqual(
        commits
          .slice(1)
          .map(({ id }) => id)
          .toReversed(),
      );
      await suite.restart();
      expect((await suite.recordOf('a')).commitIds).toEqual(
        commits
          .slice(1)
          .map(({ id }) => id)
          .toReversed(),
      );
      await expect(commitOnce(suite.store, at('a'), commits[0]!)).rejects.toBeInstanceOf(ConflictError);
      for (let index = 1; index < commits.length; index++) {
        expect(await commitOnce(suite.store, at('a'), commits[index]!)).toBe(revisions[index]);
      }
    });

    test('ids of one writer in a row are kept as well, and no more of them', async () => {
      let revision = 0;
      const writer = 'w'.repeat(32);
      for (let sequence = 1; sequence <= 40; sequence++) {
        revision = await commitOnce(suite.store, at('a'), { ...aCommit(revision), id: { writer, sequence } });
      }
      const expected = Array.from({ length: COMMIT_IDS_KEPT }, (_, index) => ({ writer, sequence: 40 - index }));
      expect((await suite.recordOf('a')).commitIds).toEqual(expected);
    });

    test('the same sequence of another writer, or another sequence of the same, is another commit', async () => {
      const first = await commitOnce(suite.store, at('a'), { ...aCommit(0), id: { writer: 'x', sequence: 1 } });
      for (const id of [
        { writer: 'y', sequence: 1 },
        { writer: 'x', sequence: 2 },
        { writer: 'x1', sequence: 1 },
      ]) {
        await expect(commitOnce(suite.store, at('a'), { ...aCommit(0), id })).rejects.toBeInstanceOf(ConflictError);
      }
      expect((await suite.recordOf('a')).revision).toBe(first);
    });

    test('a known id on another expected revision is a conflict', async () => {
      const id = { writer: 'x', sequence: 1 };
      const revision = await commitOnce(suite.store, at('a'), { ...aCommit(0), id });
      await expect(commitOnce(suite.store, at('a'), { ...aCommit(revision), id })).rejects.toBeInstanceOf(
        ConflictError,
      );
    });

    test('ids of a life before a purge are forgotten', async () => {
      const commit = aCommit(0);
      const first = await commitOnce(suite.store, at('a'), commit);
      await suite.store.purge(at('a'), first);
      expect(await commitOnce(suite.store, at('a'), commit)).toBeGreaterThan(first);
    });
  });

  describe('entries', () => {
    beforeEach(async () => {
      await suite.put('a', { entries: run(1, 3) });
      await suite.put('a', { entries: run(4, 1) });
      await suite.put('a');
      await suite.put('a', { entries: run(5, 4) });
    });

    test('runs come back whole, in order, as they were written', async () => {
      const runs = await suite.store.read(at('a'), 1, 100);
      expect(runs.map(({ first, count }) => [first, count])).toEqual([
        [1, 3],
        [4, 1],
        [5, 4],
      ]);
      expect(await suite.entriesOf('a')).toEqual([1, 2, 3, 4, 5, 6, 7, 8]);
    });

    test('a read from the middle of a run begins with that run', async () => {
      expect(await suite.entriesOf('a', 2)).toEqual([1, 2, 3, 4, 5, 6, 7, 8]);
      expect(await suite.entriesOf('a', 4)).toEqual([4, 5, 6, 7, 8]);
      expect(await suite.entriesOf('a', 7)).toEqual([5, 6, 7, 8]);
      expect(await suite.entriesOf('a', 9)).toEqual([]);
      expect(await suite.entriesOf('a', 99)).toEqual([]);
    });

    test('a read stops with the run that holds the last entry asked for', async () => {
      expect(await suite.entriesOf('a', 1, 1)).toEqual([1, 2, 3]);
      expect(await suite.entriesOf('a', 1, 3)).toEqual([1, 2, 3]);
      expect(await suite.entriesOf('a', 1, 4)).toEqual([1, 2, 3, 4]);
      expect(await suite.entriesOf('a', 3, 2)).toEqual([1, 2, 3, 4]);
      expect(await suite.entriesOf('a', 8, 5)).toEqual([5, 6, 7, 8]);
    });

    test('pages of any length put together are everything', async () => {
      for (const limit of [1, 2, 3, 7]) {
        const found: number[] = [];
        for (let next = 1; next < 9; next = found.at(-1)! + 1) {
          found.push(...(await suite.entriesOf('a', next, limit)).filter((number) => number >= next));
        }
        expect(found).toEqual([1, 2, 3, 4, 5, 6, 7, 8]);
      }
    });

    test('keepFrom in the middle of a run keeps what is needed', async () => {
      await suite.put('a', { keepFrom: 6 });
      expect(await suite.recordOf('a')).toMatchObject({ firstEntry: 6, nextEntry: 9 });
      expect((await suite.entriesOf('a')).filter((number) => number >= 6)).toEqual([6, 7, 8]);
      await suite.restart();
      expect((await suite.entriesOf('a', 6)).filter((number) => number >= 6)).toEqual([6, 7, 8]);
      await suite.put('a', { entries: run(9, 1) });
      expect((await suite.entriesOf('a', 7)).filter((number) => number >= 7)).toEqual([7, 8, 9]);
    });

    test('keepFrom the next entry keeps none, and numbers go on', async () => {
      await suite.put('a', { entries: run(9, 2), keepFrom: 11 });
      expect(await suite.recordOf('a')).toMatchObject({ firstEntry: 11, nextEntry: 11 });
      expect(await suite.store.read(at('a'), 1, 10)).toEqual([]);
      await suite.put('a', { entries: run(11, 1) });
      expect(await suite.entriesOf('a')).toEqual([11]);
    });

    test('entries that do not follow, and a keepFrom that goes back or too far, are refused', async () => {
      await suite.put('a', { keepFrom: 4 });
      for (const bad of [
        { entries: run(8, 1) },
        { entries: run(10, 1) },
        { keepFrom: 3 },
        { keepFrom: 10 },
      ] satisfies Partial<Commit>[]) {
        await expect(suite.put('a', bad)).rejects.toBeInstanceOf(TypeError);
      }
      expect(await suite.recordOf('a')).toMatchObject({ firstEntry: 4, nextEntry: 9 });
    });

    test('many entries come and go and the rest stays', async () => {
      for (let first = 9; first < 1_000; first += 3) {
        await suite.put('a', {
          entries: run(first, 3),
          keepFrom: Math.max(1, first - 40),
          ...(first % 2 === 0 ? { state: 'same' } : {}),
        });
      }
      const { firstEntry, nextEntry } = await suite.recordOf('a');
      const kept = (await suite.entriesOf('a', firstEntry)).filter((number) => number >= firstEntry);
      expect(kept).toEqual(Array.from({ length: nextEntry - firstEntry }, (_, index) => firstEntry + index));
      await suite.restart();
      expect((await suite.entriesOf('a', firstEntry)).filter((number) => number >= firstEntry)).toEqual(kept);
      expect(text((await suite.recordOf('a')).state)).toBe('state');
    });
  });
}
