// Workflows and activities that workers of other languages run.

import { TextPayload } from '@troupe/actors';
import { expect, test } from 'vitest';
import { activity, workflow } from '../src/index.ts';
import { testHost } from '../src/testing.ts';
import { TestCluster } from './cluster.ts';
import { startWorker, type Program } from './worker.ts';

const upper = { upper: (name: string) => name.toUpperCase() };

const greet: Program = function* (ctx, name: string) {
  const [first] = yield { all: [ctx.activity('upper', name)] };
  ctx.status('greeted');
  const [second] = yield { all: [ctx.activity('upper', `${name}!`)] };
  return [first, second];
};

test('a worker runs a workflow and its activities', async () => {
  await using t = await testHost();
  const worker = startWorker(t.host, { workflows: { greet }, activities: upper });
  await t.settle();
  const instance = await t.workflows.start('greet', { instanceId: 'i', input: 'ann' });
  await t.settle();
  expect(await instance.result()).toEqual(['ANN', 'ANN!']);
  expect(await instance.get()).toMatchObject({ runtimeStatus: 'completed', customStatus: 'greeted', input: 'ann' });
  const { events } = await instance.history();
  expect(events.map(({ type }) => type)).toEqual([
    'WorkflowStarted',
    'TurnBegan',
    'ActivityScheduled',
    'TurnBegan',
    'ActivityCompleted',
    'ActivityScheduled',
    'TurnBegan',
    'ActivityCompleted',
    'WorkflowCompleted',
  ]);
  // Each turn has all that was before it.
  expect(worker.turns.map(({ past, events: fresh }) => [past.length, fresh.length])).toEqual([
    [0, 1],
    [3, 1],
    [6, 1],
  ]);
});

test('without a worker a start is accepted and waits; management calls are answered all the while', async () => {
  await using t = await testHost();
  const instance = await t.workflows.start('greet', { instanceId: 'i', input: 'ann', allowUnregistered: true });
  await t.workflows.raiseEvent('i', 'early', 1);
  await t.workflows.suspend('i');
  expect(await instance.get()).toMatchObject({ runtimeStatus: 'suspended' });
  await t.workflows.resume('i');
  expect(await instance.get()).toMatchObject({ runtimeStatus: 'pending' });
  startWorker(t.host, { workflows: { greet }, activities: upper });
  await t.advance('5s');
  expect(await instance.result()).toEqual(['ANN', 'ANN!']);
});

test('a worker that goes leaves its instances running; another one goes on, in this host or the next', async () => {
  await using t = await testHost();
  const first = startWorker(t.host, { workflows: { greet }, activities: upper });
  await t.settle();
  first.hold();
  await t.workflows.start('greet', { instanceId: 'i', input: 'ann' });
  await t.workflows.start('greet', { instanceId: 'j', input: 'bob' });
  await t.settle();
  first.close();
  await t.settle();
  first.release();
  await t.advance('10s');
  expect(await t.workflows.get('i')).toMatchObject({ runtimeStatus: 'pending' });
  const second = startWorker(t.host, { workflows: { greet }, activities: upper });
  await t.advance('10s');
  expect(await t.workflows.result('i')).toEqual(['ANN', 'ANN!']);
  expect(await t.workflows.result('j')).toEqual(['BOB', 'BOB!']);
  second.close();

  await using next = await t.crash();
  expect(await next.workflows.get('j')).toMatchObject({ runtimeStatus: 'completed' });
});

test('whatever has been acknowledged when the host dies is there for the next worker', async () => {
  const waits: Program = function* (ctx) {
    const got: unknown[] = [];
    for (let count = 0; count < 3; count++) got.push(yield { event: 'go' });
    const [done] = yield { all: [ctx.activity('upper', 'x')] };
    return [...got, done];
  };
  await using t = await testHost();
  const worker = startWorker(t.host, { workflows: { waits }, activities: upper });
  await t.settle();
  await t.workflows.start('waits', { instanceId: 'i' });
  await t.settle();
  await t.workflows.raiseEvent('i', 'go', 1);
  await t.settle();
  worker.hold();
  await t.workflows.raiseEvent('i', 'go', 2);
  await t.workflows.raiseEvent('i', 'go', 3);
  await t.settle();
  await using next = await t.crash();
  await next.advance('5s');
  expect(await next.workflows.get('i')).toMatchObject({ runtimeStatus: 'running' });
  startWorker(next.host, { workflows: { waits }, activities: upper });
  await next.advance('20s');
  expect(await next.workflows.result('i')).toEqual([1, 2, 3, 'X']);
});

