// How a workflow is tested: fakes for its activities, days that pass at once, a crash at every operation of the store, and
// the histories of yesterday's instances against today's code. All in this process; any test runner can run it.

import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { activity, event, EventTimeoutError, workflow } from '@troupe/workflow';
import { crashEverywhere, replayHistory, testHost } from '@troupe/workflow/testing';

const DAY_MS = 24 * 60 * 60 * 1_000;

const charge = activity('charge', (_ctx, cents: number): string => {
  throw new Error(`this would really charge ${cents} cents`);
});
const refund = activity('refund', (_ctx, receipt: string): void => {
  throw new Error(`this would really pay ${receipt} back`);
});

// What is tested.
const order = workflow('order', { events: { approved: event<string>() } }, async (ctx, cents: number) => {
  const retry = { maxAttempts: 5, initialIntervalMs: 60_000 };
  const receipt = await ctx.callActivity(charge, cents, { retry });
  ctx.setCustomStatus('waiting for approval');
  try {
    return `approved by ${await ctx.waitForExternalEvent('approved', { timeoutMs: 3 * DAY_MS })}`;
  } catch (error) {
    if (!(error instanceof EventTimeoutError)) throw error;
    await ctx.callActivity(refund, receipt);
    return 'paid back';
  }
});

const fakes = { charge: (cents: number) => `receipt for ${cents}`, refund: () => undefined };
const options = { workflows: [order], activities: [charge, refund], fakes };

// Fakes stand in for the activities.
{
  await using test = await testHost(options);
  const instance = await test.workflows.start(order, { input: 1200 });
  await instance.raiseEvent('approved', 'Ada');
  assert.equal(await instance.result(), 'approved by Ada');
  assert.deepEqual([...test.executions], [['charge', 1]]);
  console.log('with fakes: approved, charged once');
}

// Time stands still until it is moved: three days pass at once, and so do the delays of retries.
{
  let failures = 2;
  const flaky = (cents: number) => {
    if (failures-- > 0) throw new Error('the payment service is away');
    return `receipt for ${cents}`;
  };
  await using test = await testHost({ ...options, fakes: { ...fakes, charge: flaky } });
  const instance = await test.workflows.start(order, { input: 1200 });
  await test.advance('10m');
  assert.equal((await instance.get())?.customStatus, 'waiting for approval');
  await test.advance('3d');
  assert.equal(await instance.result(), 'paid back');
  console.log('in no time: charged at the third attempt, paid back after three days');
}

// The process dies before and after each operation of the store. Every run must end as the undisturbed one.
{
  const report = await crashEverywhere({
    ...options,
    script: [
      (workflows) => workflows.start(order, { instanceId: 'o1', input: 1200, ifExists: 'attach' }),
      '1d',
      (workflows) => workflows.raiseEvent('o1', 'approved', 'Ada', { idempotencyKey: 'approval' }),
    ],
    instanceIds: ['o1'],
  });
  assert.equal(report.ends['o1']?.output, 'approved by Ada');
  console.log(`crashed everywhere: ${report.runs - 1} crashes, one outcome`);
}

// A history as `troupe workflow history ID` prints it, kept with the code. Today's code must still do what it recorded.
{
  const history = JSON.parse(await readFile(new URL('histories/order.json', import.meta.url), 'utf8'));
  const { output } = await replayHistory(order, history);
  console.log(`replayed order.json: ${String(output)}`);

  const changed = workflow('order', async (ctx, cents: number) => {
    await ctx.createTimer(60_000);
    await ctx.callActivity(charge, cents);
  });
  await assert.rejects(replayHistory(changed, history), (error: Error) => {
    console.log(`replayed against a change: ${error.name}`);
    return error.name === 'NondeterminismError';
  });
}
