// Workflows whose code other hosts have than the one that owns the instance.

import type { StandardSchemaV1 } from '@standard-schema/spec';
import { LocalNetwork, MemoryStore } from '@troupe/actors';
import { ManualClock } from '@troupe/actors/testing';
import { expect, test } from 'vitest';
import {
  activity,
  event,
  NotRegisteredError,
  startHost,
  ValidationError,
  workflow,
  type Schema,
} from '../src/index.ts';
import { readAnnouncement } from '../src/announcement.ts';
import { deferred, failure, watch } from '../../actors/test/harness.ts';
import { TestCluster } from './cluster.ts';

const echo = activity('echo', (_ctx, value: unknown) => value);

/** A schema of numbers, which makes them one more. */
const number: Schema<unknown, number> = {
  '~standard': {
    version: 1,
    vendor: 'test',
    validate: (value): StandardSchemaV1.Result<number> =>
      typeof value === 'number' ? { value: value + 1 } : { issues: [{ message: 'not a number', path: ['n'] }] },
  },
};

const child = workflow('child', async (ctx, name: string) => `child ${String(await ctx.callActivity(echo, name))}`);

/** Does everything that a workflow can do. */
const everything = workflow('everything', async (ctx, round: number) => {
  const steps: unknown[] = [await ctx.step('step', () => `step ${round}`)];
  steps.push(await ctx.callActivity(echo, { round }));
  ctx.setCustomStatus(`round ${round}`);
  await ctx.createTimer(1_000);
  steps.push(await ctx.callChildWorkflow(child, `of ${round}`));
  const [event] = await Promise.all([ctx.waitForExternalEvent('go'), ctx.callActivity(echo, 1)]);
  steps.push(event);
  if (round === 1) {
    ctx.continueAsNew(2);
    return undefined;
  }
  return steps;
});

test('a workflow that only another host has: steps, activities, timers, children, events, continue-as-new', async () => {
  await using cluster = new TestCluster();
  const a = await cluster.start('a', {});
  await cluster.start('b', { workflows: [everything, child], activities: [echo] });
  const instance = await a.workflows.start('everything', { instanceId: 'i', input: 1 });
  await cluster.advance(2_000);
  expect(await instance.get()).toMatchObject({
    runtimeStatus: 'running',
    version: '1',
    input: 1,
    customStatus: 'round 1',
  });
  await instance.raiseEvent('go', 'first');
  await instance.raiseEvent('go', 'second');
  await cluster.advance(5_000);
  expect(await instance.result()).toEqual(['step 2', { round: 2 }, 'child of 2', 'second']);
  const { events } = await instance.history();
  expect(events.map(({ type }) => type).filter((type) => type.startsWith('Workflow'))).toEqual([
    'WorkflowStarted',
    'WorkflowCompleted',
  ]);
  expect(cluster.warnings).toEqual([]);
});

test('a start of what no live host has is refused with the names of all; of what another has, taken', async () => {
  await using cluster = new TestCluster();
  const a = await cluster.start('a', { workflows: [child] });
  await cluster.start('b', { workflows: [workflow('order', { version: '2' }, () => 'two')] });
  const refused = await failure(a.workflows.start('ordr'));
  expect(refused).toBeInstanceOf(NotRegisteredError);
  expect((refused as NotRegisteredError).nearest[0]).toBe('order');
  expect((await failure(a.workflows.start('order', { version: '3' }))).message).toContain('order 2');
  const instance = await a.workflows.start('order');
  await cluster.advance(0);
  expect(await instance.result()).toBe('two');
  cluster.kill('b');
  cluster.bury('b', 'a');
  expect(await failure(a.workflows.start('order'))).toBeInstanceOf(NotRegisteredError);
});

