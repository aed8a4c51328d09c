import { expect, test } from 'vitest';
import { workflow, type WorkflowClient } from '../src/index.ts';
import { testHost, type TestHost } from '../src/testing.ts';

const approval = workflow('approval', async (ctx) => {
  const first = await ctx.waitForExternalEvent('a');
  await ctx.callActivity('job', first);
  return [first, await ctx.waitForExternalEvent('b')];
});
let stuck = true;
const stall = workflow('stall', async (ctx) => {
  await ctx.step('s', () => 1, { undo: () => new Promise<void>(() => {}) });
  if (stuck) await new Promise(() => {});
  return [await ctx.waitForExternalEvent('a'), await ctx.waitForExternalEvent('b')];
});
const fakes = { job: (input: unknown) => input };

/** How an instance gets into each state that is not terminal. */
const states: Record<string, (t: TestHost) => Promise<unknown>> = {
  'pending, scheduled for later': (t) =>
    t.workflows.start(approval, { instanceId: 'i', startAt: new Date(t.clock.nowMs() + 3_600_000) }),
  'pending, without code': (t) => t.workflows.start('unknown', { instanceId: 'i', allowUnregistered: true }),
  running: (t) => t.workflows.start(approval, { instanceId: 'i' }),
  suspended: async (t) => (await t.workflows.start(approval, { instanceId: 'i' })).suspend(),
  stalled: (t) => t.workflows.start(stall, { instanceId: 'i' }),
  undoing: async (t) => {
    stuck = false;
    const instance = await t.workflows.start(stall, { instanceId: 'i' });
    await t.settle();
    await instance.terminate({ undo: true });
  },
};

async function inState(state: string): Promise<TestHost> {
  stuck = true;
  const t = await testHost({ workflows: [approval, stall], fakes });
  await states[state]!(t);
  await t.settle();
  return t;
}

test.each(Object.keys(states))('terminate works in state %s, alive and after a crash', async (state) => {
  for (const crash of [false, true]) {
    let t = await inState(state);
    if (crash) t = await t.crash();
    await t.workflows.terminate('i', { output: { why: 'test' } });
    expect(await t.workflows.get('i')).toMatchObject({ runtimeStatus: 'terminated', output: { why: 'test' } });
    await expect(t.workflows.result('i')).rejects.toMatchObject({
      name: 'WorkflowTerminatedError',
      output: { why: 'test' },
    });
    expect(await t.workflows.count()).toEqual({ terminated: 1 });
    for (const call of [
      () => t.workflows.terminate('i'),
      () => t.workflows.suspend('i'),
      () => t.workflows.resume('i'),
      () => t.workflows.raiseEvent('i', 'a'),
    ]) {
      await expect(call()).rejects.toMatchObject({ name: 'InstanceEndedError', status: 'terminated' });
    }
    await t[Symbol.asyncDispose]();
  }
});

test.each(Object.keys(states))('suspend and resume, each twice, work in state %s', async (state) => {
  await using t = await inState(state);
  const found = (await t.workflows.get('i'))!.runtimeStatus;
  const before = found === 'suspended' ? 'running' : found;
  for (const _ of [1, 2]) {
    await t.workflows.suspend('i');
    expect((await t.workflows.get('i'))?.runtimeStatus).toBe('suspended');
    expect(await t.workflows.count()).toEqual({ suspended: 1 });
  }
  for (const _ of [1, 2]) {
    await t.workflows.resume('i');
    await t.settle();
    expect((await t.workflows.get('i'))?.runtimeStatus).toBe(before);
    expect(await t.workflows.count()).toEqual({ [before]: 1 });
  }
});

test.each(['pending, scheduled for later', 'running', 'suspended', 'stalled'])(
  'events raised in state %s are met in order once it goes on',
  async (state) => {
    let t = await inState(state);
    await t.workflows.raiseEvent('i', 'b', 2);
    await t.workflows.suspend('i');
    await t.workflows.raiseEvent('i', 'a', 1);
    t = await t.crash();
    await t.advance('2h');
    expect((await t.workflows.get('i'))?.runtimeStatus).toBe('suspended');
    stuck = false;
    await t.workflows.resume('i');
    await t.settle();
    expect(await t.workflows.result('i')).toEqual([1, 2]);
    expect((await t.workflows.get('i'))?.input).toBeUndefined();
    await t[Symbol.asyncDispose]();
  },
);

test('while suspended activities end, timers fire and retries come due; all of it is met on resume', async () => {
  const w = workflow('w', async (ctx) => {
    const retried = ctx.callActivity('flaky', 1, { retry: { maxAttempts: 3, initialIntervalMs: 1_000, jitter: 0 } });
    return [await retried, await ctx.createTimer(0), ctx.isReplaying];
  });
  await using t = await testHost({
    workflows: [w],
    fakes: {
      flaky: (_, { attempt }) => {
        if (attempt < 3) throw new Error('flaky');
        return attempt;
      },
    },
  });
  const instance = await t.workflows.start(w, { instanceId: 'i' });
  await t.settle();
  await instance.suspend();
  await t.advance('1h');
  expect(t.executions.get('flaky')).toBe(1);
  await instance.resume();
  await t.advance('2s');
  expect(await instance.result()).toEqual([3, undefined, false]);
});

