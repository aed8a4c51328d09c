// Activities that are run by another host than the one that owns their instance.

import { expect, test } from 'vitest';
import { activity, NonRetryableError, workflow, type ActivityContext } from '../src/index.ts';
import { deferred, failure, watch } from '../../actors/test/harness.ts';
import { TestCluster } from './cluster.ts';

/** An activity that notes where it runs and ends when it is told to. */
function held(name: string) {
  const runs: { host: string; ctx: ActivityContext; end(value?: unknown): void; fail(error: Error): void }[] = [];
  const on = (host: string) =>
    activity(name, (ctx) => {
      const ending = deferred<unknown>();
      runs.push({ host, ctx, end: ending.resolve, fail: ending.reject });
      return ending.promise;
    });
  return { runs, on, hosts: () => runs.map(({ host }) => host) };
}

const fan = workflow('fan', async (ctx, count: number) => {
  const all = Array.from({ length: count }, () => ctx.callActivity('work'));
  return (await Promise.all(all)).length;
});
const one = workflow('one', (ctx, retry: { maxAttempts: number } | undefined) =>
  ctx.callActivity('work', undefined, retry === undefined ? {} : { retry: { ...retry, initialIntervalMs: 10 } }),
);

test('activities go to hosts with free slots when the owner is full, and the rest waits where it can', async () => {
  await using cluster = new TestCluster();
  const work = held('work');
  const a = await cluster.start('a', { workflows: [fan], activities: [work.on('a')], activityConcurrency: 2 });
  await cluster.start('b', { activities: [work.on('b')], activityConcurrency: 3 });
  await cluster.start('c', { activities: [work.on('c')], activityConcurrency: 3 });
  const instance = await a.workflows.start(fan, { input: 12 });
  await cluster.advance(0);
  expect(work.hosts().toSorted()).toEqual(['a', 'a', 'b', 'b', 'b', 'c', 'c', 'c']);
  expect(a.status()).toMatchObject({ runningActivities: 2, waitingActivities: 4 });
  for (let ended = 0; ended < 12; ended++) {
    work.runs[ended]!.end();
    await cluster.advance(0);
  }
  expect(await instance.result()).toBe(12);
  expect(work.runs).toHaveLength(12);
  expect(cluster.warnings).toEqual([]);
});

test('hosts may be specialised: one has the workflow, another its activities', async () => {
  await using cluster = new TestCluster();
  const a = await cluster.start('a', { workflows: [fan] });
  const runs: string[] = [];
  const work = activity('work', (ctx) => void runs.push(ctx.idempotencyKey));
  await cluster.start('b', { activities: [work], activityConcurrency: 1 });
  const instance = await a.workflows.start(fan, { input: 5 });
  await cluster.advance(0);
  expect(await instance.result()).toBe(5);
  expect(new Set(runs).size).toBe(5);
  expect(runs).toHaveLength(5);
});

test('the retry policy of a definition that only the executor has holds, its function too', async () => {
  await using cluster = new TestCluster();
  const asked: number[] = [];
  let runs = 0;
  const work = activity(
    'work',
    () => {
      runs += 1;
      throw new RangeError(`${runs}`);
    },
    {
      retry: {
        maxAttempts: 9,
        initialIntervalMs: 10,
        retryIf: (_failure, attempt) => asked.push(attempt) < 3,
      },
    },
  );
  const a = await cluster.start('a', { workflows: [one] });
  await cluster.start('b', { activities: [work] });
  const instance = await a.workflows.start(one);
  await cluster.advance(60_000);
  expect((await instance.get())?.failure).toMatchObject({ type: 'RangeError', message: '3' });
  expect([runs, asked]).toEqual([3, [1, 2, 3]]);
  const own = await a.workflows.start(one, { input: { maxAttempts: 2 } });
  await cluster.advance(60_000);
  // The policy of the call wins, as on one host.
  expect([(await own.get())?.failure?.message, asked.length]).toEqual(['5', 3]);
});

test('what is not retryable is not retried from another host either', async () => {
  await using cluster = new TestCluster();
  let runs = 0;
  const a = await cluster.start('a', { workflows: [one] });
  const work = activity('work', () => {
    runs += 1;
    throw new NonRetryableError('no');
  });
  await cluster.start('b', { activities: [work] });
  const instance = await a.workflows.start(one, { input: { maxAttempts: 5 } });
  await cluster.advance(60_000);
  expect([runs, (await instance.get())?.failure?.type]).toEqual([1, 'NonRetryableError']);
});

test('an executor that dies: the same attempt goes to another, which finds the last heartbeat', async () => {
  await using cluster = new TestCluster();
  const work = held('work');
  const a = await cluster.start('a', { workflows: [one] });
  await cluster.start('b', { activities: [work.on('b')] });
  const instance = await a.workflows.start(one);
  await cluster.advance(0);
  work.runs[0]!.ctx.heartbeat({ row: 7 });
  await cluster.advance(6_000);
  await cluster.start('c', { activities: [work.on('c')] });
  cluster.kill('b');
  cluster.bury('b', 'a');
  await cluster.advance(0);
  expect(work.hosts()).toEqual(['b', 'c']);
  const [first, second] = work.runs.map(({ ctx }) => ctx);
  expect(second).toMatchObject({ attempt: 1, lastHeartbeat: { row: 7 }, idempotencyKey: first!.idempotencyKey });
  work.runs[1]!.end('done');
  await cluster.advance(0);
  expect(await instance.result()).toBe('done');
});

