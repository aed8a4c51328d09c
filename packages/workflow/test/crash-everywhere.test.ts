// Crash everywhere (I15): a crash before and after every store operation of varied workflows changes nothing of what they
// end with, and no call of an activity is executed more often than once more.

import { expect, test } from 'vitest';
import { workflow, type AnyWorkflow, type WorkflowClient } from '../src/index.ts';
import { crashEverywhere, type CrashScenario } from '../src/testing.ts';

const begin = (definition: AnyWorkflow, input?: unknown) => (workflows: WorkflowClient) =>
  workflows.start(definition, { instanceId: 'w', input, ifExists: 'attach' });
const raise = (name: string, payload: unknown, key: string) => (workflows: WorkflowClient) =>
  workflows.raiseEvent('w', name, payload, { idempotencyKey: key });

const sequence = workflow('sequence', async (ctx, name: string) => {
  const out: unknown[] = [];
  for (let index = 0; index < 3; index++) out.push(await ctx.callActivity('job', `${name}${index}`));
  return out;
});
const fan = workflow('fan', async (ctx) => {
  const results = await Promise.all(
    [1, 2, 3, 4].map(async (n) => [await ctx.callActivity('job', n), await ctx.callActivity('job', -n)]),
  );
  return [results, await ctx.step('sum', () => 10)];
});
const timed = workflow('timed', async (ctx) => {
  await ctx.createTimer(60_000);
  const late = ctx.createTimer(10 * 60_000).then(() => 'late');
  const first = await Promise.race([late, ctx.callActivity('job', 'x')]);
  await late;
  return first;
});
const events = workflow('events', async (ctx) => {
  const seen = [await ctx.waitForExternalEvent('a'), await ctx.waitForExternalEvent('b', { timeoutMs: 3_600_000 })];
  const none = await ctx.waitForExternalEvent('c', { timeoutMs: 1_000 }).catch((error: Error) => error.name);
  return [...seen, none, await ctx.callActivity('job', 'end')];
});
let failuresLeft = 0;
const retrying = workflow('retrying', async (ctx) => {
  const flaky = await ctx.callActivity('flaky', 1, { retry: { maxAttempts: 9, initialIntervalMs: 1_000, jitter: 0 } });
  return [flaky, await ctx.callActivity('bad', 1).catch((error: Error) => error.message)];
});
const undoing = workflow('undoing', async (ctx) => {
  for (const name of ['a', 'b', 'c']) await ctx.step(name, () => name, { undo: () => {} });
  await ctx.callActivity('bad');
});
const eternal = workflow('eternal', async (ctx, sum: number) => {
  const n = await ctx.waitForExternalEvent<number>('n');
  await ctx.callActivity('job', n);
  if (sum + n >= 6) return sum + n;
  ctx.continueAsNew(sum + n);
  return 0;
});
const child = workflow('child', async (ctx, n: number) => {
  await ctx.createTimer(1_000);
  if (n === 2) throw new RangeError('two');
  return ctx.callActivity('job', n);
});
const parent = workflow('parent', async (ctx) => {
  const kids = await Promise.allSettled([1, 2].map((n) => ctx.callChildWorkflow(child, n)));
  ctx.raiseEvent('w', 'own', 5);
  return [kids.map(({ status }) => status), await ctx.waitForExternalEvent('own')];
});

const fakes = {
  job: (input: unknown) => `did ${String(input)}`,
  flaky: () => {
    if (failuresLeft-- > 0) throw new Error('flaky');
    return 'at last';
  },
  bad: () => {
    throw new Error('bad');
  },
};

const scenarios: Record<string, Pick<CrashScenario, 'script' | 'workflows'>> = {
  'a sequence of activities': { workflows: [sequence], script: [begin(sequence, 's')] },
  'a fan-out with follow-ups and a step': { workflows: [fan], script: [begin(fan)] },
  'timers, and a race with one': { workflows: [timed], script: [begin(timed), '1m', '11m'] },
  'events before and after their waits, and a time-out': {
    workflows: [events],
    script: [begin(events), raise('B', 'b1', 'k1'), '1s', raise('a', 'a1', 'k2'), '5s'],
  },
  'retries and a failure': { workflows: [retrying], script: [begin(retrying), '10s'] },
  undos: { workflows: [undoing], script: [begin(undoing)] },
  'continue-as-new with kept events': {
    workflows: [eternal],
    script: [begin(eternal, 0), raise('n', 1, 'e1'), raise('n', 2, 'e2'), raise('n', 3, 'e3')],
  },
  'children, one of which fails, and an event to itself': { workflows: [parent, child], script: [begin(parent), '1s'] },
};

const ends: Record<string, unknown> = {
  'a sequence of activities': ['did s0', 'did s1', 'did s2'],
  'timers, and a race with one': 'did x',
  'events before and after their waits, and a time-out': ['a1', 'b1', 'EventTimeoutError', 'did end'],
  'continue-as-new with kept events': 6,
  'children, one of which fails, and an event to itself': [['fulfilled', 'rejected'], 5],
};

test.each(Object.entries(scenarios))('%s', { timeout: 120_000 }, async (name, scenario) => {
  const report = await crashEverywhere({ ...scenario, fakes, instanceIds: ['w'], before: () => (failuresLeft = 2) });
  expect(report.operations).toBeGreaterThan(2);
  if (ends[name] !== undefined) expect(report.ends['w']!.output).toEqual(ends[name]);
  else expect(['completed', 'failed']).toContain(report.ends['w']!.status);
});
