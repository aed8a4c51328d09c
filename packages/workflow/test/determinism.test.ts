import { expect, test } from 'vitest';
import { workflow, type AnyWorkflow, type WorkflowContext } from '../src/index.ts';
import { testHost } from '../src/testing.ts';

const fakes = { a: (input: unknown) => input, b: (input: unknown) => input };

test('time, random numbers and UUIDs are the same in every replay; the logger is silent in it', async () => {
  const runs: unknown[][] = [];
  const logged: string[] = [];
  const w = workflow('w', async (ctx) => {
    const run: unknown[] = [];
    runs.push(run);
    for (let n = 0; n < 3; n++) {
      run.push(ctx.now().getTime(), ctx.random(), ctx.uuid());
      ctx.logger.info({}, `step ${n} ${ctx.isReplaying}`);
      await ctx.createTimer(1_000);
    }
    return run;
  });
  const logger = { debug() {}, warn() {}, error() {}, info: (_: object, message: string) => void logged.push(message) };
  let t = await testHost({ workflows: [w], logger });
  await t.workflows.start(w, { instanceId: 'i' });
  for (let n = 0; n < 3; n++) {
    t = await t.crash();
    await t.advance('1s');
  }
  const output = (await t.workflows.result('i')) as unknown[];
  expect(runs.length).toBeGreaterThan(3);
  for (const run of runs) expect(run).toEqual(output.slice(0, run.length));
  expect(new Set(output.filter((_, at) => at % 3 !== 0)).size).toBe(6);
  expect(logged).toEqual(['step 0 false', 'step 1 false', 'step 2 false']);
  await t[Symbol.asyncDispose]();
});

const recorded = async (ctx: WorkflowContext): Promise<unknown> => {
  await ctx.callActivity('a', 1);
  const second = ctx.callActivity('b', 2);
  await ctx.waitForExternalEvent('go');
  return second;
};

const changes: Record<string, [run: (ctx: WorkflowContext) => Promise<unknown>, was: string, is: string]> = {
  'another name': [
    async (ctx) => {
      await ctx.callActivity('a', 1);
      await ctx.callActivity('c', 2);
    },
    'activity "b" (#2)',
    'activity "c" (#2) at ',
  ],
  'another kind': [
    async (ctx) => {
      await ctx.callActivity('a', 1);
      await ctx.createTimer(1);
    },
    'activity "b" (#2)',
    'a timer (#2) at ',
  ],
  'something less': [
    async (ctx) => {
      await ctx.callActivity('a', 1);
      await ctx.waitForExternalEvent('go');
    },
    'activity "b" (#2)',
    'nothing',
  ],
  'something more': [
    async (ctx) => {
      await ctx.callActivity('a', 1);
      void ctx.callActivity('b', 2);
      await ctx.step('more', () => 1);
    },
    'nothing',
    'step "more" (#3) at ',
  ],
  'an early end': [
    async (ctx) => {
      await ctx.callActivity('a', 1);
      void ctx.callActivity('b', 2);
    },
    'nothing',
    'its end',
  ],
};

test.each(Object.entries(changes))(
  'code that asks for %s than was recorded stalls the instance; corrected code continues it',
  async (_, [run, was, is]) => {
    let t = await testHost({ workflows: [workflow('w', recorded)], fakes });
    await t.workflows.start('w', { instanceId: 'i' });
    await t.settle();
    t = await t.crash({ workflows: [workflow('w', run)] });
    await t.workflows.raiseEvent('i', 'go', 'kept');
    const found = (await t.workflows.get('i'))!;
    expect(found).toMatchObject({ runtimeStatus: 'stalled', failure: { type: 'NondeterminismError' } });
    expect(found.failure!.message).toMatch(/workflow w \(version 1\).* at event \d+ /);
    expect(found.failure!.message).toContain(`the history has ${was}, the code asks for ${is}`);
    if (is.endsWith(' at ')) expect(found.failure!.message).toMatch(/determinism\.test\.ts:\d+:\d+/);
    t = await t.crash({ workflows: [workflow('w', recorded)] });
    await t.settle();
    expect(await t.workflows.result('i')).toBe(2);
    await t[Symbol.asyncDispose]();
  },
);