test('inputs, events and outputs are checked where the schemas are, and the caller hears of it', async () => {
  await using cluster = new TestCluster();
  const checked = workflow(
    'checked',
    { input: number, output: number, events: { n: event(number) } },
    async (ctx, n) => {
      const more = await ctx.waitForExternalEvent('n');
      return n === 100 ? ('not a number' as unknown as number) : n + more;
    },
  );
  const parent = workflow('parent', (ctx) =>
    ctx.callChildWorkflow('checked', 'no number').catch((error: Error) => error.message),
  );
  const a = await cluster.start('a', { workflows: [parent] });
  await cluster.start('b', { workflows: [checked] });
  const refused = await failure(a.workflows.start('checked', { input: 'x' }));
  expect(refused).toBeInstanceOf(ValidationError);
  expect((refused as ValidationError).issues).toEqual([{ pointer: '/n', message: 'not a number' }]);
  const instance = await a.workflows.start('checked', { input: 1 });
  await cluster.advance(0);
  expect(await failure(instance.raiseEvent('n', 'x'))).toBeInstanceOf(ValidationError);
  await instance.raiseEvent('N' as 'n', 10);
  await cluster.advance(0);
  // Each was checked once: one more for the input, the payload and the output.
  expect(await instance.result()).toBe(14);
  const failing = await a.workflows.start('checked', { input: 99 });
  await failing.raiseEvent('n', 1);
  await cluster.advance(0);
  expect((await failing.get())?.failure?.type).toBe('ValidationError');
  const outer = await a.workflows.start(parent);
  await cluster.advance(0);
  expect(await outer.result()).toContain('not a number');
});

const waits = (version: string) =>
  workflow('order', { version }, async (ctx) => {
    const seen: unknown[] = [];
    for (let count = 0; count < 3; count++) seen.push(await ctx.waitForExternalEvent('go'));
    return [version, ...seen];
  });

test('a rolling upgrade: new instances take the newest version of any host, running ones keep their own, both ways', async () => {
  await using cluster = new TestCluster();
  const a = await cluster.start('a', { workflows: [waits('1')] });
  await a.workflows.start('order', { instanceId: 'old' });
  await cluster.advance(0);
  const b = await cluster.start('b', { workflows: [waits('2')] });
  await a.workflows.start('order', { instanceId: 'new' });
  await a.workflows.start('order', { instanceId: 'pinned', version: '1' });
  await cluster.advance(0);
  const ids = ['old', 'new', 'pinned'];
  const versions = await Promise.all(ids.map(async (id) => (await b.workflows.get(id))?.version));
  expect(versions).toEqual(['1', '2', '1']);
  for (const [round, to] of ['b', 'a', 'b'].entries()) {
    for (const id of ids) await cluster.move(id, to);
    for (const id of ids) await a.workflows.raiseEvent(id, 'go', round);
    await cluster.advance(100);
  }
  for (const [index, id] of ids.entries()) expect(await b.workflows.result(id)).toEqual([versions[index], 0, 1, 2]);
  expect(cluster.warnings).toEqual([]);
});

test('the last host with a version goes: its instances stall when something comes, and go on when one joins', async () => {
  await using cluster = new TestCluster();
  await cluster.start('a', { workflows: [waits('1')] });
  const b = await cluster.start('b', { workflows: [waits('2')] });
  await b.workflows.start('order', { instanceId: 'old', version: '1' });
  await b.workflows.start('order', { instanceId: 'quiet', version: '1' });
  await cluster.advance(0);
  cluster.kill('a');
  cluster.bury('a', 'b');
  await b.workflows.raiseEvent('old', 'go', 1);
  await cluster.advance(1_000);
  expect(await b.workflows.get('old')).toMatchObject({
    runtimeStatus: 'stalled',
    failure: { type: 'NotRegisteredError' },
  });
  expect((await b.workflows.get('quiet'))?.runtimeStatus).toBe('running');
  await b.workflows.raiseEvent('old', 'go', 2);
  await cluster.start('c', { workflows: [waits('1')] });
  await cluster.advance(5_000);
  expect((await b.workflows.get('old'))?.runtimeStatus).toBe('running');
  await b.workflows.raiseEvent('old', 'go', 3);
  await cluster.advance(0);
  expect(await b.workflows.result('old')).toEqual(['1', 1, 2, 3]);
});

test('an instance that was accepted while nobody had its code stays pending until a host joins', async () => {
  await using cluster = new TestCluster();
  const a = await cluster.start('a', {});
  await cluster.start('b', {});
  await a.workflows.start('order', { instanceId: 'i', allowUnregistered: true });
  await cluster.advance(120_000);
  expect((await a.workflows.get('i'))?.runtimeStatus).toBe('pending');
  await cluster.start('c', { workflows: [waits('7')] });
  await cluster.advance(5_000);
  expect(await a.workflows.get('i')).toMatchObject({ runtimeStatus: 'running', version: '7' });
});

