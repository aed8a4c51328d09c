// Entities, which workers of other languages run.

import { LimitError } from '@troupe/actors';
import { expect, test } from 'vitest';
import { testHost, type TestHost } from '../src/testing.ts';
import { startWorker, type Operations, type Program } from './worker.ts';

const counter: Operations = {
  add: (ctx, amount: number) => (ctx.state = (ctx.state ?? 0) + amount),
  get: (ctx) => ctx.state ?? 0,
  fail: (ctx) => {
    ctx.state = -1;
    throw new Error('no such thing');
  },
  delete: (ctx) => void (ctx.state = undefined),
  forward: (ctx, to: string) => ctx.signal(to, 'add', ctx.state),
  begin: (ctx, instanceId: string) => ctx.start('greet', instanceId, ctx.state),
};

const stateOf = async ({ host }: TestHost, id: string): Promise<string | undefined> =>
  (await host.entities.get(id))?.state;

test('signals are run in their order, whatever the case of the name', async () => {
  await using t = await testHost();
  startWorker(t.host, { entities: { counter } });
  await t.settle();
  for (const amount of [1, 2, 3]) await t.host.entities.signal('@Counter@a', 'add', { input: `${amount}` });
  await t.settle();
  expect(await t.host.entities.get('@counter@a')).toMatchObject({
    entityId: '@counter@a',
    state: '6',
    backlog: 0,
    lockedBy: undefined,
  });
  expect(await t.host.entities.get('@counter@A')).toBeUndefined();
  await expect(t.host.entities.signal('counter', 'add')).rejects.toThrow('@name@key');
});

test('what comes while a batch is out goes into the next one', async () => {
  await using t = await testHost();
  const worker = startWorker(t.host, { entities: { counter } });
  await t.settle();
  worker.hold();
  for (let count = 0; count < 600; count++) await t.host.entities.signal('@counter@a', 'add', { input: '1' });
  await t.settle();
  expect(worker.batches.map(({ operations }) => operations.length)).toEqual([1]);
  expect(await t.host.entities.list({ includeTransient: true })).toMatchObject({ entities: [{ backlog: 600 }] });
  worker.release();
  await t.settle();
  expect(worker.batches.map(({ operations }) => operations.length)).toEqual([1, 256, 256, 87]);
  expect(await stateOf(t, '@counter@a')).toBe('600');
});

test('the same signal under the same id is taken once', async () => {
  await using t = await testHost();
  startWorker(t.host, { entities: { counter } });
  for (let count = 0; count < 3; count++)
    await t.host.entities.signal('@counter@a', 'add', { input: '1', requestId: 'r' });
  await t.settle();
  await using next = await t.crash();
  startWorker(next.host, { entities: { counter } });
  await next.host.entities.signal('@counter@a', 'add', { input: '1', requestId: 'r' });
  await next.settle();
  expect(await stateOf(next, '@counter@a')).toBe('1');
});

test('a signal waits for its time, also through a crash', async () => {
  await using t = await testHost();
  startWorker(t.host, { entities: { counter } });
  const inAnHour = new Date(t.clock.nowMs() + 3_600_000);
  await t.host.entities.signal('@counter@a', 'add', { input: '10', scheduledAt: inAnHour });
  await t.host.entities.signal('@counter@a', 'add', { input: '5', scheduledAt: new Date(inAnHour.getTime() - 60_000) });
  await t.host.entities.signal('@counter@a', 'add', { input: '1', scheduledAt: new Date(0) });
  await t.advance('58m');
  expect(await stateOf(t, '@counter@a')).toBe('1');
  await using next = await t.crash();
  startWorker(next.host, { entities: { counter } });
  await next.advance('1m');
  expect(await stateOf(next, '@counter@a')).toBe('6');
  await next.advance('1m');
  expect(await stateOf(next, '@counter@a')).toBe('16');
});

