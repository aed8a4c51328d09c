// Instances that failed on workers and go on before what failed in them.

import { expect, test } from 'vitest';
import { workflow } from '../src/index.ts';
import { testHost, type TestHost } from '../src/testing.ts';
import type { WorkerTurn } from '../src/worker.ts';
import { startWorker, type Program } from './worker.ts';

const BODY = { reason: 'repaired' };

/** An activity that fails until it is repaired, and counts. */
class Shop {
  broken = true;
  readonly ran: string[] = [];
  readonly activities = {
    pay: (what: string) => this.#run(`pay ${what}`, what),
    ship: (what: string) => {
      if (this.broken) {
        this.ran.push(`ship ${what}`);
        throw new Error('no carrier');
      }
      return this.#run(`ship ${what}`, what);
    },
  };

  #run(line: string, what: string): string {
    this.ran.push(line);
    return `${what} done`;
  }
}

const order: Program = function* (ctx, what: string) {
  const [paid] = yield { all: [ctx.activity('pay', what)] };
  const [shipped] = yield { all: [ctx.activity('ship', what)] };
  return [paid, shipped];
};

async function failed(t: TestHost, workflowName: string, input?: unknown, instanceId = 'i'): Promise<void> {
  await t.settle();
  await t.workflows.start(workflowName, { instanceId, input });
  await t.settle();
  expect(await t.workflows.get(instanceId)).toMatchObject({ runtimeStatus: 'failed' });
}

async function typesOf(t: TestHost, instanceId = 'i'): Promise<string[]> {
  const { events } = await t.workflows.instance(instanceId).history();
  return events.map(({ type }) => type);
}

test('what failed runs again, what had succeeded does not', async () => {
  const shop = new Shop();
  await using t = await testHost();
  const worker = startWorker(t.host, { workflows: { order }, activities: shop.activities });
  await failed(t, 'order', 'book');
  const before = (await t.workflows.get('i'))!;
  shop.broken = false;
  await t.host.repeats.rewind('i', BODY);
  await t.settle();
  expect(await t.workflows.result('i')).toEqual(['book done', 'book done']);
  expect(shop.ran).toEqual(['pay book', 'ship book', 'ship book']);
  expect(await typesOf(t)).toEqual(
    [
      'WorkflowStarted',
      'TurnBegan',
      'ActivityScheduled',
      'TurnBegan',
      'ActivityCompleted',
      'TurnBegan',
      'MessageReceived',
      'ActivityScheduled',
      'TurnBegan',
      'ActivityCompleted',
      'WorkflowCompleted',
    ].toSpliced(5, 0, 'TurnBegan'),
  );
  const after = (await t.workflows.get('i'))!;
  expect(after.executionId).not.toBe(before.executionId);
  expect(after.createdAt).toEqual(before.createdAt);
  // The turn that rewinds has the end in its past, and nothing but the rewind is new.
  const rewinds = worker.turns.filter(({ past }) => past.some(({ type }) => type === 'WorkflowFailed'));
  expect(rewinds.map(({ past, events }) => [past.at(-1)?.type, events])).toEqual([
    ['WorkflowFailed', [expect.objectContaining({ type: 'MessageReceived', kind: 'executionRewound', body: BODY })]],
  ]);
});

test('only a failed instance of workers is rewound', async () => {
  const local = workflow('local', () => {
    throw new Error('no');
  });
  const waits: Program = function* () {
    return yield { event: 'go' };
  };
  await using t = await testHost({ workflows: [local] });
  startWorker(t.host, { workflows: { waits } });
  await failed(t, 'local');
  await t.workflows.start('waits', { instanceId: 'w' });
  await t.settle();
  const { repeats } = t.host;
  await expect(repeats.rewind('none', BODY)).rejects.toMatchObject({ code: 'instance_not_found' });
  await expect(repeats.rewind('i', BODY)).rejects.toThrow(/did not run on a worker/);
  await expect(repeats.rewind('w', BODY)).rejects.toThrow(/not in a failed state, but running/);
  await t.workflows.raiseEvent('w', 'go');
  await t.settle();
  await expect(repeats.rewind('w', BODY)).rejects.toMatchObject({ code: 'not_rewindable' });
});

