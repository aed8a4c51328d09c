// Other instances that begin with a part of the history of one that workers ran.

import { TextPayload } from '@troupe/actors';
import { expect, test } from 'vitest';
import { workflow } from '../src/index.ts';
import { testHost, type TestHost } from '../src/testing.ts';
import { TestCluster } from './cluster.ts';
import { startWorker, type Program } from './worker.ts';

/** Activities that note with what they ran. */
function noting(): { ran: string[]; activities: Record<string, (input: never) => unknown> } {
  const ran: string[] = [];
  const step = (input: string) => {
    ran.push(input);
    return `${input}+`;
  };
  return { ran, activities: { step } };
}

const chain: Program = function* (ctx, what: string) {
  const [a] = yield { all: [ctx.activity('step', `${what}1`)] };
  const [b] = yield { all: [ctx.activity('step', `${a}2`)] };
  const [c] = yield { all: [ctx.activity('step', `${b}3`)] };
  return c;
};

async function ended(t: TestHost, workflowName: string, input?: unknown): Promise<void> {
  await t.settle();
  await t.workflows.start(workflowName, { instanceId: 'i', input, tags: { of: 'test' } });
  await t.advance('1h');
  expect(await t.workflows.get('i')).toMatchObject({ runtimeStatus: 'completed' });
}

test('another instance goes on from an activity, with its input or with another', async () => {
  const { ran, activities } = noting();
  await using t = await testHost();
  const worker = startWorker(t.host, { workflows: { chain }, activities });
  await ended(t, 'chain', 'x');
  ran.length = 0;
  await t.host.repeats.rerun({ sourceId: 'i', sequence: 2, newId: 'same' });
  await t.settle();
  expect(await t.workflows.result('same')).toBe('x1+2+3+');
  expect(ran).toEqual(['x1+2', 'x1+2+3']);
  ran.length = 0;
  const details = { rerunOf: 'i' };
  await t.host.repeats.rerun({
    sourceId: 'i',
    sequence: 2,
    newId: 'other',
    input: { value: new TextPayload('"y"') },
    details,
  });
  await t.settle();
  expect(await t.workflows.result('other')).toBe('y+3+');
  expect(ran).toEqual(['y', 'y+3']);
  expect(worker.attempts.at(-2)).toMatchObject({ sequence: 2, details });
  const [source, same] = [await t.workflows.get('i'), await t.workflows.get('same')];
  expect(same).toMatchObject({ workflowName: 'chain', input: 'x', tags: { of: 'test' } });
  expect(same!.executionId).not.toBe(source!.executionId);
  expect(same!.createdAt.getTime()).toBeGreaterThan(source!.createdAt.getTime());
  expect(source).toMatchObject({ output: 'x1+2+3+' });
  // A rerun is an instance like any other.
  await t.host.repeats.rerun({ sourceId: 'other', sequence: 3, newId: 'third' });
  await t.settle();
  expect(await t.workflows.result('third')).toBe('y+3+');
});

test('what was open before it is begun again, and what came after it in the same turn is asked for at once', async () => {
  const { ran, activities } = noting();
  const wide: Program = function* (ctx) {
    const before = ctx.activity('step', 'before');
    const timer = ctx.timer(60_000);
    yield { all: [ctx.activity('step', 'quick')] };
    const [a, b] = [ctx.activity('step', 'a'), ctx.activity('step', 'b')];
    const got: unknown = yield { all: [before, a, b] };
    yield { all: [timer] };
    return got;
  };
  await using t = await testHost();
  const worker = startWorker(t.host, { workflows: { wide }, activities });
  await ended(t, 'wide');
  ran.length = 0;
  const attempts = worker.attempts.length;
  await t.host.repeats.rerun({ sourceId: 'i', sequence: 4, newId: 'j' });
  await t.settle();
  // The timer of the source was due long ago.
  expect(await t.workflows.result('j')).toEqual(['before+', 'a+', 'b+']);
  expect(ran.toSorted()).toEqual(['a', 'b']);
  expect(worker.attempts).toHaveLength(attempts + 2);
  ran.length = 0;
  await t.host.repeats.rerun({ sourceId: 'i', sequence: 3, newId: 'k' });
  await t.settle();
  expect(await t.workflows.result('k')).toEqual(['before+', 'a+', 'b+']);
  expect(ran.toSorted()).toEqual(['a', 'b', 'before', 'quick']);
});

