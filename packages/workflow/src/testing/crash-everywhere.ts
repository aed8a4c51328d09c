// Crash everywhere: the same scenario with a crash at every single store operation must end as the undisturbed one.

import { isDeepStrictEqual } from 'node:util';
import type { StoreFault } from '@troupe/actors';
import { settled } from '@troupe/actors/testing';
import type { HistoryEntry, WorkflowClient } from '../client-interface.ts';
import { isTerminal, type InstanceMetadata } from '../status.ts';
import { testHost, type TestHost, type TestHostOptions } from './test-host.ts';

/**
 * Something done from outside, or a time that passes. What was under way at a crash is done again, so it must be repeatable:
 * a start with `ifExists: 'attach'`, an event with an `idempotencyKey`.
 */
export type Stimulus = number | string | ((workflows: WorkflowClient) => unknown);

export interface CrashScenario extends Omit<TestHostOptions, 'store' | 'clock'> {
  readonly script: readonly Stimulus[];
  /** Instances whose ends are compared. */
  readonly instanceIds: readonly string[];
  /** Time that passes at a time, after the script, until all have ended. Default `'1m'`, at most 200 times. */
  readonly patience?: string | number;
  /** Runs before each run, to reset what fakes keep. */
  readonly before?: () => void;
}

export interface CrashReport {
  /** Store operations of the undisturbed run; each was crashed at in two ways. */
  readonly operations: number;
  readonly runs: number;
  /** What the undisturbed run led to, and so every other. */
  readonly ends: Readonly<Record<string, InstanceEnd>>;
}

export interface InstanceEnd {
  readonly status: string;
  readonly output: unknown;
  readonly failure: { readonly type: string; readonly message: string } | undefined;
  /** Recorded results by the number of what they are the result of. */
  readonly results: Readonly<Record<string, unknown>>;
}

/**
 * Runs a scenario once undisturbed, then twice for each of its store operations: with a crash before the operation, and
 * with one after it that keeps its answer back.
 *
 * @throws {Error} that names the operation when a run ended otherwise than the undisturbed one, or when an activity was
 *   executed more than once more often than in the undisturbed one
 */
export async function crashEverywhere(scenario: CrashScenario): Promise<CrashReport> {
  const undisturbed = await runOnce(scenario, Infinity, 'before');
  let runs = 1;
  for (let operation = 1; operation <= undisturbed.operations; operation++) {
    for (const when of ['before', 'after'] as const) {
      const disturbed = await runOnce(scenario, operation, when);
      runs += 1;
      const at = `a crash ${when} store operation ${operation} (${disturbed.crashedAt ?? 'not reached'})`;
      if (!isDeepStrictEqual(disturbed.ends, undisturbed.ends)) {
        throw new Error(
          `${at} changes the outcome:\n${JSON.stringify(disturbed.ends)}\ninstead of\n${JSON.stringify(undisturbed.ends)}`,
        );
      }
      for (const [name, count] of disturbed.executions) {
        const usual = undisturbed.executions.get(name) ?? 0;
        // Each that was under way at the crash may run once more, but hardly all: this is the promise, counted per key.
        if (count > usual) throw new Error(`${at} has ${name} executed ${count} times instead of at most ${usual}`);
      }
    }
  }
  return { operations: undisturbed.operations, runs, ends: undisturbed.ends };
}

interface Run {
  readonly operations: number;
  readonly crashedAt: string | undefined;
  readonly ends: Record<string, InstanceEnd>;
  /** The most executions of one call, by activity; crashes allow one more each. */
  readonly executions: Map<string, number>;
}

