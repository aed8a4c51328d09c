// Ends of workflows that start others, on real hosts in memory whose time is moved by hand.

import { expect, test } from 'vitest';
import { MemoryStore, type Logger, type StoreFault } from '@troupe/actors';
import { ManualClock } from '@troupe/actors/testing';
import { NonRetryableError, workflow } from '@troupe/workflow';
import { testHost, type TestHost } from '@troupe/workflow/testing';
import { endings, type EndedInstance, type EndingsOptions } from '../src/endings.ts';
import { drop, start, trigger, Triggers, type Action } from '../src/index.ts';

const order = workflow('order', async (ctx, input: { fail?: boolean; wait?: boolean; total?: number }) => {
  if (input.wait === true) await ctx.waitForExternalEvent('go');
  if (input.fail === true) throw new NonRetryableError('no stock');
  return { total: input.total ?? 1 };
});
const invoice = workflow('invoice', (_, ended: EndedInstance) => Promise.resolve(ended));

interface Stage extends AsyncDisposable {
  readonly t: TestHost;
  readonly triggers: Triggers;
  readonly warnings: string[];
}

interface StageOptions {
  readonly source?: Partial<EndingsOptions>;
  readonly do?: Action;
  readonly clock?: ManualClock;
  readonly store?: MemoryStore;
  /** Not started yet. */
  readonly idle?: boolean;
  /** No trigger hears of anything. */
  readonly deaf?: boolean;
  /** More triggers. */
  readonly also?: (triggers: Triggers) => void;
}

async function stageOf(options: StageOptions = {}): Promise<Stage> {
  const { clock = new ManualClock() } = options;
  const store = options.store ?? new MemoryStore({ clock });
  const triggers = new Triggers();
  const warnings: string[] = [];
  const warn = (_: object, message: string): void => void warnings.push(message);
  const logger: Logger = { debug() {}, info() {}, warn, error: warn };
  if (options.deaf !== true)
    trigger(triggers, 'bill', endings({ workflow: order, ...options.source }), { do: options.do ?? start(invoice) });
  options.also?.(triggers);
  const t = await testHost({
    clock,
    store,
    logger,
    workflows: [order, invoice],
    actors: triggers.actors,
    endings: triggers.endings,
  });
  if (options.idle !== true) await triggers.start(t.host);
  await t.settle();
  return {
    t,
    triggers,
    warnings,
    async [Symbol.asyncDispose]() {
      const stopped = triggers.stop({ graceMs: 0 });
      await t.advance(5_000);
      await stopped;
      await t[Symbol.asyncDispose]();
    },
  };
}

/** Another process goes on with what is durable. */
async function next({ t, triggers }: Stage, options: StageOptions = {}): Promise<Stage> {
  t.store.crash();
  void triggers.stop({ graceMs: 0 });
  void t.host.stop({ graceMs: 0 }).catch(() => {});
  return stageOf({
    ...options,
    clock: t.clock,
    store: new MemoryStore({ clock: t.clock, contents: t.store.snapshot() }),
  });
}

async function invoices(t: TestHost): Promise<EndedInstance[]> {
  const { instances } = await t.workflows.list({ workflowName: 'invoice', limit: 1_000 });
  return Promise.all(instances.map(async ({ instanceId }) => (await t.workflows.result(instanceId)) as EndedInstance));
}

/** Endings that are not settled: each has a reminder. */
async function unsettled({ store }: TestHost): Promise<number> {
  const { entries } = await store.due(0, Number.MAX_SAFE_INTEGER, undefined, 1_000);
  return entries.filter(({ address }) => address.type === 'trigger-ending').length;
}

