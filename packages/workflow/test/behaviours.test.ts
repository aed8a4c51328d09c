// Behaviours that engines of this kind are held to and that no other file here is about. docs/guarantees.md has the list.

import { expect, test } from 'vitest';
import { workflow } from '../src/index.ts';
import { testHost, type TestHost } from '../src/testing.ts';

/** Resolves for everybody once so many have come. */
function barrier(count: number): () => Promise<void> {
  const waiting: (() => void)[] = [];
  return () =>
    new Promise((resolve) => {
      waiting.push(resolve);
      if (waiting.length === count) for (const release of waiting) release();
    });
}

test.each([5, 10])('%i activities that wait for each other are all in flight at once, each once', async (count) => {
  const all = barrier(count);
  const w = workflow('w', (ctx) => Promise.all(Array.from({ length: count }, (_, n) => ctx.callActivity('meet', n))));
  const meet = async (n: number) => {
    await all();
    return n;
  };
  await using t = await testHost({ workflows: [w], fakes: { meet } });
  expect(await (await t.workflows.start(w)).result()).toEqual(Array.from({ length: count }, (_, n) => n));
  expect(t.executions.get('meet')).toBe(count);
});

test('each restart of the same host costs the same', async () => {
  const w = workflow('w', async (ctx) => {
    await ctx.callActivity('job');
    return [await ctx.waitForExternalEvent('a'), await ctx.callActivity('never')];
  });
  const fakes = { job: () => 1, never: () => new Promise(() => {}) };
  let t = await testHost({ workflows: [w], fakes });
  for (let n = 0; n < 20; n++) {
    const instance = await t.workflows.start(w, { instanceId: `i${n}` });
    if (n % 2 === 0) await instance.raiseEvent('a', n);
  }
  await t.settle();
  const costs: number[] = [];
  for (let restart = 0; restart < 3; restart++) {
    t = await t.crash();
    let operations = 0;
    t.store.faults = () => void (operations += 1);
    await t.advance('10m');
    costs.push(operations);
  }
  expect(new Set(costs).size).toBe(1);
  await t[Symbol.asyncDispose]();
});

/** All orders of a list. */
function orders<T>(list: readonly T[]): T[][] {
  if (list.length <= 1) return [[...list]];
  return list.flatMap((first, index) => orders(list.toSpliced(index, 1)).map((rest) => [first, ...rest]));
}

test('pause, resume, raise and the end of an activity in every order come to the same', async () => {
  const w = workflow('w', async (ctx) => {
    const job = ctx.callActivity('job');
    const events = [await ctx.waitForExternalEvent('e'), await ctx.waitForExternalEvent('e')];
    return [events.toSorted((a, b) => String(a).localeCompare(String(b))), await job];
  });
  for (const order of orders(['suspend', 'resume', 'first', 'second', 'end'])) {
    let end!: (value: string) => void;
    const job = () => new Promise<string>((resolve) => (end = resolve));
    await using t = await testHost({ workflows: [w], fakes: { job } });
    const instance = await t.workflows.start(w, { instanceId: 'i' });
    await t.settle();
    for (const step of order) {
      if (step === 'suspend') await instance.suspend().catch(unlessEnded);
      else if (step === 'resume') await instance.resume().catch(unlessEnded);
      else if (step === 'end') end('done');
      else await instance.raiseEvent('e', step);
      await t.settle();
    }
    const before = await instance.get();
    const paused = order.indexOf('suspend') > order.indexOf('resume');
    // It ended before the pause if the pause came last.
    expect(before?.runtimeStatus, order.join()).toBe(paused && order.at(-1) !== 'suspend' ? 'suspended' : 'completed');
    await instance.resume().catch(unlessEnded);
    expect(await instance.result(), order.join()).toEqual([['first', 'second'], 'done']);
  }
});

function unlessEnded(error: Error): void {
  if (error.name !== 'InstanceEndedError') throw error;
}

