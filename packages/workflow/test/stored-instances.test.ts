// What is read of instances by those who pass payloads on as they came.

import { TextPayload } from '@troupe/actors';
import { expect, test } from 'vitest';
import { event, InstanceIdError, workflow } from '../src/index.ts';
import { testHost } from '../src/testing.ts';
import type { StoredInstance } from '../src/worker.ts';
import { TestCluster } from './cluster.ts';

const wait = workflow('wait', { events: { go: event<unknown>() } }, (ctx) => ctx.waitForExternalEvent('go'));
const parent = workflow('parent', (ctx) => ctx.callChildWorkflow('wait', 1, { instanceId: 'child' }));
const apart = workflow('apart', (ctx) => ctx.callChildWorkflow('wait', 1, { instanceId: 'apart', detached: true }));
const again = workflow('again', async (ctx, input: number) => {
  if (input < 3) ctx.continueAsNew(input + 1);
  else await ctx.waitForExternalEvent('go');
});
const never = (): AbortSignal => new AbortController().signal;

/** Notes what a wait gives. */
function noted(waiting: Promise<StoredInstance | undefined>): { status: string | undefined } {
  const note: { status: string | undefined } = { status: 'waits' };
  waiting.then(
    (found) => (note.status = found?.metadata.runtimeStatus),
    (error: unknown) => (note.status = String(error)),
  );
  return note;
}

test('an instance and its origin, also from a cold record', async () => {
  let t = await testHost({ workflows: [wait, parent, apart] });
  const startAt = new Date(t.clock.nowMs() + 1_000);
  const traceparent = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01';
  const input = new TextPayload('[ 1 ]');
  await t.workflows.start(wait, { instanceId: 'i', input: input as never, startAt, tags: { of: 'ada' }, traceparent });
  await t.workflows.start(parent, { instanceId: 'p' });
  await t.workflows.start(apart, { instanceId: 'a' });
  for (const cold of [false, true]) {
    await t.settle();
    if (cold) t = await t.crash();
    const found = (await t.host.stored.describe('i'))!;
    expect(found.metadata).toEqual({ ...(await t.workflows.get('i')), input });
    expect(found.origin).toEqual({
      workflowName: 'wait',
      version: '1',
      createdAtMs: Date.UTC(2030, 0, 1),
      startAtMs: startAt.getTime(),
      tags: { of: 'ada' },
      parent: undefined,
      traceparent,
    });
    (found.origin.tags as Record<string, string>)['of'] = 'eve';
    const { executionId } = (await t.workflows.get('p'))!;
    expect((await t.host.stored.describe('child'))!.origin.parent).toEqual({
      instanceId: 'p',
      executionId,
      sequence: 1,
      workflowName: 'parent',
      attempt: 1,
    });
    expect((await t.host.stored.describe('apart'))!.origin.parent).toBeUndefined();
  }
  expect(await t.host.stored.describe('nobody')).toBeUndefined();
  await expect(t.host.stored.describe('')).rejects.toBeInstanceOf(InstanceIdError);
  await t[Symbol.asyncDispose]();
});

test('who waits for the start is told when the code has run, and at once afterwards', async () => {
  let t = await testHost({ workflows: [wait] });
  const startAt = new Date(t.clock.nowMs() + 60_000);
  await t.workflows.start(wait, { instanceId: 'i', startAt });
  const waits = Array.from({ length: 20 }, () => noted(t.host.stored.untilStarted('i', { signal: never() })));
  await t.advance('59s');
  expect(new Set(waits.map(({ status }) => status))).toEqual(new Set(['waits']));
  t = await t.crash();
  const later = noted(t.host.stored.untilStarted('i', { signal: never() }));
  await t.settle();
  expect(later.status).toBe('waits');
  // Suspended before it began, it is no longer pending.
  await t.workflows.suspend('i');
  await t.settle();
  expect(later.status).toBe('suspended');
  await t.workflows.resume('i');
  const last = noted(t.host.stored.untilStarted('i', { signal: never() }));
  await t.advance('2s');
  expect(last.status).toBe('running');
  await t.workflows.suspend('i');
  expect((await t.host.stored.untilStarted('i', { signal: never() }))!.metadata.runtimeStatus).toBe('suspended');
  await t[Symbol.asyncDispose]();
});