test('an order that completes starts an invoice, which is told what became of it', async () => {
  await using stage = await stageOf();
  const { t } = stage;
  const traceparent = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01';
  const input = { total: 7 };
  await t.workflows.start(order, { instanceId: 'o/1', input, tags: { shop: 'b' }, traceparent });
  await t.settle();
  const [instance, ...others] = (await t.workflows.list({ workflowName: 'invoice' })).instances;
  expect(others).toEqual([]);
  const { executionId } = (await t.workflows.get('o/1'))!;
  const endedAt = new Date(t.clock.nowMs()).toISOString();
  expect(instance?.tags).toEqual({
    'event-source': 'workflow:order',
    'event-id': `o/1/${executionId}/${t.clock.nowMs()}`,
    trigger: 'bill',
  });
  expect(await invoices(t)).toEqual([
    {
      instanceId: 'o/1',
      workflowName: 'order',
      version: expect.any(String),
      executionId,
      status: 'completed',
      output: { total: 7 },
      tags: { shop: 'b' },
      createdAt: endedAt,
      endedAt,
    },
  ]);
  expect((await stage.triggers.status('bill')).counts).toEqual({ started: 1 });
});

test('only the ends that are asked for come, each with its failure or output', async () => {
  const seen: [string, string | undefined][] = [];
  await using stage = await stageOf({
    source: { on: ['failed', 'terminated'] },
    do: start(invoice, {
      input: (event) => {
        const ended = event.data as EndedInstance;
        seen.push([event.type, ended.failure?.message ?? (ended.output as string)]);
        return ended;
      },
    }),
  });
  const { workflows } = stage.t;
  await workflows.start(order, { instanceId: 'a', input: {} });
  await workflows.start(order, { instanceId: 'b', input: { fail: true } });
  await workflows.start(order, { instanceId: 'c', input: { wait: true } });
  await stage.t.settle();
  await workflows.terminate('c', { output: 'stopped' });
  await stage.t.settle();
  expect(seen).toEqual([
    ['workflow.failed', 'no stock'],
    ['workflow.terminated', 'stopped'],
  ]);
});

test('an instance id that is used again ends again', async () => {
  await using stage = await stageOf();
  const { workflows } = stage.t;
  for (let round = 0; round < 3; round++) {
    await workflows.start(order, { instanceId: 'o', input: { total: round }, ifExists: 'restart-if-terminal' });
    await stage.t.settle();
  }
  const totals = (await invoices(stage.t)).map(({ output }) => (output as { total: number }).total);
  expect(totals.toSorted((a, b) => a - b)).toEqual([0, 1, 2]);
});

test('two triggers each get an ending; nothing of it is left when both have settled it', async () => {
  const second: string[] = [];
  await using stage = await stageOf({
    also: (triggers) =>
      trigger(triggers, 'audit', endings({ workflow: ['order'] }), {
        filter: (event) => second.push(event.id) > 0,
        do: drop(),
      }),
  });
  await stage.t.workflows.start(order, { instanceId: 'o', input: {} });
  await stage.t.advance('1m');
  expect(await invoices(stage.t)).toHaveLength(1);
  expect(second).toHaveLength(1);
  expect(await unsettled(stage.t)).toBe(0);
});

test('an ending that comes before the triggers are started is kept until they are', async () => {
  await using stage = await stageOf({ idle: true });
  await stage.t.workflows.start(order, { instanceId: 'o', input: {} });
  await stage.t.advance('1m');
  expect(await unsettled(stage.t)).toBe(1);
  await stage.triggers.start(stage.t.host);
  // Its pauses have grown meanwhile, up to five minutes.
  await stage.t.advance('10m');
  expect(await invoices(stage.t)).toHaveLength(1);
  expect(await unsettled(stage.t)).toBe(0);
});

test('an ending that no trigger wants any more is dropped after an hour, and logged', async () => {
  await using first = await stageOf({ idle: true });
  await first.t.workflows.start(order, { instanceId: 'o', input: {} });
  await first.t.settle();
  await using second = await next(first, { deaf: true });
  await second.t.advance('50m');
  expect(await unsettled(second.t)).toBe(1);
  await second.t.advance('20m');
  expect(await unsettled(second.t)).toBe(0);
  expect(second.warnings).toEqual(['no trigger wants this ending any more; it is dropped']);
});

