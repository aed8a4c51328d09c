import { expect, test } from 'vitest';
import { activity, event, workflow, type WorkflowClient } from '../src/index.ts';
import { crashEverywhere, replayHistory, testHost } from '../src/testing.ts';

const charge = activity('charge', async (_ctx, amount: number): Promise<string> => {
  throw new Error(`no card reader here for ${amount}`);
});
const order = workflow('order', { events: { approved: event<{ by: string }>() } }, async (ctx, amount: number) => {
  const receipt = await ctx.callActivity(charge, amount);
  const approval = await ctx.waitForExternalEvent('approved', { timeoutMs: 3 * 86_400_000 });
  return `${receipt} by ${approval.by}`;
});

test('a workflow runs against fakes of its activities, and days pass at once', async () => {
  await using t = await testHost({
    workflows: [order],
    activities: [charge],
    fakes: { charge: (amount: number) => `receipt ${amount}` },
  });
  const instance = await t.workflows.start(order, { input: 5 });
  await t.advance('2d');
  await instance.raiseEvent('approved', { by: 'ada' });
  expect(await instance.result()).toBe('receipt 5 by ada');
  expect(t.executions.get('charge')).toBe(1);
  const late = await t.workflows.start(order, { input: 6 });
  await t.advance('3d');
  await expect(late.result()).rejects.toMatchObject({ failure: { type: 'EventTimeoutError' } });
  await expect(t.advance('soon')).rejects.toThrow(TypeError);
});

test('a stored history is replayed against today’s code, also after a way through JSON', async () => {
  await using t = await testHost({ workflows: [order], fakes: { charge: () => 'receipt' } });
  const instance = await t.workflows.start(order, { instanceId: 'i', input: 5 });
  await instance.raiseEvent('approved', { by: 'ada' });
  await instance.result();
  const exported = JSON.stringify({ instanceId: 'i', ...(await instance.history()) });
  expect(await replayHistory(order, JSON.parse(exported))).toEqual({ outcome: 'completed', output: 'receipt by ada' });
  const changed = workflow('order', async (ctx) => ctx.createTimer(1));
  await expect(replayHistory(changed, JSON.parse(exported))).rejects.toThrow(
    'the history has activity "charge" (#1), the code asks for a timer (#1) at ',
  );
  const shorter = workflow('order', async (ctx, amount: number) => ctx.callActivity(charge, amount));
  await expect(replayHistory(shorter, JSON.parse(exported))).rejects.toThrow('the code asks for its end');
});

test('crash everywhere finds a workflow that does not do again what it did', { timeout: 60_000 }, async () => {
  let runs = 0;
  const careless = workflow('careless', async (ctx) => {
    runs += 1;
    await ctx.callActivity('a', 1);
    if (runs > 1) await ctx.createTimer(1);
    return 'done';
  });
  const scenario = {
    workflows: [careless],
    fakes: { a: () => 1 },
    script: [(workflows: WorkflowClient) => workflows.start(careless, { instanceId: 'i', ifExists: 'attach' })],
    instanceIds: ['i'],
    before: () => (runs = 0),
  };
  await expect(crashEverywhere(scenario)).rejects.toThrow(
    /a crash (before|after) store operation \d+ .* changes the outcome/,
  );
});
