import { describe, expect, test } from 'vitest';
import { ACTIVITY_LEASE_MS, TURN_LEASE_MS } from '../src/limits.ts';
import {
  DONE,
  given,
  offerActivity,
  offerBatch,
  offerTurn,
  poolFixture,
  TestWorker,
  TURN,
  type Fate,
} from './worker-pool-kit.ts';

/** More than an alarm is late by. */
const LITTLE_MS = 300;

const numbered = (count: number): string[] => Array.from({ length: count }, (_, index) => `i${index}`);

describe('P1: a request ends once', () => {
  test('it is answered by the worker that it went to', async () => {
    const t = poolFixture();
    const worker = new TestWorker(t);
    const fate = offerTurn(t, 'i', { name: 'order', version: '2' });
    await given();
    expect(worker.last).toMatchObject({ kind: 'workflow', instanceId: 'i', kept: 0 });
    expect(fate.ends).toEqual([]);
    expect(worker.answer()).toBe(true);
    expect(fate.ends).toEqual(['answered']);
    expect(worker.answer()).toBe(false);
    expect(fate.ends).toEqual(['answered']);
    expect(t.clock.pending).toBeLessThanOrEqual(1);
  });

  test('what is withdrawn is not sent, and what was sent makes room', async () => {
    const t = poolFixture();
    const worker = new TestWorker(t, { activitiesMax: 1 });
    const [first, second, third] = ['a', 'b', 'c'].map((id) => offerActivity(t, id)) as [Fate, Fate, Fate];
    await given();
    second.withdraw();
    first.withdraw();
    await given();
    expect(worker.ids).toEqual(['a', 'c']);
    expect(worker.answer(worker.items[0])).toBe(false);
    expect(worker.answer(worker.items[1])).toBe(true);
    third.withdraw();
    expect([first.ends, second.ends, third.ends]).toEqual([[], [], ['answered']]);
    expect(t.pool.counts()).toEqual({
      connected: 1,
      waiting: { workflow: 0, activity: 0, entity: 0 },
      inHand: { workflow: 0, activity: 0, entity: 0 },
    });
  });

  test('a stop loses what waits, what rests and what is out, and nothing is sent or taken in any more', async () => {
    const t = poolFixture();
    const worker = new TestWorker(t, { workflowsMax: 2 });
    const fates = ['a', 'b', 'c'].map((id) => offerTurn(t, id));
    await given();
    const [a, b] = worker.items;
    t.pool.abandon(a!.token);
    t.pool.stop();
    expect(fates.map(({ ends }) => ends)).toEqual([['lost'], ['lost'], ['lost']]);
    expect(worker.answer(b)).toBe(false);
    const after = offerTurn(t, 'd');
    const late = new TestWorker(t);
    await given();
    expect(after.ends).toEqual(['lost']);
    worker.close();
    late.close();
    await t.clock.advance(2 * TURN_LEASE_MS);
    expect(worker.ids).toEqual(['a', 'b']);
    expect(late.ids).toEqual([]);
    expect(t.pool.connected).toBe(0);
    expect(t.clock.pending).toBe(0);
  });
});

describe('P2: one dispatch of each key', () => {
  test('another request of the same key takes the place of one that waits or is out', async () => {
    const t = poolFixture();
    const worker = new TestWorker(t, { workflowsMax: 1, activitiesMax: 0 });
    const first = offerTurn(t, 'i');
    await given();
    const second = offerTurn(t, 'i');
    const third = offerTurn(t, 'i');
    await given();
    expect(worker.ids).toEqual(['i', 'i']);
    expect(worker.answer(worker.items[0])).toBe(false);
    first.withdraw();
    second.withdraw();
    expect(worker.answer(worker.items[1])).toBe(true);
    expect([first.ends, second.ends, third.ends]).toEqual([['replaced'], ['replaced'], ['answered']]);
  });

  test('whoever withdraws one that was replaced hears nothing of it', async () => {
    const t = poolFixture();
    const worker = new TestWorker(t);
    const first = offerTurn(t, 'i');
    const second = offerTurn(t, 'i');
    first.withdraw();
    await given();
    expect(worker.answer(worker.items[0])).toBe(true);
    expect([first.ends, second.ends]).toEqual([[], ['answered']]);
  });

  test('a turn, an activity and another activity of one instance are three', async () => {
    const t = poolFixture();
    const worker = new TestWorker(t);
    offerTurn(t, 'i');
    offerActivity(t, 'i', { sequence: 0 });
    offerActivity(t, 'i', { sequence: 1 });
    await given();
    expect(worker.items).toHaveLength(3);
    expect(t.pool.turnInHand('i')?.item.kind).toBe('workflow');
    expect(t.pool.activityInHand('i', 0)).toMatchObject({ item: { sequence: 0 }, connection: worker });
    expect(t.pool.activityInHand('i', 1)?.item.sequence).toBe(1);
    expect(t.pool.activityInHand('i', 2)).toBeUndefined();
    expect(t.pool.completeActivity('i', 1, '', DONE)).toBe(true);
    expect(t.pool.activityInHand('i', 1)).toBeUndefined();
  });
});

