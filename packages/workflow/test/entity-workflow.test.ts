// What workflows that run on workers have to do with entities: calls, signals, locks.

import { expect, test } from 'vitest';
import { testHost, type TestHost } from '../src/testing.ts';
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
  await t.workflows.terminate('two');
  await t.workflows.purge('two');
  await t.settle();
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

test('messages between hosts that get lost are asked for again', async () => {
  await using cluster = new TestCluster();
  const a = await cluster.start('a', {});
  const b = await cluster.start('b', {});
  const worker = startWorker(b, { entities: { counter } });
  await cluster.advance(1_000);
  let lost = 0;
  cluster.loses = (call) => {
    if (!/a→b troupe\.entities\.(run|wait)|b→a reply/.test(call) || lost >= 6 || lost % 2 === 1) {
      lost += /troupe\.entities/.test(call) ? 1 : 0;
      return false;
    }
    lost += 1;
    return true;
  };
  for (let count = 0; count < 5; count++) {
    const signalled = a.entities.signal(A, 'add', { input: '1' });
    await cluster.advance(60_000);
    await signalled;
  }
  await cluster.advance(60_000);
  expect(await a.entities.get(A)).toMatchObject({ state: '5', backlog: 0 });
  expect(worker.batches.length).toBeGreaterThan(0);
  expect(lost).toBeGreaterThan(2);
});
