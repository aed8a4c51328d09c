// A crash at every single store operation leads to what an undisturbed run leads to: each operation has its effect once, each
// call its result, and nothing stays locked.

import { MemoryStore, type StoreFault } from '@troupe/actors';
import { ManualClock, settled } from '@troupe/actors/testing';
import { expect, test } from 'vitest';
import { InstanceEndedError } from '../src/index.ts';
import { testHost, type TestHost } from '../src/testing.ts';
import { startWorker, type Operations, type Program } from './worker.ts';

const A = '@account@a';
const B = '@account@b';
const LOG = '@log@l';

const account: Operations = {
  add: (ctx, amount: number) => (ctx.state = (ctx.state ?? 0) + amount),
  report: (ctx) => ctx.signal(LOG, 'note', ctx.state),
  begin: (ctx, instanceId: string) => ctx.start('begun', instanceId, ctx.state),
};
const log: Operations = { note: (ctx, entry: unknown) => void (ctx.state = [...(ctx.state ?? []), entry]) };

const transfer: Program = function* (ctx, amount: number) {
  const lock = ctx.lock(A, B);
  yield { all: [lock] };
  const [a, b] = yield { all: [ctx.call(A, 'add', -amount), ctx.call(B, 'add', amount)] };
  ctx.unlock(lock, A, B);
  ctx.signal(LOG, 'note', amount);
  return a + b;
};
const keeper: Program = function* (ctx) {
  yield { all: [ctx.lock(B, A)] };
  yield { all: [ctx.call(A, 'add', 1_000)] };
  yield { event: 'never' };
};
const begun: Program = function* (_, input: number) {
  yield* [];
  return `with ${input}`;
};

const SCRIPT: readonly ((t: TestHost) => Promise<unknown>)[] = [
  ({ host }) => host.entities.signal(A, 'add', { input: '100', requestId: 'first' }),
  ({ host, clock }) =>
    host.entities.signal(LOG, 'note', {
      input: '"late"',
      requestId: 'late',
      scheduledAt: new Date(clock.nowMs() + 5_000),
    }),
  ({ workflows }) =>
    workflows.start('transfer', { instanceId: 't1', input: 5, ifExists: 'attach', allowUnregistered: true }),
  ({ workflows }) => workflows.start('keeper', { instanceId: 'k', ifExists: 'attach', allowUnregistered: true }),
  ({ workflows }) =>
    workflows.start('transfer', { instanceId: 't2', input: 7, ifExists: 'attach', allowUnregistered: true }),
  async ({ workflows }) => {
    try {
      await workflows.terminate('k');
    } catch (error) {
      if (!(error instanceof InstanceEndedError)) throw error;
    }
  },
  ({ host }) => host.entities.signal(B, 'report', { requestId: 'report' }),
  ({ host }) => host.entities.signal(A, 'begin', { input: '"b"', requestId: 'begin' }),
];

interface Run {
  readonly operations: number;
  readonly crashedAt: string | undefined;
  readonly end: unknown;
}

async function run(crashAt: number, when: 'before' | 'after'): Promise<Run> {
  const clock = new ManualClock();
  const store = new MemoryStore({ clock });
  const dead: StoreFault = { silent: true, fail: 'before-write' };
  let operations = 0;
  let crashedAt: string | undefined;
  let crashed: () => void;
  const crash = new Promise<void>((resolve) => (crashed = resolve));
  store.faults = (operation, address) => {
    if (crashedAt !== undefined) return dead;
    if (address === undefined) return undefined;
    operations += 1;
    if (operations !== crashAt) return undefined;
    crashedAt = `${when} operation ${operations}: ${operation} of ${address.id}`;
    // The effect comes a round later; nothing that is asked for meanwhile has any.
    setImmediate(() => setImmediate(() => setImmediate(crashed)));
    return when === 'before' ? dead : { silent: true };
  };
  const connect = (t: TestHost): void =>
    void startWorker(t.host, { entities: { account, log }, workflows: { transfer, keeper, begun } });
  const first = await testHost({ clock, store });
  connect(first);
  let serving = first;
  const through = async (work: (t: TestHost) => Promise<unknown>): Promise<void> => {
    const attempt = async (): Promise<void> => {
      await work(serving);
      await serving.settle();
    };
    if (serving !== first) return attempt();
    const done = attempt();
    done.catch(() => {});
    await Promise.race([done, crash]);
    if (crashedAt === undefined) return undefined;
    await crash;
    serving = await first.crash();
    connect(serving);
    return attempt();
  };
  for (const stimulus of SCRIPT) {
    await through(stimulus);
    await through((t) => t.advance('2s'));
  }
  for (let round = 0; round < 5; round++) await through((t) => t.advance('1s'));
  const operationsInAll = operations;
  store.faults = undefined;
  const { host, workflows } = serving;
  const { entities } = await host.entities.list({ includeTransient: true });
  const end = {
    entities: entities
      .map(({ entityId, state, backlog, lockedBy }) => ({ entityId, state, backlog, lockedBy }))
      .sort((a, b) => (a.entityId < b.entityId ? -1 : 1)),
    instances: await Promise.all(
      ['t1', 't2', 'k', 'b'].map(async (id) => {
        const found = await workflows.get(id);
        return [found?.runtimeStatus, found?.output];
      }),
    ),
  };
  void serving[Symbol.asyncDispose]();
  await settled();
  return { operations: operationsInAll, crashedAt, end };
}

test('whatever the host dies at', async () => {
  const undisturbed = await run(Infinity, 'before');
  expect(undisturbed.end).toEqual({
    entities: [
      { entityId: A, state: '1088', backlog: 0, lockedBy: undefined },
      { entityId: B, state: '12', backlog: 0, lockedBy: undefined },
      { entityId: LOG, state: expect.any(String), backlog: 0, lockedBy: undefined },
    ],
    instances: [
      ['completed', 100],
      ['completed', 1100],
      ['terminated', undefined],
      ['completed', expect.any(String)],
    ],
  });
  expect(undisturbed.operations).toBeGreaterThan(40);
  for (let operation = 1; operation <= undisturbed.operations; operation++) {
    for (const when of ['before', 'after'] as const) {
      const disturbed = await run(operation, when);
      expect(disturbed.crashedAt).toBeDefined();
      expect(comparable(disturbed.end), `a crash ${disturbed.crashedAt}`).toEqual(comparable(undisturbed.end));
    }
  }
}, 120_000);

/** What came at the same time may come in another order. */
function comparable(end: unknown): unknown {
  return JSON.parse(JSON.stringify(end), (key, value: unknown) => {
    if (key !== 'state' || typeof value !== 'string' || !value.startsWith('[')) return value;
    return (JSON.parse(value) as unknown[]).map(String).sort();
  });
}