test('an executor that is silent for three beats is not waited for; one that is not, is', async () => {
  await using cluster = new TestCluster();
  const work = held('work');
  const a = await cluster.start('a', { workflows: [one] });
  await cluster.start('b', { activities: [work.on('b')] });
  await a.workflows.start(one, { instanceId: 'i' });
  await cluster.advance(120_000);
  expect(work.hosts()).toEqual(['b']);
  await cluster.start('c', { activities: [work.on('c')] });
  cluster.loses = (call) => call.startsWith('b→');
  await cluster.advance(10_000);
  expect(work.hosts()).toEqual(['b']);
  await cluster.advance(15_000);
  expect(work.hosts()).toEqual(['b', 'c']);
  work.runs[1]!.end('c');
  await cluster.advance(0);
  expect(await a.workflows.result('i')).toBe('c');
  // What the silent one says in the end is dropped, and taken off its hands.
  cluster.loses = () => false;
  work.runs[0]!.end('b');
  await cluster.advance(120_000);
  const before = cluster.calls.length;
  await cluster.advance(120_000);
  expect(cluster.calls.length).toBe(before);
  expect(await a.workflows.result('i')).toBe('c');
});

test('a message to run that got lost is made up for, and one whose answer got lost begins nothing twice', async () => {
  await using cluster = new TestCluster();
  const work = held('work');
  const a = await cluster.start('a', { workflows: [one] });
  await cluster.start('b', { activities: [work.on('b')] });
  cluster.loses = (call) => call.endsWith('activities.run');
  await a.workflows.start(one, { instanceId: 'lost' });
  await cluster.advance(1_000);
  expect(work.runs).toHaveLength(0);
  cluster.loses = () => false;
  await cluster.advance(60_000);
  expect(work.runs).toHaveLength(1);
  cluster.loses = (call) => call === 'b→a reply';
  await a.workflows.start(one, { instanceId: 'unanswered' });
  await cluster.advance(2_000);
  cluster.loses = () => false;
  await cluster.advance(120_000);
  expect(work.runs).toHaveLength(2);
  for (const run of work.runs) run.end('done');
  await cluster.advance(0);
  expect(await a.workflows.result('lost')).toBe('done');
  expect(await a.workflows.result('unanswered')).toBe('done');
});

test('terminate and continue-as-new reach a body on another host, also when the owner has just taken over', async () => {
  await using cluster = new TestCluster();
  const work = held('work');
  const again = workflow('again', async (ctx, round: number) => {
    if (round === 2) return 'ended';
    void ctx.callActivity('work');
    await ctx.waitForExternalEvent('on');
    ctx.continueAsNew(round + 1);
    return undefined;
  });
  const workflows = [one, again];
  const a = await cluster.start('a', { workflows });
  await cluster.start('b', { activities: [work.on('b')] });
  await a.workflows.start(one, { instanceId: 'i' });
  await a.workflows.start(again, { instanceId: 'j', input: 1 });
  await cluster.advance(0);
  await a.workflows.terminate('i');
  await a.workflows.raiseEvent('j', 'on');
  await cluster.advance(0);
  expect(work.runs.map(({ ctx }) => ctx.signal.aborted)).toEqual([true, true]);
  expect(await a.workflows.result('j')).toBe('ended');
  await a.workflows.start(one, { instanceId: 'k' });
  await cluster.advance(0);
  const c = await cluster.start('c', { workflows });
  cluster.take('k', 'c');
  await c.workflows.terminate('k');
  await cluster.advance(0);
  expect(work.runs[2]!.ctx.signal.aborted).toBe(true);
  work.runs[2]!.end('late');
  await cluster.advance(60_000);
  expect((await c.workflows.get('k'))?.runtimeStatus).toBe('terminated');
});

test('a new owner asks who has what is under way, and begins only what nobody has', async () => {
  await using cluster = new TestCluster();
  const work = held('work');
  const step = deferred<string>();
  let steps = 0;
  const mixed = workflow('mixed', async (ctx) =>
    Promise.all([
      ctx.callActivity('work'),
      ctx.callActivity('work'),
      ctx.step('s', () => ((steps += 1), step.promise)),
    ]),
  );
  const workflows = [mixed];
  const options = { workflows, activities: [work.on('a')], activityConcurrency: 3 };
  const a = await cluster.start('a', options);
  await cluster.start('b', { ...options, activities: [work.on('b')] });
  await cluster.start('c', { ...options, activities: [work.on('c')] });
  await a.workflows.start(mixed, { instanceId: 'i' });
  await cluster.advance(0);
  const before = work.hosts();
  cluster.take('i', 'b');
  await cluster.advance(1_000);
  expect(work.hosts()).toEqual(before);
  // And once more, to where one of them runs.
  cluster.take('i', 'c');
  await cluster.advance(30_000);
  expect([work.hosts(), steps]).toEqual([before, 1]);
  const ended = watch(cluster.host('b').workflows.result('i'));
  work.runs[0]!.end(1);
  work.runs[1]!.end(2);
  step.resolve('s');
  await cluster.advance(10_000);
  expect(ended.value).toEqual([1, 2, 's']);
  expect([work.runs.length, steps]).toEqual([2, 1]);
});