test('all that comes while a turn is out goes into the next one', async () => {
  const wide: Program = function* (ctx, count: number) {
    const results: unknown[] = yield {
      all: Array.from({ length: count }, (_, index) => ctx.activity('upper', `${index}`)),
    };
    return results.length;
  };
  await using t = await testHost();
  const worker = startWorker(t.host, { workflows: { wide }, activities: upper });
  await t.settle();
  await t.workflows.start('wide', { instanceId: 'i', input: 500 });
  await t.settle();
  expect(await t.workflows.result('i')).toBe(500);
  expect(worker.attempts).toHaveLength(500);
  expect(worker.turns.length).toBeLessThan(100);
});

test('timers, children, events to others, continue-as-new', async () => {
  const leaf: Program = function* (ctx, name: string) {
    yield { all: [ctx.timer(1_000)] };
    return `leaf ${name}`;
  };
  const round: Program = function* (ctx, count: number) {
    const [output] = yield { all: [ctx.child('leaf', `leaf-${count}`, `of ${count}`)] };
    const go = yield { event: 'go' };
    if (count < 3) ctx.continueAsNew(count + 1);
    else ctx.send('listener', 'told', [output, go]);
    return [output, go];
  };
  const listener: Program = function* () {
    return yield { event: 'told' };
  };
  await using t = await testHost();
  startWorker(t.host, { workflows: { leaf, round, listener } });
  await t.settle();
  await t.workflows.start('listener', { instanceId: 'listener' });
  await t.workflows.start('round', { instanceId: 'i', input: 1 });
  for (const go of ['a', 'b', 'c']) await t.workflows.raiseEvent('i', 'go', go);
  await t.advance('10s');
  expect(await t.workflows.result('i')).toEqual(['leaf of 3', 'c']);
  expect(await t.workflows.result('listener')).toEqual(['leaf of 3', 'c']);
  expect(await t.workflows.get('leaf-2')).toMatchObject({ parent: { instanceId: 'i' }, output: 'leaf of 2' });
});

test('terminate wins over a turn that is out, and the answer counts for nothing', async () => {
  await using t = await testHost();
  const worker = startWorker(t.host, { workflows: { greet }, activities: upper });
  await t.settle();
  worker.hold();
  await t.workflows.start('greet', { instanceId: 'i', input: 'ann' });
  await t.settle();
  await t.workflows.terminate('i', { output: 'enough' });
  expect(await t.workflows.get('i')).toMatchObject({ runtimeStatus: 'terminated', output: 'enough' });
  worker.release();
  await t.settle();
  expect(worker.attempts).toEqual([]);
  expect(await t.workflows.get('i')).toMatchObject({ runtimeStatus: 'terminated', output: 'enough' });
});

test('a suspended instance is given no turn; the answer of one that is out waits for the resume', async () => {
  await using t = await testHost();
  const worker = startWorker(t.host, { workflows: { greet }, activities: upper });
  await t.settle();
  worker.hold();
  await t.workflows.start('greet', { instanceId: 'i', input: 'ann' });
  await t.settle();
  await t.workflows.suspend('i');
  worker.release();
  await t.settle();
  expect(await t.workflows.get('i')).toMatchObject({ runtimeStatus: 'suspended' });
  expect(worker.items).toHaveLength(1);
  await t.workflows.resume('i');
  await t.settle();
  expect(await t.workflows.result('i')).toEqual(['ANN', 'ANN!']);
});