const never = new Promise<void>(() => {});
const waits: Record<string, [run: (ctx: WorkflowContext) => Promise<unknown>, shown: RegExp]> = {
  setTimeout: [
    (ctx) => ctx.step('s', () => 1).then(() => new Promise((resolve) => setTimeout(resolve, 1))),
    /setTimeout at .*determinism\.test\.ts:\d+/,
  ],
  fetch: [async () => fetch('http://127.0.0.1:65534/'), /fetch at .*determinism\.test\.ts:\d+/],
  'a foreign promise': [
    async (ctx) => {
      await ctx.callActivity('a', 1);
      ctx.raiseEvent('other', 'e');
      await never;
    },
    /after event "e" to "other" \(#2\) at .*determinism\.test\.ts:\d+/,
  ],
};

test.each(Object.entries(waits))(
  'code that waits for %s is told so at once, with the line',
  async (_, [run, shown]) => {
    const w = workflow('waiting', run);
    await using t = await testHost({ workflows: [w], fakes });
    await t.workflows.start(w, { instanceId: 'i' });
    await t.settle();
    const found = (await t.workflows.get('i'))!;
    expect(found).toMatchObject({ runtimeStatus: 'stalled', failure: { type: 'NonDurableWaitError' } });
    expect(found.failure!.message).toContain('workflow waiting waits');
    expect(found.failure!.message).toMatch(shown);
  },
);

test('a context that is used outside a turn, or after the end, does nothing but stall its instance', async () => {
  let kept!: WorkflowContext;
  const w = workflow('w', async (ctx) => {
    kept = ctx;
    await ctx.waitForExternalEvent('go');
  });
  await using t = await testHost({ workflows: [w], fakes });
  const instance = await t.workflows.start(w, { instanceId: 'i' });
  await t.settle();
  void kept.callActivity('a', 1);
  kept.setCustomStatus('x');
  await instance.raiseEvent('go');
  expect(await instance.get()).toMatchObject({ runtimeStatus: 'stalled', failure: { type: 'OutsideTurnError' } });
  expect(await instance.get()).not.toHaveProperty('customStatus');
  await instance.resume();
  await t.settle();
  expect((await instance.get())?.runtimeStatus).toBe('completed');
  void kept.callActivity('a', 1);
  await t.settle();
  expect(t.executions.size).toBe(0);
});

test('generators, sync and async, yield what they would await', async () => {
  const body = function* (ctx: WorkflowContext): Generator<unknown, unknown, never> {
    const first: unknown = yield ctx.callActivity('a', 1);
    let caught = '';
    try {
      yield ctx.callActivity('bad');
    } catch (error) {
      caught = (error as Error).message;
    }
    const all: unknown = yield Promise.all([ctx.callActivity('a', 2), ctx.callActivity('b', 3)]);
    return [first, caught, all, yield 'plain'];
  };
  const asynchronous = async function* (ctx: WorkflowContext): AsyncGenerator<unknown, unknown, never> {
    const first: unknown = yield ctx.callActivity('a', 1);
    let caught = '';
    try {
      await ctx.callActivity('bad');
    } catch (error) {
      caught = (error as Error).message;
    }
    const all: unknown = yield Promise.all([ctx.callActivity('a', 2), ctx.callActivity('b', 3)]);
    return [first, caught, all, yield 'plain'];
  };
  for (const run of [body, asynchronous]) {
    const w = workflow('w', run as never) as AnyWorkflow;
    const bad = (): never => {
      throw new Error('bad');
    };
    let t = await testHost({ workflows: [w], fakes: { ...fakes, bad } });
    await t.workflows.start(w, { instanceId: 'i' });
    t = await t.crash();
    await t.settle();
    expect(await t.workflows.result('i')).toEqual([1, 'bad', [2, 3], 'plain']);
    await t[Symbol.asyncDispose]();
  }
});

test('a turn is not held to be over because of a tick that comes before its promise jobs', async () => {
  const w = workflow('w', async (ctx) => {
    await ctx.waitForExternalEvent('go');
    for (let n = 0; n < 20; n++) await Promise.resolve();
    return ctx.callActivity('a', 1);
  });
  await using t = await testHost({ workflows: [w], fakes });
  await t.workflows.start(w, { instanceId: 'i' });
  await t.workflows.start(w, { instanceId: 'j' });
  await t.settle();
  // The second is resumed by a tick between the end of the first one's promise jobs and the tick that proves it.
  void t.workflows.raiseEvent('i', 'go');
  queueMicrotask(() => process.nextTick(() => void t.workflows.raiseEvent('j', 'go')));
  await t.settle();
  expect(await t.workflows.count()).toEqual({ completed: 2 });
});