test('a child that nobody has waits a minute, one that another host has does not', async () => {
  await using cluster = new TestCluster();
  const parent = workflow('parent', (ctx, name: string) => ctx.callChildWorkflow(name, 'x'));
  const a = await cluster.start('a', { workflows: [parent] });
  await cluster.start('b', { workflows: [child], activities: [echo] });
  const good = await a.workflows.start(parent, { input: 'child' });
  const bad = await a.workflows.start(parent, { input: 'chil' });
  await cluster.advance(59_000);
  expect(await good.result()).toBe('child x');
  expect((await bad.get())?.runtimeStatus).toBe('running');
  await cluster.advance(2_000);
  expect((await bad.get())?.failure).toMatchObject({ type: 'NotRegisteredError' });
});

/** Has calls to sessions kept back until it is told otherwise. */
function holdTurns(cluster: TestCluster): () => void {
  let holds = true;
  cluster.loses = (call) => holds && call.endsWith('sessions.turn');
  return () => (holds = false);
}

test('while a turn is out what comes waits, and management answers at once', async () => {
  await using cluster = new TestCluster();
  const a = await cluster.start('a', {});
  await cluster.start('b', { workflows: [waits('1')] });
  for (const id of ['end', 'hold']) await a.workflows.start('order', { instanceId: id });
  await cluster.advance(0);
  const release = holdTurns(cluster);
  for (const id of ['end', 'hold']) await a.workflows.raiseEvent(id, 'go', 1);
  await cluster.advance(1_000);
  for (const id of ['end', 'hold']) await a.workflows.raiseEvent(id, 'go', 2);
  await a.workflows.terminate('end', { output: 'over' });
  await a.workflows.suspend('hold');
  expect((await a.workflows.get('end'))?.runtimeStatus).toBe('terminated');
  expect((await a.workflows.get('hold'))?.runtimeStatus).toBe('suspended');
  release();
  // The question is asked again, and its answer waits for the resume.
  await cluster.advance(60_000);
  const types = async (id: string) => (await a.workflows.history(id)).events.map(({ type }) => type);
  expect(await types('hold')).toEqual(['WorkflowStarted', 'WorkflowSuspended']);
  await a.workflows.resume('hold');
  await a.workflows.raiseEvent('hold', 'go', 3);
  await cluster.advance(0);
  expect(await a.workflows.result('hold')).toEqual(['1', 1, 2, 3]);
  expect(await types('hold')).toEqual([
    'WorkflowStarted',
    'WorkflowSuspended',
    'WorkflowResumed',
    'EventRaised',
    'EventRaised',
    'EventRaised',
    'WorkflowCompleted',
  ]);
  expect(await types('end')).toEqual(['WorkflowStarted', 'WorkflowTerminated']);
});

test('an undo that comes while a turn is out of a suspended workflow is met after it', async () => {
  await using cluster = new TestCluster();
  const undone: string[] = [];
  const booking = workflow('booking', async (ctx) => {
    await ctx.step('book', () => 'booked', { undo: (what) => void undone.push(what) });
    await ctx.waitForExternalEvent('go');
    return ctx.waitForExternalEvent('never');
  });
  const a = await cluster.start('a', {});
  await cluster.start('b', { workflows: [booking] });
  await a.workflows.start('booking', { instanceId: 'i' });
  await cluster.advance(0);
  const release = holdTurns(cluster);
  await a.workflows.raiseEvent('i', 'go', 1);
  await a.workflows.suspend('i');
  await a.workflows.terminate('i', { undo: true, output: 'over' });
  release();
  await cluster.advance(60_000);
  expect(undone).toEqual(['booked']);
  const { events } = await a.workflows.history('i');
  expect(events.map(({ type }) => type)).toEqual([
    'WorkflowStarted',
    'ActivityScheduled',
    'ActivityCompleted',
    'WorkflowSuspended',
    'WorkflowResumed',
    'EventRaised',
    'UndoRequested',
    'ActivityScheduled',
    'ActivityCompleted',
    'WorkflowTerminated',
  ]);
});

test('the owner moves with a turn out: the event is met again elsewhere, once', async () => {
  await using cluster = new TestCluster();
  const a = await cluster.start('a', {});
  await cluster.start('b', { workflows: [waits('1')] });
  const c = await cluster.start('c', {});
  await a.workflows.start('order', { instanceId: 'i' });
  await cluster.advance(0);
  const release = holdTurns(cluster);
  const ended = watch(a.workflows.result('i'));
  await a.workflows.raiseEvent('i', 'go', 1);
  cluster.take('i', 'c');
  release();
  await cluster.advance(1_000);
  for (const payload of [2, 3]) await c.workflows.raiseEvent('i', 'go', payload);
  await cluster.advance(1_000);
  expect(ended.value).toEqual(['1', 1, 2, 3]);
});