test('without a worker the rewind waits; what comes meanwhile is met after it', async () => {
  const shop = new Shop();
  const waiting: Program = function* (ctx, what: string) {
    const shipped = yield* order(ctx, what as never);
    return [shipped, yield { event: 'thanks' }];
  };
  await using t = await testHost();
  const first = startWorker(t.host, { workflows: { waiting }, activities: shop.activities });
  await failed(t, 'waiting', 'book');
  first.close();
  shop.broken = false;
  await t.host.repeats.rewind('i', BODY);
  await t.workflows.raiseEvent('i', 'thanks', 'early');
  await t.advance('10m');
  const meanwhile = await t.workflows.get('i');
  expect(meanwhile).toMatchObject({ runtimeStatus: 'running' });
  expect(meanwhile).not.toHaveProperty('failure');
  expect(meanwhile).not.toHaveProperty('completedAt');
  await expect(t.host.repeats.rewind('i', BODY)).rejects.toThrow(/but running/);
  startWorker(t.host, { workflows: { waiting }, activities: shop.activities });
  await t.advance('10s');
  expect(await t.workflows.result('i')).toEqual([['book done', 'book done'], 'early']);
});

test('terminate wins over the turn that rewinds', async () => {
  const shop = new Shop();
  await using t = await testHost();
  const worker = startWorker(t.host, { workflows: { order }, activities: shop.activities });
  await failed(t, 'order', 'book');
  worker.hold();
  await t.host.repeats.rewind('i', BODY);
  await t.settle();
  await t.workflows.terminate('i', { output: 'enough', recursive: true });
  worker.release();
  await t.settle();
  expect(await t.workflows.get('i')).toMatchObject({ runtimeStatus: 'terminated', output: 'enough' });
  expect(shop.ran).toEqual(['pay book', 'ship book']);
});

test('a suspended instance is rewound when it is resumed', async () => {
  const shop = new Shop();
  await using t = await testHost();
  const worker = startWorker(t.host, { workflows: { order }, activities: shop.activities });
  await failed(t, 'order', 'book');
  shop.broken = false;
  worker.hold();
  await t.host.repeats.rewind('i', BODY);
  await t.settle();
  await t.workflows.suspend('i');
  worker.release();
  await t.settle();
  expect(await t.workflows.get('i')).toMatchObject({ runtimeStatus: 'suspended' });
  await t.workflows.resume('i');
  await t.settle();
  expect(await t.workflows.result('i')).toEqual(['book done', 'book done']);
});

test('timers, activities and events that were open at the failure are so again', async () => {
  const shop = new Shop();
  const wide: Program = function* (ctx) {
    const slow = ctx.activity('slow');
    const timer = ctx.timer(60_000);
    const [shipped] = yield { all: [ctx.activity('ship', 'book')] };
    const [late] = yield { all: [slow, timer] };
    return [shipped, late];
  };
  let slow = 0;
  await using t = await testHost();
  const activities = { ...shop.activities, slow: () => `slow ${++slow}` };
  const filters = { workflows: [], activities: [{ name: 'slow', versions: [] }], entities: [] };
  startWorker(t.host, {
    workflows: { wide },
    activities: shop.activities,
    filters: {
      workflows: [{ name: 'wide', versions: [] }],
      activities: [{ name: 'ship', versions: [] }],
      entities: [],
    },
  });
  // It is under way on this worker when the workflow fails, and its answer comes too late.
  const late = startWorker(t.host, { activities, filters });
  late.hold();
  await failed(t, 'wide');
  shop.broken = false;
  await t.host.repeats.rewind('i', BODY);
  await t.settle();
  late.release();
  await t.advance('30s');
  expect(await t.workflows.get('i')).toMatchObject({ runtimeStatus: 'running' });
  await t.advance('2m');
  const result = (await t.workflows.result('i')) as [string, string];
  expect(result[0]).toBe('book done');
  expect(result[1]).toMatch(/^slow \d$/);
});

const parent: Program = function* (ctx, what: string) {
  const [first] = yield { all: [ctx.activity('pay', `parent of ${what}`)] };
  const [child] = yield { all: [ctx.child('order', 'child', what)] };
  return [first, child];
};

