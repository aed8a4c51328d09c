// A store that fails once, at any operation, before or after the write: nothing is lost and nothing happens twice.

import { expect, test } from 'vitest';
import { workflow } from '../src/index.ts';
import { testHost } from '../src/testing.ts';

const child = workflow('child', (ctx, n: number) => ctx.callActivity('a', n));
const varied = workflow('varied', async (ctx) => {
  const branches = await Promise.all(
    [1, 2].map(async (n) => [await ctx.callActivity('a', n), await ctx.callActivity('a', -n)]),
  );
  const flaky = await ctx.callActivity('flaky', 0, { retry: { maxAttempts: 3, initialIntervalMs: 500, jitter: 0 } });
  await ctx.createTimer(1_000);
  const events = [await ctx.waitForExternalEvent('e'), await ctx.waitForExternalEvent('e')];
  return [branches, flaky, events, await ctx.callChildWorkflow(child, 7)];
});

test.each(['before-write', 'after-write'] as const)(
  'one failure %s, at every operation',
  { timeout: 60_000 },
  async (fail) => {
    let reached = true;
    let operations = 0;
    for (let failing = 1; reached; failing++) {
      const bodies: string[] = [];
      await using t = await testHost({
        workflows: [varied, child],
        fakes: {
          a: (n: number, ctx) => {
            bodies.push(ctx.idempotencyKey);
            return `a${n}`;
          },
          flaky: (_, { attempt }) => {
            if (attempt === 1) throw new Error('flaky');
            return attempt;
          },
        },
      });
      operations = 0;
      reached = false;
      t.store.faults = (operation) => {
        if (operation === 'due' || ++operations !== failing) return undefined;
        reached = true;
        return { fail };
      };
      const until = async (call: () => Promise<unknown>): Promise<void> => {
        for (let attempt = 0; attempt < 5; attempt++) {
          const called = call().then(
            () => true,
            () => false,
          );
          await t.advance('10s');
          if (await called) return;
        }
      };
      await until(() => t.workflows.start(varied, { instanceId: 'i', ifExists: 'attach' }));
      for (const key of ['k1', 'k2']) await until(() => t.workflows.raiseEvent('i', 'e', key, { idempotencyKey: key }));
      await t.advance('5m');
      t.store.faults = undefined;
      const found = await t.workflows.get('i');
      expect(found, `operation ${failing}`).toMatchObject({
        runtimeStatus: 'completed',
        output: [
          [
            ['a1', 'a-1'],
            ['a2', 'a-2'],
          ],
          2,
          ['k1', 'k2'],
          'a7',
        ],
      });
      expect(new Set(bodies).size, `operation ${failing}`).toBe(5);
      expect(bodies.length, `operation ${failing}`).toBeLessThanOrEqual(10);
      expect(await t.workflows.count()).toEqual({ completed: 2 });
    }
    expect(operations).toBeGreaterThan(8);
  },
);

test('a child that ends while the history of its parent cannot be read is told to it later', async () => {
  const kid = workflow('kid', (ctx) => ctx.waitForExternalEvent('go'));
  const parent = workflow('parent', (ctx) => ctx.callChildWorkflow(kid, undefined, { instanceId: 'kid' }));
  await using t = await testHost({ workflows: [kid, parent], idleTimeoutMs: 1_000 });
  await t.workflows.start(parent, { instanceId: 'parent' });
  await t.advance('10s');
  expect(t.host.status().activeInstances).toBe(0);
  let failures = 0;
  t.store.faults = (operation, address) => {
    if (operation !== 'read' || address?.id !== 'parent' || failures === 3) return undefined;
    failures += 1;
    return { fail: 'before-write' };
  };
  await t.workflows.raiseEvent('kid', 'go', 'the child');
  await t.advance('1m');
  expect(failures).toBe(3);
  expect(await t.workflows.get('parent')).toMatchObject({ runtimeStatus: 'completed', output: 'the child' });
});

test('a history of several pages is replayed whole', { timeout: 30_000 }, async () => {
  const w = workflow('w', async (ctx) => {
    let sum = 0;
    for (let n = 0; n < 1_100; n++) sum += await ctx.callActivity<number>('one');
    return [sum, await ctx.waitForExternalEvent('go')];
  });
  let t = await testHost({ workflows: [w], fakes: { one: () => 1 } });
  await t.workflows.start(w, { instanceId: 'i' });
  for (let round = 0; round < 400; round++) await t.settle();
  t = await t.crash();
  await t.workflows.raiseEvent('i', 'go', 'on');
  expect(await t.workflows.result('i')).toEqual([1_100, 'on']);
  expect(t.executions.size).toBe(0);
  await t[Symbol.asyncDispose]();
});