test('a start that will not come ends the wait', async () => {
  const broken = workflow('broken', async () => {
    await new Promise((resolve) => setTimeout(resolve, 2 ** 30).unref() && resolve);
  });
  await using t = await testHost({ workflows: [wait, broken] });
  const startAt = new Date(t.clock.nowMs() + 60_000);
  for (const instanceId of ['terminated', 'purged', 'given up']) await t.workflows.start(wait, { instanceId, startAt });
  await t.workflows.start(broken, { instanceId: 'stalled', startAt });
  const given = new AbortController();
  const [terminated, purged, stalled, givenUp] = ['terminated', 'purged', 'stalled', 'given up'].map((instanceId) =>
    noted(t.host.stored.untilStarted(instanceId, { signal: given.signal })),
  );
  const nobody = noted(t.host.stored.untilStarted('nobody', { signal: never() }));
  await t.settle();
  expect(nobody.status).toBeUndefined();
  await t.workflows.terminate('terminated');
  await t.workflows.purge('purged', { force: true });
  await t.settle();
  expect(terminated!.status).toBe('terminated');
  expect(purged!.status).not.toBe('waits');
  expect([stalled!.status, givenUp!.status]).toEqual(['waits', 'waits']);
  given.abort();
  await t.settle();
  expect(givenUp!.status).toBeUndefined();
  const still = noted(t.host.stored.untilStarted('stalled', { signal: never() }));
  await t.advance('60s');
  expect(still.status).toBe('stalled');
});

test('who waits for the end is given what is stored', async () => {
  await using t = await testHost({ workflows: [wait] });
  await t.workflows.start(wait, { instanceId: 'i' });
  const ended = t.host.stored.untilEnded('i', { signal: never() });
  await t.settle();
  await t.workflows.terminate('i', { output: new TextPayload('{ }') });
  expect((await ended)!.metadata).toMatchObject({ runtimeStatus: 'terminated', output: new TextPayload('{ }') });
  expect((await t.host.stored.untilEnded('i', { signal: never() }))!.origin.workflowName).toBe('wait');
  expect(await t.host.stored.untilEnded('nobody', { signal: never() })).toBeUndefined();
  expect(await t.host.stored.untilEnded('i', { signal: AbortSignal.abort() })).toBeUndefined();
});

test('events count from 1 on the first of the execution that is under way', async () => {
  await using t = await testHost({ workflows: [again, wait] });
  await t.workflows.start(again, { instanceId: 'i', input: 1 });
  await t.settle();
  const types = async (from: number, limit: number): Promise<string[]> =>
    (await t.host.stored.events('i', from, limit)).map(({ type }) => type);
  expect((await t.workflows.history('i')).events[0]!.number).toBeGreaterThan(1);
  expect(await types(1, 10)).toEqual(['WorkflowStarted']);
  await t.workflows.raiseEvent('i', 'other', new TextPayload('x'));
  await t.workflows.raiseEvent('i', 'go');
  await t.settle();
  expect(await types(1, 2)).toEqual(['WorkflowStarted', 'EventRaised']);
  expect(await types(2, 10)).toEqual(['EventRaised', 'EventRaised', 'WorkflowCompleted']);
  expect(await types(5, 10)).toEqual([]);
  expect((await t.host.stored.events('i', 2, 1))[0]).toMatchObject({ name: 'other', payload: new TextPayload('x') });
  expect(await t.host.stored.events('nobody', 1, 1)).toEqual([]);
  for (const [from, limit] of [
    [0, 1],
    [1, 0],
    [1.5, 1],
    [1, 1_001],
    [Number.NaN, 1],
  ] as const)
    await expect(t.host.stored.events('i', from, limit)).rejects.toBeInstanceOf(RangeError);
});

test('between hosts a wait goes on when the instance moves, and when an answer is lost', async () => {
  await using cluster = new TestCluster();
  const one = await cluster.start('one', { workflows: [wait] });
  const two = await cluster.start('two', { workflows: [wait] });
  const startAt = new Date(cluster.clock.nowMs() + 300_000);
  await one.workflows.start(wait, { instanceId: 'i', startAt });
  const waits = [one, two].map((host) => noted(host.stored.untilStarted('i', { signal: never() })));
  await cluster.advance(10);
  await cluster.move('i', 'two');
  await cluster.advance(10_000);
  expect(waits.map(({ status }) => status)).toEqual(['waits', 'waits']);
  cluster.loses = (call) => call.includes('two→one');
  await cluster.advance(100_000);
  cluster.loses = () => false;
  await cluster.advance(300_000);
  for (let round = 0; round < 20; round++) await cluster.advance(1_000);
  expect(waits.map(({ status }) => status)).toEqual(['running', 'running']);
});
