import { describe, expect, test } from 'vitest';
import { KeptHistories } from '../src/workers/kept-histories.ts';
import { ABANDON_DELAY_MS_MIN, KEPT_HISTORIES_MAX, RATHER_ANOTHER_MS, TURN_LEASE_MS } from '../src/limits.ts';
import { ConnectedWorker } from '../src/workers/pooled-item.ts';
import { given, offerActivity, offerTurn, poolFixture, TestWorker, TURN, type Fate } from './worker-pool-kit.ts';

/** More than an alarm is late by. */
const LITTLE_MS = 300;

const numbered = (count: number): string[] => Array.from({ length: count }, (_, index) => `i${index}`);

describe('P5: nothing waits in vain', () => {
  test('activities that do not end leave room for turns', async () => {
    const t = poolFixture();
    const worker = new TestWorker(t, { itemsMax: 8 });
    for (const id of numbered(2_000)) offerActivity(t, id);
    await given();
    for (const id of numbered(10)) {
      offerTurn(t, id);
      await given();
      expect(worker.last).toMatchObject({ kind: 'workflow', instanceId: id });
      expect(worker.answer()).toBe(true);
    }
    expect(t.pool.counts().inHand).toEqual({ workflow: 0, activity: 7, entity: 0 });
  });

  test('a worker with one slot is given turns and activities by turns', async () => {
    const t = poolFixture();
    const worker = new TestWorker(t, { itemsMax: 1 });
    for (const id of numbered(2_000)) offerActivity(t, id);
    for (const id of numbered(2_000)) offerTurn(t, id);
    for (let answered = 0; answered < 6; answered++) {
      await given();
      worker.answer();
    }
    expect(worker.items.map(({ kind }) => kind[0]).join('')).toBe('wawawa');
    expect(worker.ids).toEqual(['i0', 'i0', 'i1', 'i1', 'i2', 'i2']);
  });

  test('a kind takes all slots of a worker that runs only that', async () => {
    const t = poolFixture();
    const worker = new TestWorker(t, { activities: [{ name: 'work', versions: [] }], itemsMax: 16 });
    const both = poolFixture();
    const other = new TestWorker(both, { itemsMax: 16 });
    for (const id of numbered(40)) {
      offerActivity(t, id);
      offerActivity(both, id);
    }
    await given();
    expect(worker.items).toHaveLength(16);
    expect(other.items).toHaveLength(14);
  });

  test('what no free worker may take does not hold up what is behind it', async () => {
    const t = poolFixture();
    const a = new TestWorker(t, { activities: [{ name: 'a', versions: [] }], activitiesMax: 1 });
    const b = new TestWorker(t, { activities: [{ name: 'b', versions: [] }], activitiesMax: 1 });
    for (const id of ['a1', 'a2', 'a3', 'b1', 'b2']) offerActivity(t, id, { name: id[0]! });
    await given();
    b.answer();
    await given();
    expect(a.ids).toEqual(['a1']);
    expect(b.ids).toEqual(['b1', 'b2']);
  });

  test('an abandoned item rests, then goes to another worker', async () => {
    const t = poolFixture();
    const first = new TestWorker(t);
    offerTurn(t, 'i');
    await given();
    const second = new TestWorker(t);
    expect(t.pool.abandon(first.last.token)).toBe(true);
    expect(t.pool.abandon(first.last.token)).toBe(false);
    expect(t.pool.turnInHand('i')).toBeUndefined();
    expect(t.pool.counts().waiting.workflow).toBe(1);
    await t.clock.advance(ABANDON_DELAY_MS_MIN - LITTLE_MS);
    expect([first.ids, second.ids]).toEqual([['i'], []]);
    await t.clock.advance(2 * LITTLE_MS);
    expect([first.ids, second.ids]).toEqual([['i'], ['i']]);
    expect(first.answer()).toBe(false);
  });

  test('a worker that abandons everything gets it again after longer and longer', async () => {
    const t = poolFixture();
    const worker = new TestWorker(t, { onItem: (item) => void t.pool.abandon(item.token) });
    offerTurn(t, 'i');
    await t.clock.advance(120_000);
    expect(worker.items.length).toBeGreaterThan(5);
    expect(worker.items.length).toBeLessThan(9);
  });

  test('the other worker is waited for, but not for ever', async () => {
    const t = poolFixture();
    const first = new TestWorker(t, { activitiesMax: 1 });
    offerActivity(t, 'i');
    await given();
    const second = new TestWorker(t, { activitiesMax: 1 });
    offerActivity(t, 'j');
    await given();
    expect(second.ids).toEqual(['j']);
    t.pool.abandon(first.last.token);
    await t.clock.advance(ABANDON_DELAY_MS_MIN + LITTLE_MS);
    offerActivity(t, 'k');
    await given();
    // It does not hold up what is behind it.
    expect(first.ids).toEqual(['i', 'k']);
    first.answer();
    await t.clock.advance(RATHER_ANOTHER_MS / 2);
    expect(first.ids).toEqual(['i', 'k']);
    await t.clock.advance(RATHER_ANOTHER_MS);
    expect(first.ids).toEqual(['i', 'k', 'i']);
    expect(second.ids).toEqual(['j']);
  });

  test('when the other worker has gone the one that abandoned it gets it at once', async () => {
    const t = poolFixture();
    const first = new TestWorker(t, { activitiesMax: 1 });
    const fate = offerActivity(t, 'i');
    await given();
    const second = new TestWorker(t, { activitiesMax: 1 });
    offerActivity(t, 'j');
    await given();
    t.pool.abandon(first.last.token);
    await t.clock.advance(ABANDON_DELAY_MS_MIN + LITTLE_MS);
    second.close();
    await given();
    // In front of what had not been out, or was so after it.
    expect(first.ids).toEqual(['i', 'i']);
    first.close();
    await given();
    expect(fate.ends).toEqual(['lost']);
  });

  test('one filtered worker among 20,000 items of other names is given its own', async () => {
    const t = poolFixture();
    const all = new TestWorker(t, { activitiesMax: 1 });
    const fates = numbered(20_000).map((id, index) => offerActivity(t, id, { name: `n${index % 200}` }));
    await given();
    const own = new TestWorker(t, { activities: [{ name: 'n199', versions: [] }], activitiesMax: 1 });
    for (let answered = 0; answered < 100; answered++) {
      await given();
      own.answer();
    }
    expect(own.items).toHaveLength(100);
    expect(own.ids.at(-1)).toBe('i19999');
    // What all others wait for goes on in its order.
    for (let answered = 0; answered < 300; answered++) {
      all.answer();
      await given();
    }
    expect(all.ids.slice(198, 201)).toEqual(['i198', 'i200', 'i201']);
    for (const fate of fates) fate.withdraw();
    expect(t.pool.counts().waiting.activity).toBe(0);
  });
});

