// A rewind and a rerun with a crash before and after every single store operation.

import { MemoryStore, type StoreFault } from '@troupe/actors';
import { ManualClock } from '@troupe/actors/testing';
import { expect, test } from 'vitest';
import { AlreadyExistsError, NotRewindableError } from '../src/index.ts';
import { testHost, type TestHost } from '../src/testing.ts';
import { startWorker, type Program } from './worker.ts';

interface Scenario {
  readonly workflows: Readonly<Record<string, Program>>;
  /** Made anew for each run. */
  activities(): Readonly<Record<string, (input: never) => unknown>>;
  /** Each can be done again. */
  readonly steps: readonly ((t: TestHost) => Promise<unknown>)[];
  /** Looks at what there is as soon as there is a host after the crash. */
  check?(t: TestHost): Promise<void>;
  end(t: TestHost): Promise<unknown>;
}

/** Runs it once; undefined for `crashAt` is without a crash. */
async function run(
  { workflows, activities, steps, check, end }: Scenario,
  crashAt: number,
  when: 'before' | 'after',
): Promise<{ operations: number; end: unknown }> {
  const bodies = activities();
  const clock = new ManualClock();
  const store = new MemoryStore({ clock });
  const dead: StoreFault = { silent: true, fail: 'before-write' };
  let operations = 0;
  let hasCrashed = false;
  let crashed: (() => void) | undefined;
  const crash = new Promise<void>((resolve) => (crashed = resolve));
  store.faults = (_operation, address) => {
    if (hasCrashed) return dead;
    if (address === undefined) return undefined;
    operations += 1;
    if (operations !== crashAt) return undefined;
    hasCrashed = true;
    setImmediate(() => setImmediate(() => setImmediate(() => crashed!())));
    return when === 'before' ? dead : { silent: true };
  };
  let serving = await testHost({ store, clock });
  startWorker(serving.host, { workflows, activities: bodies });
  let isNext = false;
  for (const step of steps) {
    const attempt = async (): Promise<void> => {
      await step(serving);
      await serving.advance('10s');
    };
    const done = attempt();
    if (isNext) {
      await done;
      continue;
    }
    done.catch(() => {});
    await Promise.race([done, crash]);
    if (!hasCrashed) {
      await done;
      continue;
    }
    await crash;
    serving = await serving.crash();
    isNext = true;
    await check?.(serving);
    startWorker(serving.host, { workflows, activities: bodies });
    await serving.advance('10s');
    await attempt();
  }
  await serving.advance('1m');
  // What looks at the end is not crashed at.
  store.faults = undefined;
  const counted = operations;
  const found = await end(serving);
  void serving[Symbol.asyncDispose]();
  return { operations: counted, end: found };
}

async function everywhere(scenario: Scenario): Promise<unknown> {
  const undisturbed = await run(scenario, Infinity, 'before');
  expect(undisturbed.operations).toBeGreaterThan(10);
  for (let operation = 1; operation <= undisturbed.operations; operation++) {
    for (const when of ['before', 'after'] as const) {
      const disturbed = await run(scenario, operation, when);
      expect(disturbed.end, `a crash ${when} store operation ${operation}`).toEqual(undisturbed.end);
    }
  }
  return undisturbed.end;
}

const typesOf = async (t: TestHost, instanceId: string): Promise<string[]> =>
  (await t.host.stored.events(instanceId, 1, 100)).map(({ type }) => type);

/** Not a wait for the end: one that never comes is to be seen. */
async function outputOf(t: TestHost, instanceId: string): Promise<unknown> {
  const found = await t.workflows.get(instanceId);
  return found?.runtimeStatus === 'completed' ? found.output : found;
}

const leaf: Program = function* (ctx, name: string) {
  const [done] = yield { all: [ctx.activity('step', name)] };
  return done;
};

test('a rewind of a parent and its child ends as without the crash', async () => {
  const parent: Program = function* (ctx) {
    const timer = ctx.timer(25_000);
    const [first] = yield { all: [ctx.activity('fine', 'once')] };
    const [child] = yield { all: [ctx.child('leaf', 'leaf', 'x')] };
    const said: unknown = yield { event: 'go' };
    yield { all: [timer] };
    return [first, child, said];
  };
  let broken = true;
  const end = await everywhere({
    workflows: { leaf, parent },
    activities: () => {
      broken = true;
      return {
        fine: (input: string) => input,
        step: (input: string) => {
          if (broken) throw new Error('broken');
          return `${input}+`;
        },
      };
    },
    steps: [
      (t) => t.workflows.start('parent', { instanceId: 'i', ifExists: 'attach', allowUnregistered: true }),
      async (t) => {
        expect(await t.workflows.get('i')).toMatchObject({ runtimeStatus: 'failed' });
        broken = false;
      },
      (t) =>
        t.host.repeats.rewind('i', { reason: 'r' }).catch((error: unknown) => {
          // It was under way already.
          if (!(error instanceof NotRewindableError)) throw error;
        }),
      (t) => t.workflows.raiseEvent('i', 'go', 1, { idempotencyKey: 'go' }),
    ],
    end: async (t) => ({
      result: await outputOf(t, 'i'),
      generation: (await t.workflows.get('i'))!.executionId.split('.').at(-1),
      // A timer's place among the others is by the time that a crash took.
      types: (await typesOf(t, 'i')).toSorted(),
      child: (await typesOf(t, 'leaf')).toSorted(),
    }),
  });
  expect(end).toMatchObject({ result: ['once', 'x+', 1], generation: '2' });
});

test('a rerun is there whole or not at all, and ends as without the crash', async () => {
  const parent: Program = function* (ctx) {
    const timer = ctx.timer(15_000);
    const open = ctx.child('leaf', 'leaf-b', 'b');
    const [a] = yield { all: [ctx.activity('step', 'a')] };
    const [b] = yield { all: [open] };
    const [c] = yield { all: [ctx.activity('step', `${a}${b}`)] };
    yield { all: [timer] };
    return c;
  };
  const end = await everywhere({
    workflows: { leaf, parent },
    activities: () => ({ step: (input: string) => `${input}+` }),
    steps: [
      (t) => t.workflows.start('parent', { instanceId: 'i', ifExists: 'attach', allowUnregistered: true }),
      (t) => t.advance('10s'),
      (t) =>
        t.host.repeats
          .rerun({ sourceId: 'i', sequence: 3, newId: 'j', input: { value: 'z' } })
          .catch((error: unknown) => {
            if (!(error instanceof AlreadyExistsError)) throw error;
          }),
    ],
    check: async (t) => {
      const found = await t.workflows.get('j');
      if (found === undefined) return;
      const types = await typesOf(t, 'j');
      expect(types.slice(0, 5)).toEqual([
        'WorkflowStarted',
        'TurnBegan',
        'TimerCreated',
        'ChildScheduled',
        'ActivityScheduled',
      ]);
    },
    end: async (t) => ({
      result: await outputOf(t, 'j'),
      source: await outputOf(t, 'i'),
      child: await outputOf(t, 'j:0002'),
      types: (await typesOf(t, 'j')).filter((type) => type !== 'TurnBegan').toSorted(),
    }),
  });
  expect(end).toMatchObject({ result: 'z+b++', source: 'a+b++', child: 'b+' });
});