test('without a worker that has it an entity waits; another kind of worker is given nothing of it', async () => {
  await using t = await testHost();
  const other = startWorker(t.host, {
    entities: { counter },
    filters: { workflows: [], activities: [], entities: ['other'] },
  });
  await t.host.entities.signal('@counter@a', 'add', { input: '1' });
  await t.advance('1h');
  expect(other.batches).toEqual([]);
  await using next = await t.crash();
  await next.advance('10m');
  startWorker(next.host, { entities: { counter }, filters: { workflows: [], activities: [], entities: ['counter'] } });
  await next.advance('5s');
  expect(await stateOf(next, '@counter@a')).toBe('1');
});

test('a batch that was out when the host died has its effect once', async () => {
  await using t = await testHost();
  const worker = startWorker(t.host, { entities: { counter } });
  await t.host.entities.signal('@counter@a', 'add', { input: '1' });
  await t.settle();
  worker.hold();
  await t.host.entities.signal('@counter@a', 'add', { input: '2' });
  await t.host.entities.signal('@counter@a', 'add', { input: '4' });
  await t.settle();
  await using next = await t.crash();
  const again = startWorker(next.host, { entities: { counter } });
  await next.settle();
  expect(again.batches.map(({ state, operations }) => [state, operations.length])).toEqual([['1', 2]]);
  expect(await stateOf(next, '@counter@a')).toBe('7');
  worker.release();
  await next.settle();
  expect(await stateOf(next, '@counter@a')).toBe('7');
});

test('a worker that goes with a batch: another one is given it', async () => {
  await using t = await testHost();
  const first = startWorker(t.host, { entities: { counter } });
  await t.settle();
  first.hold();
  await t.host.entities.signal('@counter@a', 'add', { input: '1' });
  await t.settle();
  first.close();
  await t.settle();
  first.release();
  await t.advance('5s');
  expect(await stateOf(t, '@counter@a')).toBeUndefined();
  startWorker(t.host, { entities: { counter } });
  await t.advance('5s');
  expect(await stateOf(t, '@counter@a')).toBe('1');
});

test('a batch that could not be run is given out again, and what has no result of one that was', async () => {
  await using t = await testHost();
  const sent: string[] = [];
  t.host.workers.connect({
    filters: undefined,
    workflowsMax: 0,
    activitiesMax: 0,
    entitiesMax: 1,
    itemsMax: 1,
    keepsHistory: false,
    send: (item) => {
      if (item.kind !== 'entity') return;
      const results = item.operations.slice(0, 2).map(() => ({ ok: true, output: undefined }) as const);
      sent.push(`${item.state}: ${item.operations.map(({ input }) => input).join()}`);
      const { length } = sent;
      queueMicrotask(() => {
        const failed = length === 2 ? { type: 'Worker', message: 'out of memory' } : undefined;
        const state = item.operations[results.length - 1]!.input;
        expect(t.host.workers.completeEntity(item.token, { results, state, actions: [], failed })).toBe(true);
        expect(t.host.workers.completeEntity(item.token, { results, state, actions: [] })).toBe(false);
      });
    },
  });
  for (const input of ['1', '2', '3', '4']) await t.host.entities.signal('@counter@a', 'add', { input });
  await t.settle();
  await t.advance('1s');
  expect(sent).toEqual(['undefined: 1', '1: 2', '1: 2,3,4', '3: 4']);
  expect(await stateOf(t, '@counter@a')).toBe('4');
});

test('an entity signals others and starts workflows', async () => {
  await using t = await testHost();
  const greet: Program = function* (_, input: number) {
    yield* [];
    return `got ${input}`;
  };
  startWorker(t.host, { entities: { counter }, workflows: { greet } });
  await t.host.entities.signal('@counter@a', 'add', { input: '5' });
  await t.host.entities.signal('@counter@a', 'forward', { input: '"@COUNTER@b"' });
  await t.host.entities.signal('@counter@a', 'forward', { input: '"nobody"' });
  await t.host.entities.signal('@counter@a', 'begin', { input: '"i"' });
  await t.host.entities.signal('@counter@a', 'begin', { input: '""' });
  await t.advance('1s');
  expect(await stateOf(t, '@counter@b')).toBe('5');
  expect(await t.workflows.result('i')).toBe('got 5');
  const { instances } = await t.workflows.list();
  expect(instances.map(({ runtimeStatus }) => runtimeStatus)).toEqual(['completed', 'completed']);
});

