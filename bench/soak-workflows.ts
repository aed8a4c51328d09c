// What the soak runs: a workflow for each thing that an instance can do, small enough that many run in a second.

import { actor } from '@troupe/actors';
import { activity, workflow, type AnyWorkflow } from '@troupe/workflow';

const echo = activity('echo', (_, value: number) => value);

/** Fails that many times before it works. */
const flaky = activity('flaky', (ctx, failures: number) => {
  if (ctx.attempt <= failures) throw new Error(`attempt ${ctx.attempt}`);
  return ctx.attempt;
});

export const soakActivities = [echo, flaky];

export const steps = workflow('steps', async (ctx, count: number) => {
  let sum = 0;
  for (let step = 1; step <= count; step++) sum += await ctx.callActivity(echo, step);
  return sum;
});

export const spread = workflow('spread', async (ctx, width: number) => {
  const parts = await Promise.all(Array.from({ length: width }, (_, index) => ctx.callActivity(echo, index)));
  return parts.length;
});

export const nap = workflow('nap', async (ctx, ms: number) => {
  await ctx.createTimer(ms);
  return ms;
});

/** Takes so many events, whenever they come. */
export const listener = workflow('listener', async (ctx, count: number) => {
  let sum = 0;
  for (let taken = 0; taken < count; taken++) sum += await ctx.waitForExternalEvent<number>('number');
  return sum;
});

/** Waits for an event that may not come in time. */
export const impatient = workflow('impatient', async (ctx, timeoutMs: number) => {
  try {
    return await ctx.waitForExternalEvent<number>('number', { timeoutMs });
  } catch {
    return 'too late';
  }
});

export const parent = workflow('parent', async (ctx, children: number) => {
  const sums = await Promise.all(
    Array.from({ length: children }, (_, index) =>
      // Named, so that ids come back: caches hold what was purged for a while.
      ctx.callChildWorkflow(steps, index + 1, { instanceId: `${ctx.instanceId}.${index}` }),
    ),
  );
  return sums.length;
});

/** Has children that wait for ever. */
export const patientParent = workflow('patientParent', async (ctx, children: number) => {
  await Promise.all(
    Array.from({ length: children }, (_, index) =>
      ctx.callChildWorkflow(listener, 1, { instanceId: `${ctx.instanceId}.${index}` }),
    ),
  );
});

/** Begins anew until nothing is left of its number; takes an event in each round. */
export const countdown = workflow('countdown', async (ctx, left: number) => {
  await ctx.callActivity(echo, left);
  if (left === 0) return 'done';
  await ctx.waitForExternalEvent('go on');
  ctx.continueAsNew(left - 1);
});

export const retrying = workflow('retrying', async (ctx, failures: number) =>
  ctx.callActivity(flaky, failures, { retry: { maxAttempts: 3, initialIntervalMs: 5 } }),
);

/** Its end is purged by its own retention. */
export const shortLived = workflow('shortLived', { retention: { completed: 500 } }, async (ctx, value: number) =>
  ctx.callActivity(echo, value),
);

/** An actor beside the workflows: state, sends, reminders. */
export const ledger = actor('ledger', {
  state: () => ({ total: 0, rung: 0 }),
  methods: {
    add(ctx, amount: number, forwardTo?: string) {
      ctx.state.total += amount;
      if (forwardTo !== undefined) ctx.send(ledger, forwardTo).add(amount);
      return ctx.state.total;
    },
    remind: (ctx, delayMs: number) => ctx.setReminder('ring', { delayMs }),
    remove: (ctx) => ctx.purge(),
  },
  readOnly: {
    look: (ctx) => ({ ...ctx.state }),
  },
  onReminder: (ctx) => {
    ctx.state.rung++;
  },
});

export const soakWorkflows: readonly AnyWorkflow[] = [
  steps,
  spread,
  nap,
  listener,
  impatient,
  parent,
  patientParent,
  countdown,
  retrying,
  shortLived,
];