test('TypeScript and workers call each other: activities and children both ways', async () => {
  const local = activity('local', (_ctx, value: string) => `local ${value}`);
  const mixed = workflow('mixed', async (ctx, name: string) => [
    await ctx.callActivity('upper', name),
    await ctx.callChildWorkflow('remote', name, { instanceId: 'remote-child' }),
  ]);
  const inner = workflow('inner', async (_ctx, name: string) => ({ inner: name }));
  const remote: Program = function* (ctx, name: string) {
    const [first, second] = yield { all: [ctx.activity('local', name), ctx.child('inner', 'inner-child', name)] };
    return { first, second };
  };
  await using t = await testHost({ workflows: [mixed, inner], activities: [local] });
  startWorker(t.host, { workflows: { remote }, activities: upper });
  await t.settle();
  const instance = await t.workflows.start(mixed, { input: 'ann' });
  await t.settle();
  expect(await instance.result()).toEqual(['ANN', { first: 'local ann', second: { inner: 'ann' } }]);
});

test('a failed activity of a worker fails its workflow there, and is tried again where TypeScript says so', async () => {
  let tries = 0;
  const flaky = {
    flaky: () => {
      tries += 1;
      if (tries < 3) throw new Error(`try ${tries}`);
      return tries;
    },
  };
  const once: Program = function* (ctx) {
    const [result] = yield { all: [ctx.activity('flaky')] };
    return result;
  };
  const patient = workflow('patient', (ctx) =>
    ctx.callActivity('flaky', undefined, { retry: { maxAttempts: 5, initialIntervalMs: 10 } }),
  );
  await using t = await testHost({ workflows: [patient] });
  startWorker(t.host, { workflows: { once }, activities: flaky });
  await t.settle();
  await t.workflows.start('once', { instanceId: 'i' });
  await t.settle();
  expect(await t.workflows.get('i')).toMatchObject({
    runtimeStatus: 'failed',
    failure: { type: 'ProgramError', message: 'try 1' },
  });
  const instance = await t.workflows.start(patient);
  await t.advance('10s');
  expect(await instance.result()).toBe(3);
});

test('an activity of a worker that goes is given to another; while there is none it waits, for longer than a minute', async () => {
  await using t = await testHost();
  const first = startWorker(t.host, { workflows: { greet } });
  const busy = startWorker(t.host, {
    activities: upper,
    filters: { workflows: [], activities: [{ name: 'upper', versions: [] }], entities: [] },
  });
  await t.settle();
  busy.hold();
  await t.workflows.start('greet', { instanceId: 'i', input: 'ann' });
  await t.settle();
  first.close();
  busy.close();
  await t.advance('10m');
  expect(await t.workflows.get('i')).toMatchObject({ runtimeStatus: 'running' });
  startWorker(t.host, { workflows: { greet }, activities: upper });
  await t.advance('10s');
  expect(await t.workflows.result('i')).toEqual(['ANN', 'ANN!']);
});

test('payloads are passed on as the text that they came as', async () => {
  const echo: Program = function* () {
    return yield { event: 'go' };
  };
  await using t = await testHost();
  const worker = startWorker(t.host, { workflows: { echo } });
  await t.settle();
  const odd = ' {"a" : 12345678901234567890 } ';
  await t.workflows.start('echo', { instanceId: 'i', input: new TextPayload(odd) });
  await t.settle();
  expect(worker.turns[0]!.events[0]).toMatchObject({ type: 'WorkflowStarted', input: { text: odd } });
});

test('a worker that keeps histories is told how much of one it has', async () => {
  await using t = await testHost();
  const worker = startWorker(t.host, { workflows: { greet }, activities: upper, keepsHistory: true });
  await t.settle();
  await t.workflows.start('greet', { instanceId: 'i', input: 'ann' });
  await t.settle();
  // The start and the beginning of the turn; then what it asked for is new as well.
  expect(worker.turns.map(({ kept }) => kept)).toEqual([0, 2, 5]);
});

test('on several hosts a worker may be connected to any of them', async () => {
  await using cluster = new TestCluster();
  const a = await cluster.start('a', {});
  const b = await cluster.start('b', {});
  const first = startWorker(b, { workflows: { greet }, activities: upper });
  await cluster.advance(1_000);
  const instance = await a.workflows.start('greet', { instanceId: 'i', input: 'ann' });
  await cluster.advance(5_000);
  expect(await instance.result()).toEqual(['ANN', 'ANN!']);
  expect(first.turns).toHaveLength(3);
  // It goes, and one comes to a third host.
  first.hold();
  await a.workflows.start('greet', { instanceId: 'j', input: 'bob' });
  await cluster.advance(30_000);
  first.close();
  await cluster.advance(30_000);
  const c = await cluster.start('c', {});
  startWorker(c, { workflows: { greet }, activities: upper });
  await cluster.advance(60_000);
  expect(await a.workflows.result('j')).toEqual(['BOB', 'BOB!']);
});