test('an answer that gets lost is given again, and the code has met the event once', async () => {
  await using cluster = new TestCluster();
  const a = await cluster.start('a', {});
  await cluster.start('b', { workflows: [waits('1')] });
  await a.workflows.start('order', { instanceId: 'i' });
  await cluster.advance(0);
  cluster.loses = (call) => call === 'b→a reply';
  for (const payload of [1, 2, 3]) await a.workflows.raiseEvent('i', 'go', payload);
  await cluster.advance(5_000);
  cluster.loses = () => false;
  await cluster.advance(60_000);
  expect(await a.workflows.result('i')).toEqual(['1', 1, 2, 3]);
});

test('an answer that comes while the owner may not serve is taken in when it may again, however late that is', async () => {
  await using cluster = new TestCluster();
  const asked = workflow('asked', (ctx) => ctx.waitForExternalEvent('go'));
  const a = await cluster.start('a', {});
  await cluster.start('b', { workflows: [asked] });
  const instance = await a.workflows.start('asked');
  await cluster.advance(0);
  cluster.loses = (call) => {
    if (call === 'a→b troupe.sessions.turn') cluster.placement.silent.add('a');
    return false;
  };
  // Its answer is held back, too.
  const raised = instance.raiseEvent('go', 'late').catch(() => {});
  await cluster.advance(120_000);
  await raised;
  cluster.loses = () => false;
  cluster.placement.unsilence('a');
  await cluster.advance(30_000);
  expect(await instance.get()).toMatchObject({ runtimeStatus: 'completed', output: 'late' });
});

test('the host of the code dies: it is opened on another by replay, steps under way run again', async () => {
  await using cluster = new TestCluster();
  const runs: string[] = [];
  const ending = deferred<string>();
  const stepping = (host: string) =>
    workflow('stepping', async (ctx) => {
      const first = await ctx.waitForExternalEvent('go');
      const undone = await ctx.step('s', () => (runs.push(host), host === 'b' ? ending.promise : 'stepped'));
      return [first, undone, await ctx.waitForExternalEvent('go')];
    });
  const a = await cluster.start('a', {});
  await cluster.start('b', { workflows: [stepping('b')] });
  await a.workflows.start('stepping', { instanceId: 'i' });
  await cluster.advance(0);
  await a.workflows.raiseEvent('i', 'go', 1);
  await cluster.advance(0);
  expect(runs).toEqual(['b']);
  await cluster.start('c', { workflows: [stepping('c')] });
  cluster.kill('b');
  cluster.bury('b', 'a');
  await cluster.advance(1_000);
  expect(runs).toEqual(['b', 'c']);
  // And with nothing under way: the next event finds nobody there.
  await cluster.start('d', { workflows: [stepping('d')] });
  cluster.kill('c');
  cluster.bury('c', 'a');
  await a.workflows.raiseEvent('i', 'go', 2);
  await cluster.advance(30_000);
  expect(await a.workflows.result('i')).toEqual([1, 'stepped', 2]);
});

test('a retryIf of a call, and undos, are run by the host of the code', async () => {
  await using cluster = new TestCluster();
  const undone: string[] = [];
  const asked: number[] = [];
  const saga = workflow('saga', async (ctx) => {
    await ctx.step('book', () => 'booked', { undo: (what) => void undone.push(what) });
    await ctx.callActivity('fails', undefined, {
      retry: { maxAttempts: 9, initialIntervalMs: 1, retryIf: (_failure, attempt) => asked.push(attempt) < 2 },
    });
  });
  const a = await cluster.start('a', {
    activities: [
      activity('fails', () => {
        throw new RangeError('always');
      }),
    ],
  });
  await cluster.start('b', { workflows: [saga] });
  const instance = await a.workflows.start('saga');
  await cluster.advance(10_000);
  expect((await instance.get())?.failure).toMatchObject({ type: 'RangeError', message: 'always' });
  expect([asked, undone]).toEqual([[1, 2], ['booked']]);
});