test('a turn is given at once: code that asks for more does not wait for what is run again', async () => {
  const { activities } = noting();
  const both: Program = function* (ctx) {
    return yield { all: [ctx.activity('hang', 'a'), ctx.activity('step', 'b')] };
  };
  await using t = await testHost();
  const worker = startWorker(t.host, { workflows: { both }, activities: { ...activities, hang: () => 'a' } });
  await ended(t, 'both');
  await t.host.repeats.rerun({ sourceId: 'i', sequence: 1, newId: 'j' });
  await t.settle();
  const [first] = worker.turns.filter(({ instanceId }) => instanceId === 'j');
  expect(first!.past.map(({ type }) => type)).toEqual(['WorkflowStarted', 'TurnBegan', 'ActivityScheduled']);
  expect(first!.events).toMatchObject([
    { type: 'MessageReceived', kind: 'rerun', body: { sourceId: 'i', sequence: 1 } },
  ]);
  expect(await t.workflows.result('j')).toEqual(['a', 'b+']);
});

test('children get ids of their own, those that had ended stay as they are', async () => {
  const { activities } = noting();
  const leaf: Program = function* (ctx, name: string) {
    const [done] = yield { all: [ctx.activity('step', name)] };
    return done;
  };
  const parent: Program = function* (ctx) {
    const [a] = yield { all: [ctx.child('leaf', 'leaf-a', 'a')] };
    const open = ctx.child('leaf', 'leaf-b', 'b');
    const [c] = yield { all: [ctx.child('leaf', 'leaf-c', 'c')] };
    const [b] = yield { all: [open] };
    return [a, b, c];
  };
  await using t = await testHost();
  startWorker(t.host, { workflows: { leaf, parent }, activities });
  await ended(t, 'parent');
  await t.host.repeats.rerun({ sourceId: 'i', sequence: 3, newId: 'j', input: { value: 'z' } });
  await t.settle();
  expect(await t.workflows.result('j')).toEqual(['a+', 'b+', 'z+']);
  for (const child of ['j:0002', 'j:0003'])
    expect(await t.workflows.get(child)).toMatchObject({ runtimeStatus: 'completed', parent: { instanceId: 'j' } });
  await t.host.repeats.rerun({ sourceId: 'i', sequence: 3, newId: 'k', newChildId: 'chosen' });
  await t.settle();
  expect(await t.workflows.get('chosen')).toMatchObject({ output: 'c+', parent: { instanceId: 'k' } });
  // The children of the source are its own.
  await t.workflows.purge('k', { recursive: true });
  expect(await t.workflows.get('leaf-a')).toMatchObject({ parent: { instanceId: 'i' } });
  expect(await t.workflows.get('chosen')).toBeUndefined();
});

test('a timer keeps its time', async () => {
  const waits: Program = function* (ctx) {
    yield { all: [ctx.timer(7_200_000)] };
    return 'waited';
  };
  await using t = await testHost();
  startWorker(t.host, { workflows: { waits } });
  await t.settle();
  await t.workflows.start('waits', { instanceId: 'i' });
  await t.advance('1h');
  await t.workflows.terminate('i');
  await t.host.repeats.rerun({ sourceId: 'i', sequence: 1, newId: 'j' });
  await t.advance('30m');
  expect(await t.workflows.get('j')).toMatchObject({ runtimeStatus: 'running' });
  await using next = await t.crash();
  startWorker(next.host, { workflows: { waits } });
  await next.advance('31m');
  expect(await next.workflows.result('j')).toBe('waited');
});