test('an input is shown also when the instance was suspended before it began', async () => {
  const w = workflow('w', async (ctx, input: string) => [input, await ctx.waitForExternalEvent('a')]);
  let t = await testHost({ workflows: [w] });
  await t.workflows.start(w, { instanceId: 'i', input: 'in', startAt: new Date(t.clock.nowMs() + 1_000) });
  await t.workflows.suspend('i');
  await t.workflows.resume('i');
  await t.advance('1s');
  t = await t.crash();
  expect(await t.workflows.get('i')).toMatchObject({ input: 'in', runtimeStatus: 'running' });
  await t[Symbol.asyncDispose]();
});

test('code that comes later takes up what waits: starts without code, stalled ones, running ones of a missing version', async () => {
  const waits = workflow('waits', async (ctx) => [await ctx.waitForExternalEvent('a'), await ctx.createTimer(1_000)]);
  let t = await testHost({ workflows: [waits] });
  await t.workflows.start('waits', { instanceId: 'running' });
  t = await t.crash({ workflows: [] });
  await t.workflows.start('waits', { instanceId: 'pending', allowUnregistered: true });
  for (const id of ['running', 'pending']) await t.workflows.raiseEvent(id, 'a', id);
  expect(await t.workflows.get('running')).toMatchObject({
    runtimeStatus: 'stalled',
    failure: { type: 'NotRegisteredError' },
  });
  expect((await t.workflows.get('pending'))?.runtimeStatus).toBe('pending');
  t = await t.crash({ workflows: [waits] });
  await t.advance('2s');
  expect(await t.workflows.result('running')).toEqual(['running', undefined]);
  expect(await t.workflows.result('pending')).toEqual(['pending', undefined]);
  expect((await t.workflows.get('pending'))?.version).toBe('1');
  expect(await t.workflows.count()).toEqual({ completed: 2 });
  await t[Symbol.asyncDispose]();
});

test('purge: only what has ended, unless forced; twice is not found; the id can be born again while old results arrive', async () => {
  let finish!: (value: string) => void;
  let runs = 0;
  const w = workflow('w', (ctx) => ctx.callActivity('slow'));
  await using t = await testHost({
    workflows: [w],
    fakes: { slow: () => (++runs === 1 ? new Promise((resolve) => (finish = resolve)) : 'new') },
  });
  await t.workflows.start(w, { instanceId: 'i' });
  await t.settle();
  await expect(t.workflows.purge('i')).rejects.toMatchObject({ name: 'InstanceNotEndedError', status: 'running' });
  await t.workflows.purge('i', { force: true });
  expect(await t.workflows.get('i')).toBeUndefined();
  expect((await t.workflows.list()).instances).toEqual([]);
  await expect(t.workflows.purge('i')).rejects.toMatchObject({ name: 'InstanceNotFoundError' });
  const reborn = await t.workflows.start(w, { instanceId: 'i' });
  finish('old');
  expect(await reborn.result()).toBe('new');
});

test('retention by how it ended: the instance goes with its children, and waits for those that run', async () => {
  const kid = workflow('kid', (ctx) => ctx.waitForExternalEvent('go'));
  const w = workflow('w', { retention: { completed: 60_000, failed: 0 } }, async (ctx, input: string) => {
    if (input === 'fail') throw new Error('no');
    void ctx.callChildWorkflow(kid, undefined, { instanceId: 'kid' });
    await ctx.createTimer(1);
  });
  await using t = await testHost({ workflows: [w, kid] });
  await t.workflows.start(w, { instanceId: 'failed', input: 'fail' });
  await t.workflows.start(w, { instanceId: 'done', input: '' });
  const stopped = await t.workflows.start(w, {
    instanceId: 'stopped',
    startAt: new Date(t.clock.nowMs() + 1e6),
    input: '',
  });
  await stopped.terminate();
  await t.advance('2m');
  expect((await t.workflows.list()).instances.map(({ instanceId }) => instanceId).sort()).toEqual([
    'done',
    'kid',
    'stopped',
  ]);
  await t.workflows.raiseEvent('kid', 'go');
  await t.advance('2m');
  expect((await t.workflows.list()).instances.map(({ instanceId }) => instanceId)).toEqual(['stopped']);
});

test('calls on what is not there, or is of another workflow, find nothing', async () => {
  await using t = await inState('running');
  const calls: ((workflows: WorkflowClient, id: string, workflowName?: string) => Promise<unknown>)[] = [
    (w, id, workflowName) => w.raiseEvent(id, 'a', 1, { workflowName }),
    (w, id, workflowName) => w.suspend(id, { workflowName }),
    (w, id, workflowName) => w.resume(id, { workflowName }),
    (w, id, workflowName) => w.terminate(id, { workflowName }),
    (w, id, workflowName) => w.purge(id, { workflowName, force: true }),
    (w, id, workflowName) => w.result(id, { workflowName }),
    (w, id, workflowName) => w.history(id, { workflowName }),
  ];
  for (const call of calls) {
    await expect(call(t.workflows, 'nobody')).rejects.toMatchObject({ name: 'InstanceNotFoundError' });
    if (call !== calls[5])
      await expect(call(t.workflows, 'i', 'other')).rejects.toMatchObject({ name: 'InstanceNotFoundError' });
  }
  expect((await t.workflows.get('i'))?.runtimeStatus).toBe('running');
});