test('a child that has ended gives its id to the next one of the same parent, and to nobody else', async () => {
  let tries = 0;
  const shaky: Program = function* (ctx) {
    yield { all: [ctx.timer(10)] };
    tries += 1;
    if (tries < 3) throw new Error(`try ${tries}`);
    return tries;
  };
  const parent: Program = function* (ctx) {
    for (let round = 0; round < 2; round++) {
      try {
        yield { all: [ctx.child('shaky', 'again')] };
      } catch {
        // Tried again under the same id.
      }
    }
    const [third] = yield { all: [ctx.child('shaky', 'again')] };
    return third;
  };
  const stranger: Program = function* (ctx) {
    return yield { all: [ctx.child('shaky', 'again')] };
  };
  await using t = await testHost();
  startWorker(t.host, { workflows: { shaky, parent, stranger } });
  await t.settle();
  await t.workflows.start('parent', { instanceId: 'p' });
  await t.advance('5s');
  expect(await t.workflows.result('p')).toBe(3);
  await t.workflows.start('stranger', { instanceId: 's' });
  await t.advance('5s');
  expect(await t.workflows.get('s')).toMatchObject({
    runtimeStatus: 'failed',
    failure: { message: expect.stringContaining('exists') },
  });
});

test.each([
  ['a child id that is too long', (ctx) => ctx.child('leaf', 'x'.repeat(600)), /instance id/],
  ['a child without a name', (ctx) => ctx.child('', 'leaf'), /workflow name/],
  ['an event to nobody', (ctx) => ctx.send('', 'event') as unknown as number, /instance id/],
  ['a custom status that is too large', (ctx) => (ctx.status('x'.repeat(70_000)), ctx.timer(1)), /custom status/],
  ['an activity with control characters', (ctx) => ctx.activity('a\n'), /activity name/],
] as [string, (ctx: Parameters<Program>[0]) => number, RegExp][])(
  'what a worker asks for and nobody can do fails the workflow: %s',
  async (_what, ask, message) => {
    const bad: Program = function* (ctx) {
      yield { all: [ask(ctx)] };
    };
    await using t = await testHost();
    startWorker(t.host, { workflows: { bad } });
    await t.settle();
    await t.workflows.start('bad', { instanceId: 'i' });
    await t.advance('5s');
    const found = await t.workflows.get('i');
    expect(found).toMatchObject({ runtimeStatus: 'failed' });
    expect(found!.failure!.message).toMatch(message);
  },
);

test('an activity and a child that failed are asked for once more under their numbers', async () => {
  let bodies = 0;
  let children = 0;
  const child: Program = function* (ctx) {
    yield { all: [ctx.timer(10)] };
    children += 1;
    if (children < 3) throw new Error(`child ${children}`);
    return 'child done';
  };
  // As some SDKs retry: what they ask for again has the number, and the id, that it had.
  const stubborn: Program = function* (ctx) {
    return yield {
      all: [ctx.stubborn(() => ctx.activity('flaky'), 3), ctx.stubborn(() => ctx.child('child', 'c'), 3)],
    };
  };
  const flaky = () => {
    bodies += 1;
    if (bodies < 3) throw new Error(`body ${bodies}`);
    return 'body done';
  };
  await using t = await testHost();
  const worker = startWorker(t.host, { workflows: { stubborn, child }, activities: { flaky } });
  await t.settle();
  await t.workflows.start('stubborn', { instanceId: 'i' });
  await t.advance('5s');
  expect(await t.workflows.result('i')).toEqual(['body done', 'child done']);
  expect(worker.attempts).toHaveLength(3);
  expect(children).toBe(3);
});

test('an activity that another host registers goes there, and not to workers that do not say what they run', async () => {
  const local = activity('local', (_ctx, value: string) => `local ${value}`);
  const caller: Program = function* (ctx) {
    return yield { all: [ctx.activity('local', 'x')] };
  };
  await using cluster = new TestCluster();
  const a = await cluster.start('a', {});
  await cluster.start('b', { activities: [local] });
  const worker = startWorker(a, { workflows: { caller } });
  await cluster.advance(1_000);
  const instance = await a.workflows.start('caller');
  await cluster.advance(5_000);
  expect(await instance.result()).toEqual(['local x']);
  expect(worker.attempts).toEqual([]);
});

