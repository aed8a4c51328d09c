// What workflows that run on workers have to do with entities: calls, signals, locks.

import { expect, test } from 'vitest';
import { entityActor } from '../src/entities/entity-actor.ts';
import { testHost, type TestHost } from '../src/testing.ts';
import type { EntityItem } from '../src/worker.ts';
import { TestCluster } from './cluster.ts';
import { startWorker, type Operations, type Program } from './worker.ts';

const counter: Operations = {
  add: (ctx, amount: number) => (ctx.state = (ctx.state ?? 0) + amount),
  get: (ctx) => ctx.state ?? 0,
  fail: (ctx) => {
    ctx.state = -1;
    throw new Error('no such thing');
  },
};

const A = '@counter@a';
const B = '@counter@b';

const lockedBy = async ({ host }: Pick<TestHost, 'host'>, id: string): Promise<string | undefined> =>
  (await host.entities.list({ idPrefix: id, includeTransient: true })).entities[0]?.lockedBy;
const stateOf = async ({ host }: Pick<TestHost, 'host'>, id: string): Promise<string | undefined> =>
  (await host.entities.get(id))?.state;

const calls: Program = function* (ctx) {
  ctx.signal(A, 'add', 10);
  const [first] = yield { all: [ctx.call(A, 'add', 5)] };
  let failure: unknown;
  try {
    yield { all: [ctx.call(A, 'fail')] };
  } catch (error) {
    failure = (error as Error).message;
  }
  const [second] = yield { all: [ctx.call(A, 'get')] };
  return [first, failure, second];
};

/** Locks both, adds to both, waits for an event, gives them back unless it is told not to. */
const critical: Program = function* (ctx, amount: number) {
  const lock = ctx.lock(B, A);
  yield { all: [lock] };
  yield { all: [ctx.call(A, 'add', amount), ctx.call(B, 'add', amount)] };
  const end = yield { event: 'go' };
  if (end === 'fail') throw new Error('as told');
  if (end === 'again') ctx.continueAsNew(amount);
  else if (end !== 'keep') ctx.unlock(lock, A, B);
  return amount;
};

test('calls have results, signals are done before them', async () => {
  await using t = await testHost();
  startWorker(t.host, { workflows: { calls }, entities: { counter } });
  await t.settle();
  const instance = await t.workflows.start('calls', { instanceId: 'i' });
  await t.settle();
  expect(await instance.result()).toEqual([15, 'no such thing', 15]);
  const { events } = await instance.history();
  expect(events.filter(({ type }) => type.startsWith('Message')).map(({ type }) => type)).toEqual([
    'MessageSent',
    'MessageSent',
    'MessageReceived',
    'MessageSent',
    'MessageReceived',
    'MessageSent',
    'MessageReceived',
  ]);
});

test('a call waits for a worker, and whatever the host has acknowledged is there after it died', async () => {
  await using t = await testHost();
  const worker = startWorker(t.host, {
    workflows: { calls },
    entities: { counter },
    filters: { workflows: [{ name: 'calls', versions: [] }], activities: [], entities: [] },
  });
  await t.settle();
  await t.workflows.start('calls', { instanceId: 'i' });
  await t.advance('1h');
  expect(worker.batches).toEqual([]);
  expect(await t.workflows.get('i')).toMatchObject({ runtimeStatus: 'running' });
  await using next = await t.crash();
  startWorker(next.host, { workflows: { calls }, entities: { counter } });
  await next.advance('30s');
  expect(await next.workflows.result('i')).toEqual([15, 'no such thing', 15]);
});

test('the result of a call does not reach another execution, or an instance that has ended', async () => {
  const asks: Program = function* (ctx, round: number) {
    ctx.call(A, 'add', 1);
    yield { event: 'go' };
    if (round < 2) ctx.continueAsNew(round + 1);
    return round;
  };
  await using t = await testHost();
  const worker = startWorker(t.host, {
    workflows: { asks },
    filters: { workflows: [{ name: 'asks', versions: [] }], activities: [], entities: [] },
  });
  await t.settle();
  await t.workflows.start('asks', { instanceId: 'i', input: 1 });
  await t.settle();
  await t.workflows.raiseEvent('i', 'go');
  await t.settle();
  await t.workflows.terminate('i');
  const entities = startWorker(t.host, {
    entities: { counter },
    filters: { workflows: [], activities: [], entities: ['counter'] },
  });
  await t.advance('5s');
  expect(entities.batches.map(({ operations }) => operations.length)).toEqual([2]);
  expect(await stateOf(t, A)).toBe('2');
  expect(worker.turns).toHaveLength(3);
  expect((await t.workflows.history('i')).events.map(({ type }) => type)).not.toContain('MessageReceived');
});