async function runOnce(scenario: CrashScenario, crashAt: number, when: 'before' | 'after'): Promise<Run> {
  const { script, instanceIds, patience = '1m', before, ...options } = scenario;
  before?.();
  let operations = 0;
  let crashedAt: string | undefined;
  let crashed: (() => void) | undefined;
  const crash = new Promise<void>((resolve) => (crashed = resolve));
  const calls = new Map<string, number>();
  let test: TestHost = await testHost(countingCalls(options, calls));
  const { store } = test;
  const dead: StoreFault = { silent: true, fail: 'before-write' };
  store.faults = (operation, address) => {
    if (crashedAt !== undefined) return dead;
    if (address === undefined) return undefined;
    operations += 1;
    if (operations !== crashAt) return undefined;
    crashedAt = `${operation} of ${address.id}`;
    // The effect comes a round later; nothing that is asked for meanwhile has any.
    setImmediate(() => setImmediate(() => setImmediate(() => crashed!())));
    return when === 'before' ? dead : { silent: true };
  };
  const reborn = async (): Promise<void> => {
    test = await test.crash();
  };
  /** Does it, or does it again on the next host. */
  const through = async (work: () => unknown): Promise<void> => {
    const { store: serving } = test;
    const done = (async () => {
      await work();
      await test.settle();
    })();
    done.catch(() => {});
    if (serving !== store || crashedAt === 'over') return done;
    if ((await Promise.race([done, crash.then(() => 'crashed')])) !== 'crashed' && crashedAt === undefined) return;
    await crash;
    await reborn();
    await through(work);
  };
  for (const stimulus of script) {
    await through(() => (typeof stimulus === 'function' ? stimulus(test.workflows) : test.advance(stimulus)));
  }
  for (let round = 0; round < 200; round++) {
    const found: (InstanceMetadata | undefined)[] = [];
    await through(async () => {
      found.length = 0;
      for (const id of instanceIds) found.push(await test.workflows.get(id));
    });
    if (found.every((one) => one !== undefined && isTerminal(one.runtimeStatus))) break;
    await through(() => test.advance(patience));
  }
  const ends: Record<string, InstanceEnd> = {};
  const operationsInAll = operations;
  store.faults = crashedAt === undefined ? undefined : store.faults;
  for (const id of instanceIds) ends[id] = await endOf(test.workflows, id);
  void test[Symbol.asyncDispose]();
  await settled();
  const executions = new Map<string, number>();
  for (const [call, count] of calls) {
    const name = call.slice(0, call.indexOf(' '));
    const attempts = crashedAt === undefined ? count + 1 : count;
    executions.set(name, Math.max(executions.get(name) ?? 0, attempts));
  }
  return { operations: operationsInAll, crashedAt, ends, executions };
}

/** Counts the executions of each call, by name and idempotency key. */
function countingCalls(options: TestHostOptions, calls: Map<string, number>): TestHostOptions {
  const count = (name: string, key: string): void =>
    void calls.set(`${name} ${key}`, (calls.get(`${name} ${key}`) ?? 0) + 1);
  return {
    ...options,
    activities: (options.activities ?? []).map((definition) => ({
      ...definition,
      run(ctx, input) {
        count(definition.name, ctx.idempotencyKey);
        return definition.run(ctx, input);
      },
    })),
    fakes: Object.fromEntries(
      Object.entries(options.fakes ?? {}).map(([name, fake]) => [
        name,
        (input, ctx) => {
          count(name, ctx.idempotencyKey);
          return fake(input, ctx);
        },
      ]),
    ),
  };
}

const RESULTS = new Set([
  'ActivityCompleted',
  'ActivityFailed',
  'ChildCompleted',
  'ChildFailed',
  'TimerFired',
  'EventRaised',
]);

async function endOf(workflows: WorkflowClient, instanceId: string): Promise<InstanceEnd> {
  const found = await workflows.get(instanceId);
  if (found === undefined) return { status: 'not there', output: undefined, failure: undefined, results: {} };
  const results: Record<string, unknown> = {};
  let events = 0;
  for (let from: number | undefined = 1; from !== undefined;) {
    const page: { events: readonly HistoryEntry[]; next?: number } = await workflows.history(instanceId, { from });
    for (const entry of page.events) {
      if (!RESULTS.has(entry.type)) continue;
      // Of a failure the stack may differ, and the ids of children.
      const { failure, ...details } = entry.details as { failure?: { type: string; message: string } };
      const key = entry.sequence === undefined ? `event ${(events += 1)}` : `#${entry.sequence}`;
      results[key] = [entry.type, failure === undefined ? details : { type: failure.type }];
    }
    from = page.next;
  }
  const { failure } = found;
  return {
    status: found.runtimeStatus,
    output: found.output,
    failure: failure === undefined ? undefined : { type: failure.type, message: failure.message },
    results,
  };
}