test('a terminate that does not cascade leaves the children running, and their ends meet nobody', async () => {
  const kid = workflow('kid', (ctx) => ctx.waitForExternalEvent('go'));
  const parent = workflow('parent', (ctx) =>
    Promise.all(['k1', 'k2'].map((instanceId) => ctx.callChildWorkflow(kid, undefined, { instanceId }))),
  );
  await using t = await testHost({ workflows: [parent, kid] });
  await t.workflows.start(parent, { instanceId: 'p' });
  await t.settle();
  await t.workflows.terminate('p', { output: 'stopped' });
  await t.settle();
  expect(await t.workflows.count()).toEqual({ terminated: 1, running: 2 });
  for (const id of ['k1', 'k2']) {
    await t.workflows.raiseEvent(id, 'go', id);
    expect(await t.workflows.result(id)).toBe(id);
  }
  await t.settle();
  expect(await t.workflows.get('p')).toMatchObject({ runtimeStatus: 'terminated', output: 'stopped' });
});

test('all children end although the store fails again and again while they are terminated', async () => {
  const kid = workflow('kid', (ctx) => ctx.waitForExternalEvent('go'));
  const parent = workflow('parent', (ctx) => Promise.all(Array.from({ length: 40 }, () => ctx.callChildWorkflow(kid))));
  await using t = await testHost({ workflows: [parent, kid] });
  await t.workflows.start(parent, { instanceId: 'p' });
  await t.settle();
  let operations = 0;
  t.store.faults = () => {
    operations += 1;
    if (operations % 3 === 0) return { fail: 'before-write' };
    return operations % 4 === 0 ? { fail: 'after-write' } : undefined;
  };
  const terminated = t.workflows.terminate('p', { recursive: true, idempotencyKey: 'k' }).catch(() => {});
  await t.advance('5m');
  await terminated;
  t.store.faults = undefined;
  await t.advance('5m');
  expect(await t.workflows.count()).toEqual({ terminated: 41 });
});

test('a loop of children of uneven latency takes each as it comes, over continue-as-new', async () => {
  const kid = workflow('kid', async (ctx, n: number) => {
    await ctx.createTimer(((n * 7) % 5) * 1_000);
    return n;
  });
  const w = workflow('w', async (ctx, { round, seen }: { round: number; seen: number[] }) => {
    const numbers = Array.from({ length: 5 }, (_, index) => round * 5 + index);
    const order: number[] = [];
    await Promise.all(numbers.map(async (n) => order.push(await ctx.callChildWorkflow(kid, n))));
    if (round === 3) return [...seen, ...order];
    ctx.continueAsNew({ round: round + 1, seen: [...seen, ...order] });
    return [];
  });
  await using t = await testHost({ workflows: [w, kid] });
  await t.workflows.start(w, { instanceId: 'i', input: { round: 0, seen: [] } });
  await t.advance('1m');
  const output = (await t.workflows.result('i')) as number[];
  const expected = [0, 1, 2, 3].flatMap((round) =>
    Array.from({ length: 5 }, (_, index) => round * 5 + index).toSorted((a, b) => ((a * 7) % 5) - ((b * 7) % 5)),
  );
  expect(output).toEqual(expected);
  expect(await t.workflows.count()).toEqual({ completed: 21 });
});

test('one that failed tells type, message, cause and stack, and has no output', async () => {
  const w = workflow('w', async (ctx) => {
    try {
      await ctx.callActivity('bad');
    } catch (error) {
      throw new RangeError('out of range', { cause: error });
    }
  });
  const bad = () => {
    throw new TypeError('not that');
  };
  const check = async ({ workflows }: TestHost): Promise<void> => {
    const found = await workflows.get('i');
    expect(found).toMatchObject({
      runtimeStatus: 'failed',
      failure: {
        type: 'RangeError',
        message: 'out of range',
        stack: expect.stringContaining('behaviours.test.ts'),
        cause: { type: 'TypeError', message: 'not that' },
      },
    });
    expect(found).not.toHaveProperty('output');
  };
  const first = await testHost({ workflows: [w], fakes: { bad } });
  await first.workflows.start(w, { instanceId: 'i' });
  await first.settle();
  await check(first);
  await using second = await first.crash();
  await check(second);
});
