// What the engine is given and what it gives shares nothing with anybody: payloads are handed over inside (see decision
// 0016), so the copies at the edges are what keeps a history from changing after the fact.

import { expect, test } from 'vitest';
import { activity, event, workflow } from '../src/index.ts';
import { testHost } from '../src/testing.ts';

interface Box {
  list: number[];
}

/** The recorded payloads of an instance, as somebody reads them who comes later. */
async function recorded(t: Awaited<ReturnType<typeof testHost>>, instanceId: string): Promise<string> {
  const { events } = await t.workflows.history(instanceId);
  return JSON.stringify(events.map(({ type, details }) => [type, details]));
}

test('a client that changes its input after the start changes nothing', async () => {
  const echo = workflow('echo', async (_ctx, input: Box) => input);
  await using t = await testHost({ workflows: [echo] });
  const input: Box = { list: [1] };
  const starting = t.workflows.start(echo, { instanceId: 'i', input });
  input.list.push(2);
  const instance = await starting;
  input.list.push(3);
  expect(await instance.result()).toEqual({ list: [1] });
  expect((await instance.get())!.input).toEqual({ list: [1] });
});

test('tags that are changed after the start stay as they were', async () => {
  const idle = workflow('idle', async (ctx) => ctx.waitForExternalEvent('never'));
  await using t = await testHost({ workflows: [idle] });
  const tags: Record<string, string> = { of: 'ada' };
  const starting = t.workflows.start(idle, { instanceId: 'i', tags });
  tags['of'] = 'eve';
  expect((await (await starting).get())!.tags).toEqual({ of: 'ada' });
});

test('an activity that goes on changing what it returned changes nothing', async () => {
  const kept: Box = { list: [1] };
  const give = activity('give', () => kept);
  const take = workflow('take', async (ctx) => {
    const first = await ctx.callActivity(give);
    await ctx.waitForExternalEvent('go');
    return first;
  });
  await using t = await testHost({ workflows: [take], activities: [give] });
  const instance = await t.workflows.start(take, { instanceId: 'i' });
  await t.settle();
  kept.list.push(2);
  await using second = await t.crash();
  await second.workflows.raiseEvent('i', 'go');
  expect(await second.workflows.result('i')).toEqual({ list: [1] });
  expect(instance.instanceId).toBe('i');
});

test('code that changes what it was given changes no history, and replays alike', async () => {
  const give = activity('give', (): Box => ({ list: [1] }));
  const change = workflow('change', { events: { more: event<Box>() } }, async (ctx, input: Box) => {
    input.list.push(9);
    const result = await ctx.callActivity(give);
    result.list.push(9);
    const more = await ctx.waitForExternalEvent('more');
    more.list.push(9);
    return [input, result, more];
  });
  await using t = await testHost({ workflows: [change], activities: [give] });
  await t.workflows.start(change, { instanceId: 'i', input: { list: [0] } });
  await t.settle();
  const before = await recorded(t, 'i');
  expect(before).not.toContain('9');
  await using second = await t.crash();
  await second.workflows.raiseEvent('i', 'more', { list: [2] });
  expect(await second.workflows.result('i')).toEqual([{ list: [0, 9] }, { list: [1, 9] }, { list: [2, 9] }]);
  expect((await recorded(second, 'i')).startsWith(before.slice(0, -1))).toBe(true);
});

test('a sender that changes the payload of an event after raising it changes nothing', async () => {
  const wait = workflow('wait', { events: { go: event<Box>() } }, async (ctx) => ctx.waitForExternalEvent('go'));
  await using t = await testHost({ workflows: [wait] });
  const instance = await t.workflows.start(wait, { instanceId: 'i' });
  const payload: Box = { list: [1] };
  const raising = instance.raiseEvent('go', payload);
  payload.list.push(2);
  await raising;
  payload.list.push(3);
  expect(await instance.result()).toEqual({ list: [1] });
});

test('what readers do to what they were shown nobody else sees', async () => {
  const show = workflow('show', async (ctx, input: Box) => {
    ctx.setCustomStatus({ list: [5] });
    return input;
  });
  const fail = workflow('fail', async () => {
    throw new RangeError('on purpose', { cause: new Error('because') });
  });
  await using t = await testHost({ workflows: [show, fail] });
  const instance = await t.workflows.start(show, { instanceId: 'i', input: { list: [1] }, tags: { a: 'b' } });
  const waiting = [instance.result(), instance.result(), t.workflows.wait('i')] as const;
  const [mine, yours, metadata] = await Promise.all(waiting);
  mine.list.push(2);
  const shown = metadata as unknown as { output: Box; input: Box; customStatus: Box; tags: Record<string, string> };
  shown.output.list.push(3);
  shown.input.list.push(3);
  shown.customStatus.list.push(3);
  shown.tags['a'] = 'c';
  expect(yours).toEqual({ list: [1] });
  expect(await instance.get()).toMatchObject({
    input: { list: [1] },
    output: { list: [1] },
    customStatus: { list: [5] },
    tags: { a: 'b' },
  });
  await t.workflows.start(fail, { instanceId: 'f' });
  const failed = (await t.workflows.wait('f'))!.failure as { message: string; cause: { message: string } };
  failed.cause.message = 'changed';
  expect((await t.workflows.get('f'))!.failure).toMatchObject({ message: 'on purpose', cause: { message: 'because' } });
});