test('without a worker it waits', async () => {
  const { activities } = noting();
  await using t = await testHost();
  const worker = startWorker(t.host, { workflows: { chain }, activities });
  await ended(t, 'chain', 'x');
  worker.close();
  await t.host.repeats.rerun({ sourceId: 'i', sequence: 3, newId: 'j' });
  await t.advance('1h');
  expect(await t.workflows.get('j')).toMatchObject({ runtimeStatus: 'running', input: 'x' });
  startWorker(t.host, { workflows: { chain }, activities });
  await t.advance('10s');
  expect(await t.workflows.result('j')).toBe('x1+2+3+');
});

test('what cannot be run again is refused, and nothing has begun', async () => {
  const { activities } = noting();
  const local = workflow('local', async (ctx) => {
    await ctx.createTimer(1_000);
  });
  const mixed: Program = function* (ctx) {
    yield { all: [ctx.timer(1_000)] };
    ctx.send('nobody', 'hello');
    yield { all: [ctx.child('chain', 'child', 'c')] };
    yield { event: 'go' };
  };
  await using t = await testHost({ workflows: [local] });
  startWorker(t.host, { workflows: { mixed, chain }, activities });
  await t.settle();
  await t.workflows.start('mixed', { instanceId: 'i' });
  await t.workflows.start(local, { instanceId: 'local' });
  await t.advance('1m');
  const { repeats } = t.host;
  const rerun = (sequence: number, newId = 'j', more = {}, sourceId = 'i') =>
    repeats.rerun({ sourceId, sequence, newId, ...more });
  await expect(rerun(1)).rejects.toThrow(/has not ended, but is running/);
  await t.workflows.raiseEvent('i', 'go');
  await t.settle();
  await expect(rerun(1, 'j', {}, 'none')).rejects.toMatchObject({ code: 'instance_not_found' });
  await expect(rerun(1, 'j', {}, 'child')).rejects.toThrow(/is a child of "i"/);
  await expect(rerun(1, 'j', {}, 'local')).rejects.toThrow(/did not run on a worker/);
  await expect(rerun(1, 'i')).rejects.toMatchObject({ code: 'not_rerunnable' });
  // The event that was sent, and what there never was.
  for (const none of [2, 0, 99, -1, NaN])
    await expect(rerun(none)).rejects.toMatchObject({ code: 'command_not_found' });
  await expect(rerun(1, 'j', { input: { value: 1 } })).rejects.toThrow(/takes no input/);
  await expect(rerun(1, 'j', { newChildId: 'c' })).rejects.toThrow(/takes no id/);
  await expect(rerun(1, '')).rejects.toMatchObject({ code: 'instance_id_invalid' });
  expect(await t.workflows.get('j')).toBeUndefined();
  await rerun(1);
  await expect(rerun(1)).rejects.toMatchObject({ code: 'already_exists' });
  await expect(rerun(1, 'local')).rejects.toMatchObject({ code: 'already_exists' });
});

test('source, new instance and workers may be on different hosts', async () => {
  const { activities } = noting();
  await using cluster = new TestCluster();
  const a = await cluster.start('a', {});
  const b = await cluster.start('b', {});
  startWorker(b, { workflows: { chain }, activities });
  await cluster.advance(1_000);
  await a.workflows.start('chain', { instanceId: 'i', input: 'x' });
  await cluster.advance(30_000);
  for (let number = 0; number < 8; number++) {
    await (number % 2 === 0 ? a : b).repeats.rerun({
      sourceId: 'i',
      sequence: 3,
      newId: `j${number}`,
      input: { value: new TextPayload(`"${number}"`) },
    });
  }
  await cluster.advance(30_000);
  for (let number = 0; number < 8; number++) expect(await a.workflows.result(`j${number}`)).toBe(`${number}+`);
});