describe('P6: a request is lost when nobody is left for it', () => {
  test('what waits, what rests and what was out', async () => {
    const t = poolFixture();
    const worker = new TestWorker(t, { workflowsMax: 2, workflows: [{ name: 'flow', versions: [] }] });
    const other = new TestWorker(t, { workflows: [{ name: 'other', versions: [] }] });
    const fates = ['a', 'b', 'c'].map((id) => offerTurn(t, id));
    const kept = offerTurn(t, 'd', { name: 'other' });
    await given();
    t.pool.abandon(worker.items[0]!.token);
    await given();
    worker.close();
    expect(fates.flatMap(({ ends }) => ends)).toEqual([]);
    await given();
    expect(fates.map(({ ends }) => ends)).toEqual([['lost'], ['lost'], ['lost']]);
    expect(kept.ends).toEqual([]);
    await t.clock.advance(10 * ABANDON_DELAY_MS_MIN);
    expect(other.ids).toEqual(['d']);
    expect(t.pool.counts().waiting.workflow).toBe(0);
  });

  test('at once, if nobody is there for it when it is offered', async () => {
    const t = poolFixture();
    const worker = new TestWorker(t, { workflows: [{ name: 'other', versions: [] }] });
    await given();
    const fate = offerTurn(t, 'i');
    const withdrawn = offerTurn(t, 'j');
    withdrawn.withdraw();
    expect(fate.ends).toEqual([]);
    await given();
    expect([fate.ends, withdrawn.ends]).toEqual([['lost'], []]);
    expect(worker.ids).toEqual([]);
    expect(t.pool.counts().waiting.workflow).toBe(0);
  });

  test('not when another worker comes in the same moment', async () => {
    const t = poolFixture();
    const first = new TestWorker(t);
    const fate = offerTurn(t, 'i');
    await given();
    first.close();
    const second = new TestWorker(t);
    await given();
    expect(fate.ends).toEqual([]);
    expect(second.ids).toEqual(['i']);
  });

  test('one that hears of it may withdraw another', async () => {
    const t = poolFixture();
    const worker = new TestWorker(t);
    let second: Fate | undefined;
    const first = offerTurn(t, 'a', { onEnd: () => second!.withdraw() });
    second = offerTurn(t, 'b');
    worker.close();
    await given();
    expect(first.ends).toEqual(['lost']);
    expect(second.ends).toEqual([]);
  });

  test('what the workers may run is told when it changes, once for changes that come together', async () => {
    const t = poolFixture();
    await given();
    expect(t.pool.summary()).toEqual({ workflows: [], activities: [], entities: [] });
    const filters = { workflows: [{ name: 'b', versions: ['2'] }], activities: [{ name: 'x', versions: [] }] };
    const first = new TestWorker(t, filters);
    const second = new TestWorker(t, {
      workflows: [
        { name: 'b', versions: ['1'] },
        { name: 'a', versions: [] },
      ],
      activities: [{ name: 'x', versions: ['7'] }],
    });
    expect(t.changes.count).toBe(0);
    await given();
    expect(t.changes.count).toBe(1);
    expect(t.pool.summary()).toEqual({
      workflows: [
        { name: 'a', versions: [] },
        { name: 'b', versions: ['1', '2'] },
      ],
      activities: [{ name: 'x', versions: [] }],
      entities: [],
    });
    const twin = new TestWorker(t, filters);
    await given();
    twin.close();
    new TestWorker(t).close();
    await given();
    expect(t.changes.count).toBe(1);
    const any = new TestWorker(t);
    await given();
    expect(t.changes.count).toBe(2);
    expect(t.pool.summary()).toEqual({ workflows: 'any', activities: 'any', entities: [] });
    for (const worker of [first, second, any]) worker.close();
    await given();
    expect(t.changes.count).toBe(3);
  });
});