describe('P3: only the answer to the dispatch that is out counts', () => {
  test('an empty token is that of the dispatch that is out, and no token opens what waits', async () => {
    const t = poolFixture();
    const worker = new TestWorker(t);
    const fate = offerTurn(t, 'i');
    expect(t.pool.completeTurn('i', '', TURN)).toBe(false);
    await given();
    expect(t.pool.completeTurn('i', 'other', TURN)).toBe(false);
    expect(t.pool.completeTurn('j', worker.last.token, TURN)).toBe(false);
    expect(t.pool.completeActivity('i', 0, worker.last.token, DONE)).toBe(false);
    worker.close();
    const spare = new TestWorker(t, { workflows: [{ name: 'flow', versions: [] }], workflowsMax: 1 });
    expect(t.pool.turnInHand('i')).toBeUndefined();
    expect(t.pool.completeTurn('i', '', TURN)).toBe(false);
    expect(worker.answer()).toBe(false);
    await given();
    expect(spare.last.token).not.toBe(worker.last.token);
    expect(worker.answer()).toBe(false);
    expect(t.pool.completeTurn('i', '', TURN)).toBe(true);
    expect(fate.ends).toEqual(['answered']);
    expect(t.pool.abandon(spare.last.token)).toBe(false);
  });

  test('what is not answered within its lease goes to another worker, and only that one is heard', async () => {
    const t = poolFixture();
    const first = new TestWorker(t);
    const fate = offerTurn(t, 'i');
    await given();
    const second = new TestWorker(t);
    await t.clock.advance(TURN_LEASE_MS - LITTLE_MS);
    expect(second.ids).toEqual([]);
    await t.clock.advance(2 * LITTLE_MS);
    expect(second.ids).toEqual(['i']);
    expect(first.answer()).toBe(false);
    expect(fate.ends).toEqual([]);
    expect(second.answer()).toBe(true);
    expect(fate.ends).toEqual(['answered']);
    expect(t.warnings).toHaveLength(1);
  });

  test('a worker that is alone gets it again, each time after a longer lease', async () => {
    const t = poolFixture({ activityLeaseMs: 1_000 });
    const worker = new TestWorker(t);
    offerActivity(t, 'i');
    await given();
    const counts: number[] = [];
    for (let step = 0; step < 7; step++) {
      await t.clock.advance(1_000 + LITTLE_MS);
      counts.push(worker.items.length);
    }
    expect(counts).toEqual([2, 2, 3, 3, 3, 4, 4]);
    expect(new Set(worker.items.map(({ token }) => token)).size).toBe(4);
    expect(t.pool.counts().inHand.activity).toBe(1);
  });

  test('many leases take one timeout', async () => {
    const t = poolFixture();
    const worker = new TestWorker(t);
    for (const id of numbered(50)) offerActivity(t, id);
    for (const id of numbered(50)) offerTurn(t, id);
    await given();
    expect(worker.items).toHaveLength(100);
    expect(t.clock.pending).toBe(1);
  });

  test('an activity has a longer lease than a turn', async () => {
    const t = poolFixture();
    const worker = new TestWorker(t);
    offerActivity(t, 'i');
    await given();
    await t.clock.advance(ACTIVITY_LEASE_MS - LITTLE_MS);
    expect(worker.items).toHaveLength(1);
    await t.clock.advance(2 * LITTLE_MS);
    expect(worker.items).toHaveLength(2);
  });
});