test('a child that failed is rewound too, and tells the execution of its parent that there is now', async () => {
  const shop = new Shop();
  await using t = await testHost();
  startWorker(t.host, { workflows: { order, parent }, activities: shop.activities });
  await failed(t, 'parent', 'book');
  shop.broken = false;
  await t.host.repeats.rewind('i', BODY);
  await t.settle();
  expect(await t.workflows.result('i')).toEqual(['parent of book done', ['book done', 'book done']]);
  expect(shop.ran).toEqual(['pay parent of book', 'pay book', 'ship book', 'ship book']);
  expect((await t.host.stored.describe('child'))!.origin.parent).toMatchObject({
    instanceId: 'i',
    executionId: (await t.workflows.get('i'))!.executionId,
  });
});

test('a child that was purged is made anew', async () => {
  const shop = new Shop();
  await using t = await testHost();
  startWorker(t.host, { workflows: { order, parent }, activities: shop.activities });
  await failed(t, 'parent', 'book');
  await t.workflows.purge('child');
  shop.broken = false;
  await t.host.repeats.rewind('i', BODY);
  await t.settle();
  expect(await t.workflows.result('i')).toEqual(['parent of book done', ['book done', 'book done']]);
  expect(shop.ran).toEqual(['pay parent of book', 'pay book', 'ship book', 'pay book', 'ship book']);
});

test('children that did not fail are kept: one that has ended says so again, one that runs is waited for', async () => {
  const shop = new Shop();
  const child: Program = function* (_ctx, name: string) {
    const said: string = yield { event: 'go' };
    return `${name} ${said}`;
  };
  const both: Program = function* (ctx) {
    const ended = ctx.child('child', 'ended', 'a');
    const runs = ctx.child('child', 'runs', 'b');
    const terminated = ctx.child('child', 'terminated', 'c');
    yield { all: [ctx.activity('ship', 'book')] };
    const outputs: unknown = yield { all: [ended, runs] };
    try {
      yield { all: [terminated] };
    } catch (error) {
      return [outputs, (error as Error).message];
    }
    return 'unseen';
  };
  await using t = await testHost();
  startWorker(t.host, { workflows: { child, both }, activities: shop.activities });
  await failed(t, 'both');
  // The parent is not there to hear of it.
  await t.workflows.raiseEvent('ended', 'go', 'x');
  await t.workflows.terminate('terminated');
  await t.settle();
  shop.broken = false;
  await t.host.repeats.rewind('i', BODY);
  await t.settle();
  await t.workflows.raiseEvent('runs', 'go', 'y');
  await t.settle();
  expect(await t.workflows.result('i')).toEqual([['a x', 'b y'], expect.stringMatching(/terminated/)]);
});

test('a child of this language is not rewound: its failure is told again', async () => {
  let runs = 0;
  const local = workflow('local', () => {
    runs += 1;
    throw new Error('no');
  });
  const caller: Program = function* (ctx) {
    return yield { all: [ctx.child('local', 'child')] };
  };
  await using t = await testHost({ workflows: [local] });
  startWorker(t.host, { workflows: { caller } });
  await failed(t, 'caller');
  await t.host.repeats.rewind('i', BODY);
  await t.settle();
  expect(await t.workflows.get('i')).toMatchObject({ runtimeStatus: 'failed', failure: { message: 'no' } });
  expect(runs).toBe(1);
});

test('a parent that was told of a failure hears nothing more when only the child is rewound', async () => {
  const shop = new Shop();
  const careful: Program = function* (ctx, what: string) {
    let said = 'well';
    try {
      yield { all: [ctx.child('order', 'child', what)] };
    } catch (error) {
      said = (error as Error).message;
    }
    yield { event: 'go' };
    return said;
  };
  await using t = await testHost();
  const worker = startWorker(t.host, { workflows: { order, careful }, activities: shop.activities });
  await t.settle();
  await t.workflows.start('careful', { instanceId: 'i', input: 'book' });
  await t.settle();
  expect(await t.workflows.get('child')).toMatchObject({ runtimeStatus: 'failed' });
  shop.broken = false;
  await t.host.repeats.rewind('child', BODY);
  await t.settle();
  expect(await t.workflows.result('child')).toEqual(['book done', 'book done']);
  await t.workflows.raiseEvent('i', 'go');
  await t.settle();
  expect(await t.workflows.result('i')).toBe('no carrier');
  expect((await typesOf(t)).filter((type) => type.startsWith('Child'))).toEqual(['ChildScheduled', 'ChildFailed']);
  worker.close();
});