test('a host without the trigger keeps an ending for the one that has it', async () => {
  await using first = await stageOf({ idle: true });
  await first.t.workflows.start(order, { instanceId: 'o', input: {} });
  await first.t.settle();
  await using second = await next(first, { deaf: true });
  await second.t.advance('10m');
  await using third = await next(second);
  await third.t.advance('10m');
  expect(await invoices(third.t)).toHaveLength(1);
});

test('a trigger does not hear of what it started itself, unless it is told to', async () => {
  const loop = { workflow: order } as const;
  await using stage = await stageOf({ source: loop, do: start(order, { input: () => ({}) }) });
  await stage.t.workflows.start(order, { instanceId: 'o', input: {} });
  await stage.t.advance('1m');
  expect((await stage.t.workflows.list({ workflowName: 'order' })).instances).toHaveLength(2);
  expect(stage.warnings).toEqual([expect.stringContaining('ownInstances')]);
  expect(await unsettled(stage.t)).toBe(0);
  let rounds = 0;
  await using wanted = await stageOf({
    source: { ...loop, ownInstances: true },
    do: start(order, { input: () => ({ wait: ++rounds === 5 }) }),
  });
  await wanted.t.workflows.start(order, { instanceId: 'o', input: {} });
  await wanted.t.advance('1m');
  expect((await wanted.t.workflows.list({ workflowName: 'order' })).instances).toHaveLength(6);
});

test('more endings than one trigger works at are all settled', async () => {
  await using stage = await stageOf();
  const { workflows } = stage.t;
  await Promise.all(
    Array.from({ length: 300 }, (_, number) => workflows.start(order, { instanceId: `o${number}`, input: {} })),
  );
  await stage.t.advance('1m');
  expect(new Set((await invoices(stage.t)).map(({ instanceId }) => instanceId)).size).toBe(300);
  expect(await unsettled(stage.t)).toBe(0);
});

test('a host that was not given the listener says so', async () => {
  const triggers = new Triggers();
  trigger(triggers, 'bill', endings({ workflow: 'order' }), { do: drop() });
  await using t = await testHost({ workflows: [order], actors: triggers.actors });
  await expect(triggers.start(t.host)).rejects.toThrow('endings: triggers.endings');
});

test.each([
  [{ workflow: [] }, 'workflow is'],
  [{ workflow: '' }, 'workflow is'],
  [{ workflow: undefined as unknown as string }, 'workflow is'],
  [{ workflow: 'order', on: [] }, 'on is a list'],
  [{ workflow: 'order', on: ['running' as 'failed'] }, 'on is a list'],
] as const)('%j is refused', (options, hint) => {
  expect(() => endings(options)).toThrow(TypeError);
  expect(() => endings(options)).toThrow(hint);
});

test('order completed, invoice started: exactly once, whatever store operation the process dies at', async () => {
  const dead: StoreFault = { silent: true, fail: 'before-write' };
  let operation = 0;
  for (let reached = true; reached;) {
    operation++;
    for (const took of [false, true]) {
      reached = false;
      const stage = await stageOf();
      let operations = 0;
      stage.t.store.faults = (kind) => {
        if (reached) return dead;
        if (kind === 'due' || kind === 'list' || kind === 'count' || ++operations < operation) return undefined;
        reached = true;
        return took ? { silent: true } : dead;
      };
      void stage.t.workflows.start(order, { instanceId: 'o', input: {}, ifExists: 'attach' }).catch(() => {});
      await stage.t.settle();
      await using last = await next(stage);
      await last.t.workflows.start(order, { instanceId: 'o', input: {}, ifExists: 'attach' });
      await last.t.advance('2m');
      const found = await invoices(last.t);
      expect(
        found.map(({ instanceId }) => instanceId),
        `${took ? 'after' : 'before'} operation ${operation}`,
      ).toEqual(['o']);
      expect(await unsettled(last.t)).toBe(0);
    }
  }
  // The start, the end, the ending, the invoice, what settles it: fewer would be a test of nothing.
  expect(operation).toBeGreaterThan(8);
}, 120_000);