describe('P7: what a worker remembers', () => {
  const keeping = { keepsHistory: true, workflowsMax: 1 };

  /** Gives out a turn that the worker answers; what the worker was said to remember. */
  async function turn(
    t: ReturnType<typeof poolFixture>,
    worker: TestWorker,
    length: number,
    answer = TURN,
    executionId = 'e',
  ): Promise<number> {
    offerTurn(t, 'i', { length, executionId });
    await given();
    const item = worker.last;
    expect(worker.answer(item, answer)).toBe(true);
    return item.kind === 'workflow' ? item.kept : -1;
  }

  test('is what it had seen after the turn before, of this execution', async () => {
    const t = poolFixture();
    const worker = new TestWorker(t, keeping);
    expect(await turn(t, worker, 2)).toBe(0);
    expect(await turn(t, worker, 5)).toBe(2);
    expect(await turn(t, worker, 9)).toBe(5);
    expect(await turn(t, worker, 2, TURN, 'f')).toBe(0);
    expect(await turn(t, worker, 12)).toBe(9);
    t.pool.forget('e');
    expect(await turn(t, worker, 15)).toBe(0);
    expect(await turn(t, worker, 16)).toBe(15);
  });

  test('is nothing if it does not say that it does, or has come again', async () => {
    const t = poolFixture();
    const worker = new TestWorker(t);
    expect(await turn(t, worker, 2)).toBe(0);
    expect(await turn(t, worker, 5)).toBe(0);
    worker.close();
    const again = new TestWorker(t, keeping);
    expect(await turn(t, again, 7)).toBe(0);
    expect(await turn(t, again, 9)).toBe(7);
  });

  test('does not hold after a turn that rewound, stalled or ended the execution', async () => {
    const t = poolFixture();
    const worker = new TestWorker(t, keeping);
    const answers = [
      { ...TURN, history: [] },
      { ...TURN, stalled: new Error('x') },
      { ...TURN, outcome: { type: 'completed', output: undefined } as const },
    ];
    for (const answer of answers) {
      await turn(t, worker, 2);
      expect(await turn(t, worker, 4, answer)).toBe(2);
      expect(await turn(t, worker, 6)).toBe(0);
      t.pool.forget('e');
    }
  });

  test('does not hold after a turn that went to another, was abandoned, withdrawn or out for too long', async () => {
    const t = poolFixture();
    const worker = new TestWorker(t, keeping);
    const sent = async (): Promise<number> => {
      await given();
      return worker.last.kind === 'workflow' ? worker.last.kept : -1;
    };
    await turn(t, worker, 2);
    const withdrawn = offerTurn(t, 'i', { length: 4, executionId: 'e' });
    expect(await sent()).toBe(2);
    withdrawn.withdraw();
    expect(await turn(t, worker, 4)).toBe(0);

    offerTurn(t, 'i', { length: 6, executionId: 'e' });
    expect(await sent()).toBe(4);
    t.pool.abandon(worker.last.token);
    await t.clock.advance(2 * ABANDON_DELAY_MS_MIN);
    expect(await sent()).toBe(0);
    worker.answer();

    offerTurn(t, 'i', { length: 8, executionId: 'e' });
    expect(await sent()).toBe(6);
    await t.clock.advance(TURN_LEASE_MS + LITTLE_MS);
    expect(await sent()).toBe(0);
    worker.answer();

    // Another worker has a turn of it in between, while this one is busy.
    offerTurn(t, 'j');
    await given();
    const other = new TestWorker(t, keeping);
    expect(await turn(t, other, 10)).toBe(0);
    worker.answer();
    other.close();
    expect(await turn(t, worker, 12)).toBe(0);
  });

  test('is forgotten when it has gone', () => {
    const worker = new ConnectedWorker(new TestWorker(poolFixture(), keeping));
    const histories = new KeptHistories();
    histories.keep('e', worker, 3);
    histories.forgetAll(worker);
    expect(histories.take('e', worker)).toBe(0);
  });

  test('is bounded', async () => {
    const t = poolFixture();
    const worker = new TestWorker(t, keeping);
    for (let index = 0; index <= KEPT_HISTORIES_MAX; index++) await turn(t, worker, 3, TURN, `e${index}`);
    expect(await turn(t, worker, 5, TURN, `e${KEPT_HISTORIES_MAX / 2}`)).toBe(3);
    expect(await turn(t, worker, 5, TURN, 'e0')).toBe(0);
  });
});