describe('P4: a worker has no more in hand than it takes', () => {
  test('of each kind and of both', async () => {
    const t = poolFixture();
    const worker = new TestWorker(t, { workflowsMax: 2, activitiesMax: 3, itemsMax: 4 });
    for (const id of numbered(5)) offerTurn(t, id);
    for (const id of numbered(5)) offerActivity(t, id);
    await given();
    const kinds = (): string => worker.items.map(({ kind }) => kind[0]).join('');
    expect(kinds()).toBe('wawa');
    expect(t.pool.counts()).toEqual({
      connected: 1,
      waiting: { workflow: 3, activity: 3, entity: 0 },
      inHand: { workflow: 2, activity: 2, entity: 0 },
    });
    worker.answer(worker.items[0]);
    await given();
    expect(kinds()).toBe('wawaw');
  });

  test('each kind in its turn, and none takes the room of the others', async () => {
    const t = poolFixture();
    const worker = new TestWorker(t, { entitiesMax: 16, itemsMax: 16 });
    for (const id of numbered(20)) offerBatch(t, id);
    await given();
    expect(t.pool.counts()).toMatchObject({ inHand: { entity: 12 }, waiting: { entity: 8 } });
    for (const id of numbered(3)) {
      offerTurn(t, id);
      offerActivity(t, id);
    }
    await given();
    expect(worker.items.map(({ kind }) => kind[0]).join('')).toBe('eeeeeeeeeeeewawa');
    expect(worker.answer(worker.items[0])).toBe(true);
    expect(worker.answer(worker.items[0])).toBe(false);
    await given();
    expect(worker.last.kind).toBe('entity');
  });

  test('nothing goes to a worker that takes nothing of the kind', async () => {
    const t = poolFixture();
    const worker = new TestWorker(t, { activitiesMax: 0 });
    const fate = offerActivity(t, 'i');
    expect(t.pool.mayRun('activity', 'work', '')).toBe(false);
    expect(t.pool.summary()).toEqual({ workflows: 'any', activities: [], entities: [] });
    await given();
    expect(fate.ends).toEqual(['lost']);
    expect(worker.items).toEqual([]);
  });

  test('filters tell names and versions apart', async () => {
    const t = poolFixture();
    const worker = new TestWorker(t, {
      workflows: [
        { name: 'a', versions: ['1', '2'] },
        { name: 'b', versions: [] },
      ],
    });
    expect(
      [
        ['a', '1'],
        ['a', '3'],
        ['a', ''],
        ['b', '9'],
        ['c', ''],
      ].map(([name, version]) => t.pool.mayRun('workflow', name!, version!)),
    ).toEqual([true, false, true, true, false]);
    expect(t.pool.mayRun('activity', 'a', '1')).toBe(false);
    const other = new TestWorker(t, { workflows: [{ name: 'a', versions: ['3'] }] });
    const fates = [
      offerTurn(t, 'i', { name: 'a', version: '3' }),
      offerTurn(t, 'j', { name: 'a', version: '2' }),
      offerTurn(t, 'k', { name: 'a', version: '4' }),
    ];
    await given();
    expect([worker.ids, other.ids]).toEqual([['j'], ['i']]);
    expect(fates.map(({ ends }) => ends)).toEqual([[], [], ['lost']]);
  });

  test('what a closed worker had in hand goes out before what waited, in its order', async () => {
    const t = poolFixture();
    const first = new TestWorker(t, { activitiesMax: 3 });
    for (const id of ['a', 'b', 'c', 'd', 'e']) offerActivity(t, id);
    await given();
    const second = new TestWorker(t, { activitiesMax: 1 });
    await given();
    expect(first.ids).toEqual(['a', 'b', 'c']);
    first.close();
    first.close();
    for (let turn = 0; turn < 5; turn++) {
      second.answer();
      await given();
    }
    expect(second.ids).toEqual(['d', 'a', 'b', 'c', 'e']);
    expect(first.answer(first.items[0])).toBe(false);
    expect(t.pool.connected).toBe(1);
  });

  test('items are spread over workers, the least loaded first', async () => {
    const t = poolFixture();
    const workers = [1, 2, 3].map(() => new TestWorker(t));
    for (const id of numbered(9)) offerActivity(t, id);
    await given();
    expect(workers.map(({ ids }) => ids)).toEqual([
      ['i0', 'i3', 'i6'],
      ['i1', 'i4', 'i7'],
      ['i2', 'i5', 'i8'],
    ]);
    workers[1]!.answer(workers[1]!.items[0]);
    workers[1]!.answer(workers[1]!.items[1]);
    offerActivity(t, 'x');
    offerTurn(t, 'y');
    await given();
    expect(workers[1]!.ids.slice(3)).toEqual(['y', 'x']);
    // One after another, each answered at once: in turns all the same.
    for (const worker of workers) for (const item of worker.items) worker.answer(item);
    for (const id of numbered(6)) {
      offerActivity(t, id);
      await given();
      for (const worker of workers) worker.answer();
    }
    expect(new Set(workers.map(({ items }) => items.length))).toEqual(new Set([5, 7]));
  });
});
