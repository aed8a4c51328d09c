import { expect, test } from 'vitest';
import { workflow } from '../src/index.ts';
import { testHost } from '../src/testing.ts';

test.each([25, 50])('%i events at once are taken once each, in order, over the generations', async (count) => {
  const w = workflow('w', async (ctx, seen: { x: unknown[]; y: unknown[] }) => {
    const name = (seen.x.length + seen.y.length) % 2 === 0 ? 'x' : 'y';
    const next = { ...seen, [name]: [...seen[name], await ctx.waitForExternalEvent(name)] };
    if (next.x.length + next.y.length === count * 2) return next;
    ctx.continueAsNew(next);
    return undefined;
  });
  await using t = await testHost({ workflows: [w] });
  const instance = await t.workflows.start(w, { instanceId: 'i', input: { x: [], y: [] } });
  const numbers = Array.from({ length: count }, (_, n) => n);
  await Promise.all(numbers.flatMap((n) => [t.workflows.raiseEvent('i', 'X', n), t.workflows.raiseEvent('i', 'Y', n)]));
  expect(await instance.result()).toEqual({ x: numbers, y: numbers });
});

test('without keepEvents what nobody took is dropped; the custom status begins anew', async () => {
  const w = workflow('w', async (ctx, generation: number) => {
    if (generation === 1) {
      ctx.setCustomStatus('first');
      await ctx.waitForExternalEvent('go');
      ctx.continueAsNew(2, { keepEvents: false });
      return undefined;
    }
    return ctx.waitForExternalEvent('other', { timeoutMs: 1_000 }).catch((error: Error) => error.name);
  });
  await using t = await testHost({ workflows: [w] });
  const instance = await t.workflows.start(w, { instanceId: 'i', input: 1 });
  await t.workflows.raiseEvent('i', 'other', 1);
  await t.workflows.raiseEvent('i', 'go');
  await t.settle();
  expect(await instance.get()).not.toHaveProperty('customStatus');
  await t.advance('1s');
  expect(await instance.result()).toBe('EventTimeoutError');
});

test(
  'a thousand generations leave one history and bounded rows, and a crash among them costs nothing',
  { timeout: 30_000 },
  async () => {
    const w = workflow('w', async (ctx, n: number) => {
      if (n === 1_000) return n;
      if (n % 100 === 0) await ctx.callActivity('a', n);
      ctx.continueAsNew(n + 1);
      return 0;
    });
    let t = await testHost({ workflows: [w], fakes: { a: () => 1 } });
    await t.workflows.start(w, { instanceId: 'i', input: 0 });
    await t.settle();
    t = await t.crash();
    await t.settle();
    expect(await t.workflows.result('i')).toBe(1_000);
    const { events } = await t.workflows.history('i');
    expect(events.map(({ type }) => type)).toEqual(['WorkflowStarted', 'WorkflowCompleted']);
    expect((await t.workflows.get('i'))?.executionId).toMatch(/\.1001$/);
    await t[Symbol.asyncDispose]();
  },
);

test('what the old generation had under way does not meet the new one', async () => {
  let finish!: (value: string) => void;
  const slow = workflow('slow', async (ctx) => {
    await ctx.waitForExternalEvent('go');
    return 'child of the old';
  });
  const w = workflow('w', async (ctx, generation: number) => {
    const activity = ctx.callActivity<string>('a', generation);
    const child = ctx.callChildWorkflow(slow, undefined, { instanceId: `c${generation}` });
    const timer = ctx.createTimer(generation * 1_000).then(() => `timer ${generation}`);
    if (generation === 1) {
      await ctx.waitForExternalEvent('again');
      ctx.continueAsNew(2);
      return undefined;
    }
    return [await timer, await activity, await child];
  });
  await using t = await testHost({
    workflows: [w, slow],
    fakes: { a: (n: number) => (n === 1 ? new Promise((resolve) => (finish = resolve)) : 'activity of the new') },
  });
  const instance = await t.workflows.start(w, { instanceId: 'i', input: 1 });
  await t.settle();
  await t.workflows.raiseEvent('i', 'again');
  await t.settle();
  finish('activity of the old');
  await t.workflows.raiseEvent('c1', 'go');
  await t.advance('1s');
  await t.workflows.raiseEvent('c2', 'go');
  await t.settle();
  expect((await instance.get())?.runtimeStatus).toBe('running');
  await t.advance('1s');
  expect(await instance.result()).toEqual(['timer 2', 'activity of the new', 'child of the old']);
});

test('the next generation takes the newest version, unless the start named one', async () => {
  const make = (version: string) =>
    workflow('w', { version }, async (ctx, again: boolean) => {
      if (!again) return `${version} ${ctx.version}`;
      await ctx.waitForExternalEvent('go');
      ctx.continueAsNew(false);
      return '';
    });
  let t = await testHost({ workflows: [make('1')] });
  await t.workflows.start('w', { instanceId: 'free', input: true });
  await t.workflows.start('w', { instanceId: 'pinned', input: true, version: '1' });
  t = await t.crash({ workflows: [make('1'), make('2')] });
  for (const id of ['free', 'pinned']) await t.workflows.raiseEvent(id, 'go');
  expect(await t.workflows.result('free')).toBe('2 2');
  expect(await t.workflows.result('pinned')).toBe('1 1');
  await t[Symbol.asyncDispose]();
});