test('an owner that dies mid-activity: what ran there runs again, what ran elsewhere goes on', async () => {
  await using cluster = new TestCluster();
  const work = held('work');
  const options = { workflows: [fan], activityConcurrency: 1 };
  const a = await cluster.start('a', { ...options, activities: [work.on('a')] });
  const b = await cluster.start('b', { ...options, activities: [work.on('b')] });
  await a.workflows.start(fan, { instanceId: 'i', input: 2 });
  await cluster.advance(0);
  expect(work.hosts()).toEqual(['a', 'b']);
  cluster.kill('a');
  cluster.bury('a', 'b');
  await cluster.advance(5_000);
  work.runs[1]!.end();
  await cluster.advance(5_000);
  expect(work.hosts()).toEqual(['a', 'b', 'b']);
  work.runs[2]!.end();
  await cluster.advance(5_000);
  expect(await b.workflows.result('i')).toBe(2);
});

test('an executor that stops gives back what waits there, delivers what ends in time, and takes nothing more', async () => {
  await using cluster = new TestCluster();
  const work = held('work');
  const a = await cluster.start('a', { workflows: [fan] });
  const b = await cluster.start('b', { activities: [work.on('b')], activityConcurrency: 1 });
  const instance = await a.workflows.start(fan, { input: 3 });
  await cluster.advance(0);
  expect(work.hosts()).toEqual(['b']);
  await cluster.start('c', { activities: [work.on('c')], activityConcurrency: 2 });
  const stopped = watch(b.stop({ graceMs: 10_000 }));
  await cluster.advance(0);
  expect(work.hosts()).toEqual(['b', 'c', 'c']);
  work.runs[0]!.end();
  await cluster.advance(1_000);
  expect(stopped.state).toBe('done');
  work.runs[1]!.end();
  work.runs[2]!.end();
  await cluster.advance(0);
  expect(await instance.result()).toBe(3);
  expect(work.runs).toHaveLength(3);
});

test('a body that a stop aborts is begun again elsewhere, at once and in the same attempt', async () => {
  await using cluster = new TestCluster();
  const work = held('work');
  const a = await cluster.start('a', { workflows: [one] });
  const b = await cluster.start('b', { activities: [work.on('b')] });
  await a.workflows.start(one, { instanceId: 'i' });
  await cluster.advance(0);
  await cluster.start('c', { activities: [work.on('c')] });
  work.runs[0]!.ctx.signal.addEventListener('abort', () => work.runs[0]!.fail(new Error('aborted')));
  const stopped = watch(b.stop());
  await cluster.advance(100);
  expect([stopped.state, work.hosts(), work.runs[1]?.ctx.attempt]).toEqual(['done', ['b', 'c'], 1]);
  work.runs[1]!.end('done');
  await cluster.advance(0);
  expect(await a.workflows.result('i')).toBe('done');
});

test('an activity that nobody has waits a minute for a host that has it, and fails with the names of all', async () => {
  await using cluster = new TestCluster();
  const a = await cluster.start('a', { workflows: [one] });
  await cluster.start('b', { activities: [activity('worker', () => undefined)] });
  const late = await a.workflows.start(one);
  const lost = await a.workflows.start(one);
  await cluster.advance(59_000);
  expect((await late.get())?.runtimeStatus).toBe('running');
  await cluster.advance(2_000);
  expect((await lost.get())?.failure).toMatchObject({
    type: 'NotRegisteredError',
    message: expect.stringContaining('worker') as string,
  });
  const found = await a.workflows.start(one);
  await cluster.advance(59_000);
  await cluster.start('c', { activities: [activity('work', () => 'at last')] });
  await cluster.advance(0);
  expect(await found.result()).toBe('at last');
  expect(await failure(late.result())).toMatchObject({ name: 'WorkflowFailedError' });
});

test('an activity that loses the only host that has it waits a whole minute anew', async () => {
  await using cluster = new TestCluster();
  const work = held('work');
  const a = await cluster.start('a', { workflows: [one] });
  const instance = await a.workflows.start(one);
  await cluster.advance(1_000);
  await cluster.start('b', { activities: [work.on('b')] });
  await cluster.advance(2_000);
  expect(work.hosts()).toEqual(['b']);
  await cluster.advance(50_000);
  cluster.kill('b');
  cluster.bury('b', 'a');
  await cluster.advance(50_000);
  expect(await instance.get()).toMatchObject({ runtimeStatus: 'running' });
  await cluster.start('c', { activities: [work.on('c')] });
  await cluster.advance(2_000);
  expect(work.hosts()).toEqual(['b', 'c']);
  work.runs[1]!.end('done');
  await cluster.advance(0);
  expect(await instance.result()).toBe('done');
});