test('a step that the code left behind runs, though its workflow has ended', async () => {
  await using cluster = new TestCluster();
  const runs: string[] = [];
  const leaves = (host: string) =>
    workflow('leaves', (ctx) => {
      void ctx.step('s', () => void runs.push(host));
      return 'ended';
    });
  const a = await cluster.start('a', {});
  await cluster.start('b', { workflows: [leaves('b')] });
  const instance = await a.workflows.start('leaves', { instanceId: 'i' });
  await cluster.advance(0);
  expect([await instance.result(), runs]).toEqual(['ended', ['b']]);
  cluster.loses = (call) => call.endsWith('activities.run');
  await a.workflows.start('leaves', { instanceId: 'j' });
  await cluster.advance(0);
  await cluster.start('c', { workflows: [leaves('c')] });
  cluster.kill('b');
  cluster.bury('b', 'a');
  cluster.loses = () => false;
  await cluster.advance(60_000);
  expect(runs).toEqual(['b', 'c']);
});

test('code that does not do again what is recorded stalls the instance, elsewhere as here', async () => {
  await using cluster = new TestCluster();
  const a = await cluster.start('a', {});
  await cluster.start('b', { workflows: [workflow('w', (ctx) => ctx.createTimer(10_000))] });
  await a.workflows.start('w', { instanceId: 'i' });
  await cluster.advance(0);
  await cluster.start('c', { workflows: [workflow('w', (ctx) => ctx.callActivity(echo, 1))] });
  cluster.kill('b');
  cluster.bury('b', 'a');
  await cluster.advance(60_000);
  expect(await a.workflows.get('i')).toMatchObject({
    runtimeStatus: 'stalled',
    failure: { type: 'NondeterminismError', message: expect.stringContaining('a timer (#1)') as string },
  });
});

test('a wait for the end goes on when the owner dies', async () => {
  await using cluster = new TestCluster();
  const workflows = [waits('1')];
  const a = await cluster.start('a', { workflows });
  const b = await cluster.start('b', { workflows });
  await a.workflows.start('order', { instanceId: 'i' });
  await cluster.advance(0);
  const [result, wait] = [watch(b.workflows.result('i')), watch(b.workflows.wait('i', { timeoutMs: 300_000 }))];
  await cluster.advance(90_000);
  cluster.kill('a');
  await cluster.advance(1_000);
  cluster.bury('a', 'b');
  await cluster.advance(60_000);
  for (const payload of [1, 2, 3]) await b.workflows.raiseEvent('i', 'go', payload);
  await cluster.advance(1_000);
  expect([result.value, wait.state]).toEqual([['1', 1, 2, 3], 'done']);
});

test('a host that is not let in leaves nothing behind that goes on', async () => {
  const clock = new ManualClock();
  const warnings: string[] = [];
  const log = (_details: object, message: string): void => void warnings.push(message);
  const transport = new LocalNetwork().transport('b');
  const ended = await failure(
    startHost({
      clock,
      logger: { debug() {}, info() {}, warn: log, error: log },
      cluster: {
        connect: async ({ announcement }) => ({
          store: new MemoryStore({ clock }),
          transport,
          placement: {
            ownerOf: () => 'a',
            serving: false,
            members: () => ['a', 'b'].map((hostId) => ({ hostId, announcement })),
            stop: async () => {},
            start: async (listener) => {
              listener.membersChanged();
              throw new Error('not you');
            },
          },
        }),
      },
    }),
  );
  expect(ended.message).toBe('not you');
  await clock.advance(60_000);
  expect(warnings).toEqual([]);
  expect(clock.pending).toBe(0);
});

test('whatever another host announces, what cannot be read is as if it were not there', async () => {
  for (const workflow of [undefined, null, 7, 'x', [], { workflows: 7, activities: {}, slots: 'many' }]) {
    const read = readAnnouncement({ actorTypes: [], details: { workflow } });
    expect([read.workflows.size, read.activities.size, read.slots]).toEqual([0, 0, 1]);
  }
  const odd = [
    null,
    { name: 1 },
    { name: 'w', versions: [1, { version: 2 }, { version: '3', retention: { failed: -1 } }] },
  ];
  const read = readAnnouncement({
    actorTypes: [],
    details: { workflow: { workflows: odd, activities: ['a', 1], slots: 5, later: true } },
  });
  expect([...read.workflows]).toEqual([['w', [{ version: '3', checked: false, retention: undefined }]]]);
  expect([[...read.activities], read.slots]).toEqual([['a'], 5]);
});
