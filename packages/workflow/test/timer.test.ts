import { ManualClock } from '@troupe/actors/testing';
import { expect, test } from 'vitest';
import { workflow } from '../src/index.ts';
import { testHost } from '../src/testing.ts';

test('timers of 0, in the past, by date and in milliseconds', async () => {
  const w = workflow('w', async (ctx) => {
    const start = ctx.now().getTime();
    const out: number[] = [];
    for (const delay of [0, -5_000, new Date(0), new Date(start + 2_000), 3_000]) {
      await ctx.createTimer(delay);
      out.push(ctx.now().getTime() - start);
    }
    return out;
  });
  await using t = await testHost({ workflows: [w] });
  const instance = await t.workflows.start(w);
  await t.advance('1m');
  expect(await instance.result()).toEqual([0, 0, 0, 2_000, 5_000]);
});

test('a timer far beyond what setTimeout can hold', async () => {
  const w = workflow('w', (ctx) => ctx.createTimer(60 * 86_400_000));
  let t = await testHost({ workflows: [w] });
  const instance = await t.workflows.start(w, { instanceId: 'i' });
  await t.advance('59d');
  expect((await instance.get())?.runtimeStatus).toBe('running');
  t = await t.crash();
  await t.advance('1d');
  expect((await t.workflows.get('i'))?.runtimeStatus).toBe('completed');
  await t[Symbol.asyncDispose]();
});

test('hundreds of timers at once, also of the same time', async () => {
  const w = workflow('w', async (ctx) => {
    const fired: number[] = [];
    await Promise.all(
      Array.from({ length: 300 }, (_, n) => ctx.createTimer((n % 3) * 1_000 + 1).then(() => fired.push(n))),
    );
    return fired.length;
  });
  await using t = await testHost({ workflows: [w] });
  const instance = await t.workflows.start(w);
  await t.advance('10s');
  expect(await instance.result()).toBe(300);
});

test.each([Number.NaN, Infinity, '5' as never, 9e15, new Date(Number.NaN), undefined as never])(
  'a timer of %s is an error in the workflow',
  async (delay) => {
    const w = workflow('w', (ctx) => ctx.createTimer(delay));
    await using t = await testHost({ workflows: [w] });
    await expect((await t.workflows.start(w)).result()).rejects.toMatchObject({ failure: { type: 'RangeError' } });
  },
);

/** A clock that somebody sets. */
class SetClock extends ManualClock {
  aheadMs = 0;
  override nowMs(): number {
    return super.nowMs() + this.aheadMs;
  }
}

test('a clock that is set back holds up nothing that has begun: a late start, a retry, one that came due while suspended', async () => {
  const clock = new SetClock();
  const w = workflow('w', async (ctx) => {
    const retry = { maxAttempts: 2, initialIntervalMs: 5_000, jitter: 0 };
    const flaky = ctx.callActivity('flaky', undefined, { retry });
    return [await ctx.waitForExternalEvent('e'), await flaky];
  });
  const flaky = (_: unknown, { attempt }: { attempt: number }) => {
    if (attempt === 1) throw new Error('not yet');
    return 'flaky';
  };
  await using t = await testHost({ workflows: [w], fakes: { flaky }, clock });
  const startAt = new Date(clock.nowMs() + 10_000);
  await t.workflows.start(w, { instanceId: 'running', startAt });
  await t.workflows.start(w, { instanceId: 'suspended', startAt });
  await t.workflows.start(w, { instanceId: 'not begun', startAt });
  await t.workflows.suspend('not begun');
  await t.advance('11s');
  await t.workflows.suspend('suspended');
  await t.advance('10s');
  clock.aheadMs = -3_600_000;
  for (const id of ['running', 'suspended', 'not begun']) {
    await t.workflows.resume(id);
    await t.workflows.raiseEvent(id, 'e', id);
    await t.settle();
  }
  await t.advance('10s');
  for (const id of ['running', 'suspended', 'not begun'])
    expect(await t.workflows.get(id)).toMatchObject({ runtimeStatus: 'completed', output: [id, 'flaky'] });
});