test('… nor when it could not be told then, and both ends wait for it', async () => {
  const shop = new Shop();
  const careful: Program = function* (ctx, what: string) {
    try {
      return yield { all: [ctx.child('order', 'child', what)] };
    } catch (error) {
      return (error as Error).message;
    }
  };
  const filters = (name: string) => ({
    workflows: [{ name, versions: [] }],
    activities: Object.keys(shop.activities).map((of) => ({ name: of, versions: [] })),
    entities: [],
  });
  await using t = await testHost();
  const parents = startWorker(t.host, {
    workflows: { careful },
    filters: { ...filters('careful'), activities: [], entities: [] },
  });
  const orders = { workflows: { order }, activities: shop.activities, filters: filters('order') };
  await t.settle();
  await t.workflows.start('careful', { instanceId: 'i', input: 'book', allowUnregistered: true });
  await t.settle();
  parents.close();
  await using next = await t.crash();
  startWorker(next.host, orders);
  await next.advance('10s');
  expect(await next.workflows.get('child')).toMatchObject({ runtimeStatus: 'failed' });
  shop.broken = false;
  await next.host.repeats.rewind('child', BODY);
  await next.advance('10s');
  expect(await next.workflows.get('child')).toMatchObject({ runtimeStatus: 'completed' });
  startWorker(next.host, { workflows: { careful }, filters: { ...filters('careful'), activities: [], entities: [] } });
  await next.advance('10s');
  expect(await next.workflows.result('i')).toBe('no carrier');
  expect((await typesOf(next)).filter((type) => type.startsWith('Child'))).toEqual(['ChildScheduled', 'ChildFailed']);
});

test('what could not be repaired fails again, and can be rewound again', async () => {
  const shop = new Shop();
  await using t = await testHost();
  startWorker(t.host, { workflows: { order }, activities: shop.activities });
  await failed(t, 'order', 'book');
  for (let time = 0; time < 3; time++) {
    await t.host.repeats.rewind('i', BODY);
    await t.settle();
    expect(await t.workflows.get('i')).toMatchObject({ runtimeStatus: 'failed', failure: { message: 'no carrier' } });
  }
  shop.broken = false;
  await t.host.repeats.rewind('i', BODY);
  await t.settle();
  expect(await t.workflows.result('i')).toEqual(['book done', 'book done']);
  expect(shop.ran.filter((line) => line === 'pay book')).toHaveLength(1);
});

test('an answer that is no rewind stalls the instance, and one that is wanted by nobody too', async () => {
  const shop = new Shop();
  await using t = await testHost();
  const worker = startWorker(t.host, { workflows: { order }, activities: shop.activities });
  await failed(t, 'order', 'book');
  worker.hold();
  const answers: readonly WorkerTurn[] = [
    { commands: [], outcome: undefined },
    { commands: [], outcome: { type: 'completed', output: 1 } },
    { commands: [], outcome: undefined, history: [] },
    { commands: [], outcome: undefined, history: [{ type: 'TurnBegan', at: 1 }] },
    {
      commands: [],
      outcome: undefined,
      history: [
        { type: 'WorkflowStarted', at: 1, name: 'order', input: undefined },
        { type: 'WorkflowFailed', at: 1, failure: { type: 'E', message: 'm' } },
      ],
    },
  ];
  await t.host.repeats.rewind('i', BODY);
  for (const answer of answers) {
    await t.settle();
    t.host.workers.completeTurn('i', '', answer);
    await t.settle();
    expect(await t.workflows.get('i')).toMatchObject({
      runtimeStatus: 'stalled',
      failure: { message: expect.stringMatching(/rewound|to rewind/) },
    });
    await t.workflows.suspend('i');
    await t.workflows.resume('i');
  }
  shop.broken = false;
  await t.settle();
  worker.release();
  await t.settle();
  expect(await t.workflows.result('i')).toEqual(['book done', 'book done']);

  worker.hold();
  await t.workflows.start('order', { instanceId: 'j', input: 'pen' });
  await t.settle();
  t.host.workers.completeTurn('j', '', {
    commands: [],
    outcome: undefined,
    history: [{ type: 'WorkflowStarted', at: 1, name: 'order', input: 'x' }],
  });
  await t.settle();
  expect(await t.workflows.get('j')).toMatchObject({ runtimeStatus: 'stalled' });
});