test('a lock holds others back and is given on; its owner is let in', async () => {
  await using t = await testHost();
  startWorker(t.host, { workflows: { critical, calls }, entities: { counter } });
  await t.settle();
  await t.workflows.start('critical', { instanceId: 'one', input: 1 });
  await t.settle();
  expect([await lockedBy(t, A), await lockedBy(t, B)]).toEqual(['one', 'one']);
  await t.workflows.start('critical', { instanceId: 'two', input: 20 });
  await t.workflows.start('calls', { instanceId: 'three' });
  await t.host.entities.signal(B, 'add', { input: '300' });
  await t.settle();
  expect([await stateOf(t, A), await stateOf(t, B)]).toEqual(['1', '1']);
  await using next = await t.crash();
  startWorker(next.host, { workflows: { critical, calls }, entities: { counter } });
  await next.advance('5s');
  expect([await stateOf(next, A), await stateOf(next, B)]).toEqual(['1', '1']);
  await next.workflows.raiseEvent('one', 'go');
  await next.settle();
  expect([await lockedBy(next, A), await lockedBy(next, B)]).toEqual(['two', 'two']);
  expect([await stateOf(next, A), await stateOf(next, B)]).toEqual(['21', '321']);
  await next.workflows.raiseEvent('two', 'go');
  await next.advance('5s');
  expect(await next.workflows.result('three')).toEqual([36, 'no such thing', 36]);
  expect([await lockedBy(next, A), await lockedBy(next, B)]).toEqual([undefined, undefined]);
});

test.each([
  ['failed', (t: TestHost) => t.workflows.raiseEvent('one', 'go', 'fail')],
  ['completed', (t: TestHost) => t.workflows.raiseEvent('one', 'go', 'keep')],
  ['terminated', (t: TestHost) => t.workflows.terminate('one')],
])('what an instance had locked is free when it has %s', async (status, end) => {
  await using t = await testHost();
  startWorker(t.host, { workflows: { critical }, entities: { counter } });
  await t.settle();
  await t.workflows.start('critical', { instanceId: 'one', input: 1 });
  await t.settle();
  await end(t);
  await t.settle();
  expect(await t.workflows.get('one')).toMatchObject({ runtimeStatus: status });
  expect([await lockedBy(t, A), await lockedBy(t, B)]).toEqual([undefined, undefined]);
});

test('continue-as-new frees what the execution before had locked, and locks anew', async () => {
  await using t = await testHost();
  startWorker(t.host, { workflows: { critical }, entities: { counter } });
  await t.settle();
  await t.workflows.start('critical', { instanceId: 'one', input: 1 });
  await t.settle();
  await t.workflows.raiseEvent('one', 'go', 'again');
  await t.settle();
  expect(await stateOf(t, A)).toBe('2');
  await t.workflows.raiseEvent('one', 'go');
  await t.settle();
  expect(await t.workflows.result('one')).toBe(1);
  expect([await lockedBy(t, A), await lockedBy(t, B)]).toEqual([undefined, undefined]);
});

test('a lock that is granted to nobody is given back', async () => {
  await using t = await testHost();
  startWorker(t.host, { workflows: { critical }, entities: { counter } });
  await t.settle();
  await t.workflows.start('critical', { instanceId: 'one', input: 1 });
  await t.settle();
  await t.workflows.start('critical', { instanceId: 'two', input: 1 });
  await t.workflows.start('critical', { instanceId: 'three', input: 1 });
  await t.settle();
  // They wait for A, which is the first.
  expect((await t.host.entities.get(A))?.backlog).toBe(2);
  await t.workflows.terminate('two');
  await t.workflows.purge('two');
  await t.settle();
  expect((await t.host.entities.get(A))?.backlog).toBe(1);
  await t.workflows.raiseEvent('one', 'go');
  await t.settle();
  expect([await lockedBy(t, A), await lockedBy(t, B)]).toEqual(['three', 'three']);
  await t.workflows.raiseEvent('three', 'go');
  await t.settle();
  expect([await lockedBy(t, A), await lockedBy(t, B)]).toEqual([undefined, undefined]);
  expect(await stateOf(t, A)).toBe('2');
});