const ofTurns = { workflows: [{ name: 'stubborn', versions: [] }], activities: [], entities: [] };
const ofBodies = { workflows: [], activities: [{ name: 'flaky', versions: [] }], entities: [] };

test('attempts under one number are counted on, also when the host dies before the code has met a failure', async () => {
  let bodies = 0;
  const stubborn: Program = function* (ctx) {
    return yield { all: [ctx.stubborn(() => ctx.activity('flaky'), 3)] };
  };
  const flaky = () => {
    bodies += 1;
    if (bodies < 3) throw new Error(`body ${bodies}`);
    return 'body done';
  };
  await using t = await testHost();
  const code = startWorker(t.host, { workflows: { stubborn }, filters: ofTurns });
  const body = startWorker(t.host, { activities: { flaky }, filters: ofBodies });
  await t.settle();
  body.hold();
  await t.workflows.start('stubborn', { instanceId: 'i' });
  await t.settle();
  code.hold();
  body.release();
  await t.settle();
  await using next = await t.crash();
  startWorker(next.host, { workflows: { stubborn }, activities: { flaky } });
  await next.advance('20s');
  expect(await next.workflows.result('i')).toEqual(['body done']);
  const events = await next.host.stored.events('i', 1, 100);
  expect(events.flatMap((event) => (event.type === 'ActivityFailed' ? [event.attempts] : []))).toEqual([1, 2]);
});

test('a failure that comes once more is none of the attempt that was asked for since', async () => {
  let bodies = 0;
  const stubborn: Program = function* (ctx) {
    return yield { all: [ctx.stubborn(() => ctx.activity('flaky'), 2)] };
  };
  const flaky = () => {
    bodies += 1;
    if (bodies < 2) throw new Error(`body ${bodies}`);
    return 'body done';
  };
  await using cluster = new TestCluster();
  const a = await cluster.start('a', {});
  const b = await cluster.start('b', {});
  const c = await cluster.start('c', {});
  const code = startWorker(b, { workflows: { stubborn }, filters: ofTurns });
  const body = startWorker(b, { activities: { flaky }, filters: ofBodies });
  await cluster.advance(1_000);
  cluster.take('i', 'a');
  // The answer to the first result gets lost, and the owner dies: it is sent to the next one.
  let told = false;
  cluster.loses = (call) => {
    if (call === 'b→a workflow.activityEnded') {
      told = true;
      body.hold();
    }
    return told && call === 'a→b reply';
  };
  await a.workflows.start('stubborn', { instanceId: 'i' });
  await cluster.advance(2_000);
  expect(body.attempts).toHaveLength(2);
  code.close();
  cluster.kill('a');
  cluster.bury('a', 'c');
  await cluster.advance(30_000);
  expect(cluster.calls).toContain('b→c workflow.activityEnded');
  startWorker(b, { workflows: { stubborn }, filters: ofTurns });
  await cluster.advance(5_000);
  body.release();
  await cluster.advance(30_000);
  expect(await c.workflows.get('i')).toMatchObject({ runtimeStatus: 'completed', output: ['body done'] });
});

test('a host that did not see another for a while knows its workers again', async () => {
  await using cluster = new TestCluster();
  const a = await cluster.start('a', {});
  const b = await cluster.start('b', {});
  startWorker(b, { workflows: { greet }, activities: upper });
  await cluster.advance(1_000);
  cluster.placement.blind('a', 'b');
  await cluster.advance(60_000);
  await a.workflows.start('greet', { instanceId: 'i', input: 'ann', allowUnregistered: true });
  cluster.take('i', 'a');
  await cluster.advance(60_000);
  expect(await a.workflows.get('i')).toMatchObject({ runtimeStatus: 'pending' });
  cluster.placement.blind('a');
  await cluster.advance(60_000);
  expect(await a.workflows.get('i')).toMatchObject({ runtimeStatus: 'completed', output: ['ANN', 'ANN!'] });
});

