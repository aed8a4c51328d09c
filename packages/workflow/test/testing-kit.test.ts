import { expect, test } from 'vitest';
import {
  activity,
  event,
  exportHistory,
  InstanceNotFoundError,
  workflow,
  type HistoryPage,
  type WorkflowClient,
} from '../src/index.ts';
import { crashEverywhere, replayExactly, replayHistory, testHost, type StoredHistory } from '../src/testing.ts';

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

test('a stored history is given whole, in one page or in several', async () => {
  const long = workflow('long', async (ctx) => {
    let sum = 0;
    for (let n = 0; n < 6; n++) sum += await ctx.callActivity<number>('one');
    return sum;
  });
  await using t = await testHost({ workflows: [long], fakes: { one: () => 1 } });
  await t.workflows.start(long, { instanceId: 'i' });
  await t.workflows.result('i');
  const whole = JSON.parse(JSON.stringify(await exportHistory(t.workflows, 'i')));
  expect(whole).toMatchObject({ instanceId: 'i', workflowName: 'long', events: { length: 14 } });
  const done = { outcome: 'completed', output: 6 };
  expect(await replayHistory(long, whole)).toEqual(done);

  const pages: StoredHistory[] = [];
  for (let from: number | undefined = 1; from !== undefined;) {
    const page: HistoryPage = await t.workflows.history('i', { from, limit: 4 });
    pages.push(JSON.parse(JSON.stringify({ instanceId: 'i', ...page })));
    from = page.next;
  }
  expect(pages).toHaveLength(4);
  expect(await replayHistory(long, pages)).toEqual(done);
  await expect(replayHistory(long, pages[0]!)).rejects.toThrow(
    'the history of i goes on at event 5: give all pages of it',
  );
  await expect(replayHistory(long, pages.slice(1))).rejects.toThrow('lacks its beginning');
  await expect(replayHistory(long, pages.toSpliced(1, 1))).rejects.toThrow(
    'lacks a page: event 9 is in a place of another',
  );
  await expect(replayHistory(long, [])).rejects.toThrow(TypeError);
  await expect(exportHistory(t.workflows, 'nobody')).rejects.toThrow(InstanceNotFoundError);
});

test('the history of an instance whose code never ran fits any code', async () => {
  await using t = await testHost({ workflows: [order], fakes: { charge: () => 'receipt' } });
  const instance = await t.workflows.start(order, {
    instanceId: 'i',
    input: 5,
    startAt: new Date(t.clock.nowMs() + 1_000),
  });
  await instance.terminate();
  const history = await exportHistory(t.workflows, 'i');
  expect(history.events).toHaveLength(2);
  expect(await replayHistory(order, history)).toEqual({ outcome: undefined, output: undefined });
  await replayExactly(order, history);
});

test('an exact replay compares inputs and times too', async () => {
  const asks = (input: unknown, delayMs: number) =>
    workflow('w', async (ctx) => {
      await ctx.callActivity('a', input);
      await ctx.createTimer(delayMs);
    });
  const recorded = asks({ n: 1 }, 1_000);
  await using t = await testHost({ workflows: [recorded], fakes: { a: () => new Date(0) } });
  await t.workflows.start(recorded, { instanceId: 'i' });
  await t.advance('2s');
  const history = await exportHistory(t.workflows, 'i');
  await replayExactly(recorded, history);
  await expect(replayExactly(asks({ n: 2 }, 1_000), history)).rejects.toThrow('input: { n: 2 }');
  await expect(replayExactly(asks({ n: 1 }, 1_001), history)).rejects.toThrow('where its history has');
  expect(await replayHistory(asks({ n: 2 }, 1_001), history)).toMatchObject({ outcome: 'completed' });
});

/** Each differs from what it did before a crash, in another way. */
let runs = 0;
const careless = {
  'in its commands': workflow('careless', async (ctx) => {
    runs += 1;
    await ctx.callActivity('a', 1);
    if (runs > 1) await ctx.createTimer(1);
  }),
  'in an input': workflow('careless', async (ctx) => {
    runs += 1;
    await ctx.callActivity('a', runs);
    await ctx.callActivity('a', 0);
  }),
  'in its output': workflow('careless', async (ctx) => {
    runs += 1;
    await ctx.callActivity('a', 1);
    return runs;
  }),
  'in its custom status': workflow('careless', async (ctx) => {
    runs += 1;
    await ctx.callActivity('a', 1);
    ctx.setCustomStatus(runs);
  }),
};

test.each(Object.entries(careless))('crash everywhere finds a workflow that differs %s', async (_, definition) => {
  const scenario = {
    workflows: [definition],
    fakes: { a: () => 1 },
    script: [(workflows: WorkflowClient) => workflows.start(definition, { instanceId: 'i', ifExists: 'attach' })],
    instanceIds: ['i'],
    before: () => (runs = 0),
  };
  await expect(crashEverywhere(scenario)).rejects.toThrow(
    /^(without a crash: a replay of i asks for|a crash (before|after) store operation \d+ \(\w+( of i)?\) changes the outcome of i)/,
  );
});

test('crash everywhere finds an activity whose result depends on how often it ran', async () => {
  const counting = workflow('counting', (ctx) => ctx.callActivity('a'));
  const scenario = {
    workflows: [counting],
    fakes: { a: () => (runs += 1) },
    script: [(workflows: WorkflowClient) => workflows.start(counting, { instanceId: 'i', ifExists: 'attach' })],
    instanceIds: ['i'],
    before: () => (runs = 0),
  };
  await expect(crashEverywhere(scenario)).rejects.toThrow('changes the outcome of i');
});

test('crash everywhere finds what only the comparison of the scenario sees', async () => {
  const counting = workflow('counting', async (ctx) => void (await ctx.callActivity('a')));
  const scenario = {
    workflows: [counting],
    fakes: { a: () => void (runs += 1) },
    script: [(workflows: WorkflowClient) => workflows.start(counting, { instanceId: 'i', ifExists: 'attach' })],
    instanceIds: ['i'],
    before: () => (runs = 0),
    compare: () => Promise.resolve(runs),
  };
  await expect(crashEverywhere(scenario)).rejects.toThrow(/changes what is compared:\n2\ninstead of\n1$/);
  expect((await crashEverywhere({ ...scenario, compare: () => Promise.resolve(runs > 0) })).compared).toBe(true);
});

test('crash everywhere refuses a scenario that does not repeat itself', async () => {
  const waiting = workflow('waiting', (ctx) => ctx.callActivity('a'));
  const scenario = {
    workflows: [waiting],
    fakes: { a: () => 1 },
    script: [
      async (workflows: WorkflowClient) => {
        await workflows.start(waiting, { instanceId: 'i', ifExists: 'attach' });
        if (runs++ === 0) for (let n = 0; n < 9; n++) await workflows.get(`other${n}`);
      },
    ],
    instanceIds: ['i'],
  };
  runs = 0;
  await expect(crashEverywhere(scenario)).rejects.toThrow('the scenario does not repeat itself');
});