test('the worker may be connected to any of several hosts; owners may change and hosts die', async () => {
  await using cluster = new TestCluster();
  const a = await cluster.start('a', {});
  const b = await cluster.start('b', {});
  await cluster.start('c', {});
  const worker = startWorker(b, { workflows: { calls, critical }, entities: { counter } });
  await cluster.advance(1_000);
  for (let count = 0; count < 20; count++) {
    await a.entities.signal(`@counter@k${count}`, 'add', { input: '1' });
    await a.workflows.start('calls', { instanceId: `i${count}` });
  }
  await cluster.advance(30_000);
  for (let count = 0; count < 20; count++)
    expect(await a.workflows.get(`i${count}`)).toMatchObject({ runtimeStatus: 'completed' });
  expect(await a.entities.get(A)).toMatchObject({ state: `${15 * 20}` });

  // The answer is on its way when the owner changes: the batch is run again, its effect is there once.
  worker.hold();
  const signalled = a.entities.signal(A, 'add', { input: '7' });
  await cluster.advance(100);
  await signalled;
  cluster.takeEntity(A, 'c');
  await cluster.advance(20_000);
  worker.release();
  await cluster.advance(30_000);
  expect(await a.entities.get(A)).toMatchObject({ state: `${15 * 20 + 7}`, backlog: 0 });

  // The host of the worker dies with a batch.
  worker.hold();
  await a.entities.signal(A, 'add', { input: '100' });
  await cluster.advance(100);
  cluster.kill('b');
  cluster.bury('b', 'a');
  await cluster.advance(10_000);
  startWorker(cluster.host('c'), { workflows: { calls, critical }, entities: { counter } });
  await cluster.advance(40_000);
  expect(await a.entities.get(A)).toMatchObject({ state: `${15 * 20 + 107}`, backlog: 0 });
});

test('an answer that gets lost between hosts is asked for again, and the batch is not run again', async () => {
  await using cluster = new TestCluster();
  const a = await cluster.start('a', {});
  const b = await cluster.start('b', {});
  const worker = startWorker(b, { entities: { counter } });
  await cluster.advance(1_000);
  const losing = async (what: RegExp): Promise<void> => {
    let lost = 0;
    cluster.loses = (call) => {
      if (lost > 0 || !what.test(call)) return false;
      lost += 1;
      return true;
    };
    const before = worker.batches.length;
    await a.entities.signal(A, 'add', { input: '1' });
    await cluster.advance(60_000);
    expect([what.source, lost, worker.batches.length - before]).toEqual([what.source, 1, 1]);
  };
  await losing(/^a→b troupe\.entities\.run$/);
  await losing(/^b→a (?!call)/);
  // It takes long: the batch goes over once, and is asked about.
  cluster.loses = () => false;
  cluster.calls.length = 0;
  worker.hold();
  await a.entities.signal(A, 'add', { input: '1' });
  await cluster.advance(30_000);
  worker.release();
  await cluster.advance(10_000);
  const asked = cluster.calls.filter((call) => call.startsWith('a→b troupe.entities.'));
  expect(asked[0]).toBe('a→b troupe.entities.run');
  expect(new Set(asked.slice(1))).toEqual(new Set(['a→b troupe.entities.wait']));
  expect(await a.entities.get(A)).toMatchObject({ state: '3', backlog: 0 });
});