test('a former owner that does not know it yet takes no turn from the next one for good', async () => {
  await using cluster = new TestCluster();
  const a = await cluster.start('a', {});
  const b = await cluster.start('b', {});
  const c = await cluster.start('c', {});
  const worker = startWorker(b, { workflows: { greet }, activities: upper });
  await cluster.advance(1_000);
  cluster.take('i', 'a');
  worker.hold();
  await a.workflows.start('greet', { instanceId: 'i', input: 'ann' });
  await cluster.advance(1_000);
  expect(worker.turns).toHaveLength(1);
  // It asks for its turn again and again, and the new owner has asked for its own.
  cluster.bury('a', 'c');
  await cluster.advance(1_000);
  expect(worker.turns).toHaveLength(2);
  await cluster.advance(30_000);
  worker.release();
  await cluster.advance(60_000);
  expect(await c.workflows.get('i')).toMatchObject({ runtimeStatus: 'completed', output: ['ANN', 'ANN!'] });
});

test('a worker that comes while the host may not serve is not missed', async () => {
  const waits: Program = function* () {
    return yield { event: 'go' };
  };
  await using cluster = new TestCluster();
  const a = await cluster.start('a', {});
  await cluster.start('b', {});
  const first = startWorker(a, { workflows: { waits } });
  await cluster.advance(1_000);
  cluster.take('i', 'a');
  await a.workflows.start('waits', { instanceId: 'i' });
  await cluster.advance(1_000);
  first.close();
  await cluster.advance(1_000);
  await a.workflows.raiseEvent('i', 'go', 1);
  cluster.placement.silent.add('a');
  startWorker(a, { workflows: { waits } });
  await cluster.advance(120_000);
  cluster.placement.unsilence('a');
  await cluster.advance(300_000);
  expect(await a.workflows.get('i')).toMatchObject({ runtimeStatus: 'completed', output: 1 });
});

test('the answer of a worker that has gone is taken in, at the resume, whoever is there', async () => {
  const once: Program = function* (ctx, name: string) {
    ctx.status('ran');
    yield { event: 'go' };
    return name;
  };
  await using t = await testHost();
  const first = startWorker(t.host, { workflows: { once } });
  await t.settle();
  first.hold();
  await t.workflows.start('once', { instanceId: 'new', input: 'ann' });
  await t.settle();
  await t.workflows.suspend('new');
  first.release();
  await t.settle();
  first.close();
  await t.settle();
  await t.workflows.raiseEvent('new', 'go');
  await t.workflows.resume('new');
  expect(await t.workflows.get('new')).toMatchObject({ runtimeStatus: 'running', customStatus: 'ran' });
  const second = startWorker(t.host, { workflows: { once } });
  await t.settle();
  expect(await t.workflows.result('new')).toBe('ann');

  await t.workflows.start('once', { instanceId: 'old', input: 'bob' });
  await t.settle();
  second.hold();
  await t.workflows.raiseEvent('old', 'go');
  await t.settle();
  await t.workflows.suspend('old');
  second.release();
  await t.settle();
  second.close();
  await t.settle();
  await t.workflows.raiseEvent('old', 'more');
  await t.workflows.resume('old');
  expect(await t.workflows.get('old')).toMatchObject({ runtimeStatus: 'completed', output: 'bob' });
});

test('what waits goes out in turns that a message can hold, and nothing of it is lost', async () => {
  const collects: Program = function* (_ctx, count: number) {
    let length = 0;
    for (let index = 0; index < count; index++) length += ((yield { event: 'part' }) as string).length;
    return length;
  };
  await using t = await testHost();
  await t.workflows.start('collects', { instanceId: 'i', input: 6, allowUnregistered: true });
  for (let index = 0; index < 6; index++) await t.workflows.raiseEvent('i', 'part', 'x'.repeat(3 * 1024 * 1024));
  const worker = startWorker(t.host, { workflows: { collects } });
  await t.advance('10s');
  expect(await t.workflows.result('i')).toBe(6 * 3 * 1024 * 1024);
  const sizes = worker.turns.map(({ events }) => events.length);
  expect(Math.max(...sizes)).toBeLessThan(6);
  expect(sizes.reduce((sum, size) => sum + size, 0)).toBe(7);
});