test('entities are listed by what their ids begin with and by when they changed', async () => {
  await using t = await testHost();
  startWorker(t.host, { entities: { counter, other: counter } });
  for (const key of ['a', 'b', 'c']) {
    await t.host.entities.signal(`@counter@${key}`, 'add', { input: '1' });
    await t.host.entities.signal(`@other@${key}`, 'add', { input: '1' });
    await t.advance('1m');
  }
  await t.host.entities.signal('@counter@a', 'delete');
  await t.settle();
  const ids = async (query: Parameters<typeof t.host.entities.list>[0]): Promise<string[]> =>
    (await t.host.entities.list(query)).entities.map(({ entityId }) => entityId);
  expect(await ids({ idPrefix: '@Counter' })).toEqual(['@counter@c', '@counter@b']);
  expect(await ids({ idPrefix: '@COUNTER@', includeTransient: true })).toHaveLength(3);
  expect(await ids({ modifiedFrom: new Date(t.clock.nowMs() - 90_000) })).toEqual(['@counter@c', '@other@c']);
  expect(await ids({ modifiedTo: new Date(t.clock.nowMs() - 150_000) })).toEqual(['@other@a']);
  const paged: string[] = [];
  let cursor: string | undefined;
  do {
    const page = await t.host.entities.list({ limit: 2, cursor });
    expect(page.entities.length).toBeLessThanOrEqual(2);
    paged.push(...page.entities.map(({ entityId }) => entityId));
    ({ cursor } = page);
  } while (cursor !== undefined);
  expect(paged.sort()).toEqual(['@counter@b', '@counter@c', '@other@a', '@other@b', '@other@c']);
  expect(await t.host.entities.clean({ removeEmpty: true, releaseOrphanedLocks: false })).toEqual({
    removed: 1,
    released: 0,
  });
  expect(await ids({ includeTransient: true })).toHaveLength(5);
  await t.host.entities.signal('@counter@a', 'add', { input: '3' });
  await t.settle();
  expect(await stateOf(t, '@counter@a')).toBe('3');
});

test('so many signals may wait and no more; one that was refused is taken under the same id when there is room', async () => {
  await using t = await testHost();
  const signal = (requestId: string): Promise<void> =>
    t.host.entities.signal('@counter@a', 'add', { input: '1', requestId });
  await Promise.all(Array.from({ length: 10_000 }, (_, index) => signal(`r${index}`)));
  await expect(signal('late')).rejects.toThrow(LimitError);
  startWorker(t.host, { entities: { counter } });
  for (let round = 0; round < 10; round++) await t.advance('1s');
  expect(await stateOf(t, '@counter@a')).toBe('10000');
  await signal('late');
  await t.settle();
  expect(await stateOf(t, '@counter@a')).toBe('10001');
});

test('what an entity cannot record fails its operations, and what nobody can do is left undone', async () => {
  const heap: Operations = {
    grow: (ctx, length: number) => {
      ctx.state = 'x'.repeat(length);
      ctx.signal('@heap@b', 'grow', 1);
      return 'grown';
    },
    beginNobody: (ctx) => ctx.start('', 'nameless'),
  };
  const caller: Program = function* (ctx, length: number) {
    return yield { all: [ctx.call('@heap@a', 'grow', length)] };
  };
  await using t = await testHost();
  startWorker(t.host, { entities: { heap }, workflows: { caller } });
  await t.settle();
  await t.workflows.start('caller', { instanceId: 'i', input: 70 * 1024 * 1024 });
  await t.advance('1m');
  expect(await t.workflows.get('i')).toMatchObject({
    runtimeStatus: 'failed',
    failure: { message: expect.stringContaining('larger than') },
  });
  expect(await t.host.entities.get('@heap@b')).toBeUndefined();
  await t.host.entities.signal('@heap@a', 'beginNobody');
  await t.workflows.start('caller', { instanceId: 'j', input: 3 });
  await t.advance('1m');
  expect(await t.workflows.result('j')).toEqual(['grown']);
  expect(await stateOf(t, '@heap@a')).toBe('"xxx"');
  expect(await t.workflows.get('nameless')).toBeUndefined();
});