test('until its history is rewritten nothing of the failed execution runs, and its children fail in vain', async () => {
  const shop = new Shop();
  let slow = 0;
  const child: Program = function* (ctx, what: string) {
    yield { event: 'go' };
    const [shipped] = yield { all: [ctx.activity('ship', what)] };
    return shipped;
  };
  const wide: Program = function* (ctx) {
    const asked = [ctx.activity('slow'), ctx.child('child', 'late', 'pen')];
    yield { all: [ctx.activity('ship', 'book')] };
    return yield { all: asked };
  };
  const only = (workflows: string[], activities: string[]) => ({
    workflows: workflows.map((name) => ({ name, versions: [] })),
    activities: activities.map((name) => ({ name, versions: [] })),
    entities: [],
  });
  await using t = await testHost();
  const parents = startWorker(t.host, { workflows: { wide }, filters: only(['wide'], []) });
  startWorker(t.host, { workflows: { child }, activities: shop.activities, filters: only(['child'], ['ship']) });
  const slows = startWorker(t.host, { activities: { slow: () => `slow ${++slow}` }, filters: only([], ['slow']) });
  slows.hold();
  await failed(t, 'wide');
  parents.hold();
  await t.host.repeats.rewind('i', BODY);
  await t.settle();
  await t.workflows.raiseEvent('late', 'go');
  await t.settle();
  expect(await t.workflows.get('late')).toMatchObject({ runtimeStatus: 'failed' });
  // What was under way is given up, and not begun before the code is where it goes on from.
  const { token } = slows.attempts[0]!;
  expect(t.host.workers.completeActivity('i', 1, token, { ok: true, result: 'too late' })).toBe(false);
  expect(slows.attempts).toHaveLength(1);
  shop.broken = false;
  parents.release();
  slows.release();
  await t.settle();
  expect(slows.attempts).toHaveLength(2);
  expect(await t.workflows.result('i')).toEqual([expect.stringMatching(/^slow/), 'pen done']);
});

test('a recursive terminate reaches the children of one that is being rewound', async () => {
  const shop = new Shop();
  const child: Program = function* () {
    return yield { event: 'go' };
  };
  const parent: Program = function* (ctx) {
    ctx.child('child', 'child');
    yield { all: [ctx.activity('ship', 'book')] };
  };
  await using t = await testHost();
  const worker = startWorker(t.host, { workflows: { child, parent }, activities: shop.activities });
  await failed(t, 'parent');
  worker.hold();
  await t.host.repeats.rewind('i', BODY);
  await t.settle();
  await t.workflows.terminate('i', { recursive: true });
  await t.settle();
  expect(await t.workflows.get('child')).toMatchObject({ runtimeStatus: 'terminated' });
});

test('a child that had failed more than once under its number is waited for', async () => {
  let broken = true;
  const child: Program = function* (ctx) {
    yield { all: [ctx.timer(10)] };
    if (broken) throw new Error('no');
    return 'child done';
  };
  const parent: Program = function* (ctx) {
    return yield { all: [ctx.stubborn(() => ctx.child('child', 'c'), 2)] };
  };
  await using t = await testHost();
  startWorker(t.host, { workflows: { parent, child } });
  await t.settle();
  await t.workflows.start('parent', { instanceId: 'i' });
  await t.advance('5s');
  expect(await t.workflows.get('i')).toMatchObject({ runtimeStatus: 'failed' });
  broken = false;
  await t.host.repeats.rewind('i', BODY);
  await t.advance('5s');
  expect(await t.workflows.get('c')).toMatchObject({ runtimeStatus: 'completed' });
  expect(await t.workflows.get('i')).toMatchObject({ runtimeStatus: 'completed', output: ['child done'] });
});