test('a batch whose entity has gone to another host, or whose owner has died, is taken back from its worker', async () => {
  await using cluster = new TestCluster();
  const a = await cluster.start('a', {});
  const b = await cluster.start('b', {});
  const c = await cluster.start('c', {});
  const items: EntityItem[] = [];
  b.workers.connect({
    filters: { workflows: [], activities: [], entities: ['counter'] },
    workflowsMax: 0,
    activitiesMax: 0,
    entitiesMax: 9,
    itemsMax: 9,
    keepsHistory: false,
    send: (item) => void items.push(item as EntityItem),
  });
  await cluster.advance(1_000);
  const B_KEY = '@counter@other';
  await a.entities.signal(A, 'add', { input: '1' });
  await a.entities.signal(B_KEY, 'add', { input: '1' });
  await cluster.advance(1_000);
  expect(items).toHaveLength(2);
  startWorker(c, { entities: { counter } });
  await cluster.advance(1_000);
  cluster.takeEntity(A, 'c');
  await cluster.advance(10_000);
  expect(await c.entities.get(A)).toMatchObject({ state: '1' });
  const batch = { results: [{ ok: true, output: undefined }], state: '7', actions: [] } as const;
  const [first, second] = [A, B_KEY].map((id) => items.find(({ entityId }) => entityId === id)!);
  expect(b.workers.completeEntity(first!.token, batch)).toBe(false);
  cluster.kill('a');
  cluster.bury('a', 'c');
  await cluster.advance(10_000);
  expect(await c.entities.get(B_KEY)).toMatchObject({ state: '1' });
  expect(b.workers.completeEntity(second!.token, batch)).toBe(false);
});

test('what was done while a lock kept others back is not done again after a crash', async () => {
  const owner: Program = function* (ctx) {
    const lock = ctx.lock(A);
    yield { all: [lock] };
    yield { event: 'go' };
    yield { all: [ctx.call(A, 'add', 1)] };
    yield { event: 'go' };
    yield { all: [ctx.call(A, 'add', 10)] };
    ctx.unlock(lock, A);
  };
  await using t = await testHost();
  startWorker(t.host, { workflows: { owner }, entities: { counter } });
  await t.settle();
  await t.workflows.start('owner', { instanceId: 'i' });
  await t.settle();
  await t.host.entities.signal(A, 'add', { input: '100' });
  await t.workflows.raiseEvent('i', 'go');
  await t.settle();
  expect(await stateOf(t, A)).toBe('1');
  await using next = await t.crash();
  startWorker(next.host, { workflows: { owner }, entities: { counter } });
  await next.advance('5s');
  expect(await stateOf(next, A)).toBe('1');
  await next.workflows.raiseEvent('i', 'go');
  await next.settle();
  expect(await stateOf(next, A)).toBe('111');
  await using last = await next.crash();
  startWorker(last.host, { entities: { counter } });
  await last.advance('5s');
  expect(await stateOf(last, A)).toBe('111');
});

test('locks that nobody gives back are found', async () => {
  await using t = await testHost();
  startWorker(t.host, { workflows: { critical }, entities: { counter } });
  await t.settle();
  await t.workflows.start('critical', { instanceId: 'one', input: 1 });
  await t.settle();
  const { executionId } = (await t.workflows.get('one'))!;
  const request = async (first: string, instanceId: string, of: string): Promise<void> => {
    const owner = { instanceId, executionId: of };
    const entity = t.host.actors.actor(entityActor(undefined as never), first);
    await entity.lock({ sectionId: 's', entityIds: [first, B], position: 0, owner });
    await t.settle();
  };
  // Their requests wait at B.
  await request('@counter@c', 'gone', 'x.1');
  await request('@counter@d', 'one', 'x.1');
  await request('@counter@e', 'one', executionId);
  const cleaned = await t.host.entities.clean({ removeEmpty: true, releaseOrphanedLocks: true });
  expect(cleaned).toEqual({ removed: 2, released: 2 });
  const { entities } = await t.host.entities.list({ includeTransient: true });
  expect(Object.fromEntries(entities.map(({ entityId, lockedBy: by }) => [entityId, by]))).toEqual({
    [A]: 'one',
    [B]: 'one',
    '@counter@e': 'one',
  });
  // What waits at B comes to its end as soon as B is free: it is granted to nobody, and given back.
  await t.workflows.raiseEvent('one', 'go', 'keep');
  await t.advance('1s');
  expect([await lockedBy(t, A), await lockedBy(t, B)]).toEqual([undefined, undefined]);
  // The execution did not know of this one.
  expect(await lockedBy(t, '@counter@e')).toBe('one');
  expect(await t.host.entities.clean({ removeEmpty: false, releaseOrphanedLocks: true })).toMatchObject({
    released: 1,
  });
  expect((await t.workflows.list()).instances).toHaveLength(1);
});