describe('P8: whatever the pool calls may call it', () => {
  test('nothing is sent inside connect or offer', async () => {
    const t = poolFixture();
    const worker = new TestWorker(t);
    offerTurn(t, 'i');
    expect(worker.items).toEqual([]);
    await given();
    offerTurn(t, 'j');
    worker.answer(worker.items[0]);
    expect(worker.ids).toEqual(['i']);
    await given();
    expect(worker.ids).toEqual(['i', 'j']);
  });

  test('a worker that answers at once, to an engine that goes on at once', async () => {
    const t = poolFixture();
    let turns = 0;
    const next = (): void => {
      if (++turns < 100) offerTurn(t, 'i', { onEnd: next });
    };
    const worker = new TestWorker(t, { workflowsMax: 1, onItem: (item, self) => expect(self.answer(item)).toBe(true) });
    next();
    for (const id of numbered(100)) offerActivity(t, id);
    await given();
    expect(turns).toBe(100);
    expect(worker.items).toHaveLength(199);
    expect(t.pool.counts().inHand).toEqual({ workflow: 0, activity: 0, entity: 0 });
  });

  test('a worker that closes itself when it is sent something', async () => {
    const t = poolFixture();
    const bad = new TestWorker(t, { onItem: (_, self) => self.close() });
    const fates = numbered(10).map((id) => offerActivity(t, id));
    await given();
    expect(bad.ids).toEqual(['i0']);
    expect(fates.every(({ ends }) => ends[0] === 'lost')).toBe(true);

    const worse = new TestWorker(t, { onItem: (_, self) => self.close() });
    const good = new TestWorker(t, { onItem: (item, self) => expect(self.answer(item)).toBe(true) });
    const others = numbered(10).map((id) => offerActivity(t, id));
    await given();
    expect(worse.items).toHaveLength(1);
    expect(good.items).toHaveLength(10);
    expect(others.map(({ ends }) => ends)).toEqual(others.map(() => ['answered']));
  });

  test('a worker that throws has it in hand until its lease runs out', async () => {
    const t = poolFixture();
    let broken = true;
    const worker = new TestWorker(t, {
      onItem: () => {
        if (broken) throw new Error('no stream');
      },
    });
    offerTurn(t, 'i');
    offerTurn(t, 'j');
    await given();
    expect(t.errors).toEqual([new Error('no stream'), new Error('no stream')]);
    expect(t.pool.turnInHand('i')).toBeDefined();
    broken = false;
    await t.clock.advance(TURN_LEASE_MS + LITTLE_MS);
    expect(worker.ids).toEqual(['i', 'j', 'i', 'j']);
  });
});
