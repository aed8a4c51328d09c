// Crash everywhere: the same scenario with a crash at every single store operation must end as the undisturbed one.
//
// C1  The runs are the same up to the crash: time is moved to the same instants, and operations are counted alike.
// C2  "Before" an operation: it has no effect, and whatever the process does until it is gone has none either. "After" it: it
//     has taken effect, and nobody has learned of that. Together they are all that a crash can leave in the store.
// C3  What is compared does not depend on when something happened, nor on names that the engine draws at random.

import { inspect, isDeepStrictEqual } from 'node:util';
import { MemoryStore, type StoreFault } from '@troupe/actors';
import { ManualClock, settled } from '@troupe/actors/testing';
import type { HistoryEntry, WorkflowClient } from '../client-interface.ts';
import { exportHistory } from '../history-export.ts';
import { isTerminal, type Failure, type InstanceMetadata } from '../status.ts';
import type { AnyWorkflow } from '../workflow.ts';
import { replayExactly } from './replay-history.ts';
import { millisecondsOf, testHost, type TestHost, type TestHostOptions } from './test-host.ts';

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
  /** Asked at the end of each run, on a store that works: what it says must be the same as well, whatever it is about. */
  readonly compare?: (host: TestHost) => unknown;
}

export interface CrashReport {
  /** Store operations of the undisturbed run; each was crashed at in two ways. */
  readonly operations: number;
  readonly runs: number;
  /** What the undisturbed run led to, and so every other. */
  readonly ends: Readonly<Record<string, InstanceEnd>>;
  /** … what `compare` said. */
  readonly compared: unknown;
}

export interface InstanceEnd {
  readonly status: string;
  readonly output: unknown;
  readonly failure: { readonly type: string; readonly message: string } | undefined;
  readonly customStatus: unknown;
  /** What the code asked for, in order. Of an instance that continued as new: the last execution. */
  readonly commands: readonly RecordedCommand[];
  /** Recorded results by the number of what they are the result of. */
  readonly results: Readonly<Record<string, unknown>>;
}

/** A command of the history without its time. */
export interface RecordedCommand {
  readonly type: string;
  readonly sequence: number | undefined;
  readonly details: Readonly<Record<string, unknown>>;
}

/**
 * Runs a scenario once undisturbed, then twice for each of its store operations: with a crash before the operation, and
 * with one after it that keeps its answer back. Then the instances go on to their end on another host. The status, output,
 * failure, custom status, commands and results must be those of the undisturbed run, and what `compare` says; a replay of the history must ask for
 * the recorded commands, inputs and times included; the same calls of activities must be executed, none more than once
 * more.
 *
 * @throws {Error} that names the operation and shows what differs
 */
export async function crashEverywhere(scenario: CrashScenario): Promise<CrashReport> {
  const undisturbed = await runOnce(scenario, Infinity, 'before');
  let runs = 1;
  for (let operation = 1; operation <= undisturbed.operations; operation++) {
    for (const when of ['before', 'after'] as const) {
      const disturbed = await runOnce(scenario, operation, when);
      runs += 1;
      if (disturbed.crashedAt === undefined) {
        throw new Error(`store operation ${operation} was not reached again: the scenario does not repeat itself`);
      }
      const at = `a crash ${when} ${disturbed.crashedAt}`;
      for (const id of scenario.instanceIds) {
        const [is, was] = [disturbed.ends[id], undisturbed.ends[id]];
        if (!isDeepStrictEqual(is, was)) {
          throw new Error(`${at} changes the outcome of ${id}:\n${shown(is)}\ninstead of\n${shown(was)}`);
        }
      }
      if (!isDeepStrictEqual(disturbed.compared, undisturbed.compared)) {
        const [is, was] = [disturbed.compared, undisturbed.compared];
        throw new Error(`${at} changes what is compared:\n${shown(is)}\ninstead of\n${shown(was)}`);
      }
      for (const [name, was] of undisturbed.executions) {
        const is = disturbed.executions.get(name) ?? { calls: 0, most: 0 };
        if (is.calls !== was.calls)
          throw new Error(`${at} has ${is.calls} calls of ${name} executed instead of ${was.calls}`);
        // Each that was under way at the crash may run once more: that is the promise.
        if (is.most > was.most + 1)
          throw new Error(
            `${at} has one call of ${name} executed ${is.most} times instead of ${was.most} or once more`,
          );
      }
    }
  }
  const { operations, ends, compared } = undisturbed;
  return { operations, runs, ends, compared };
}

function shown(value: unknown): string {
  return inspect(value, { depth: 8, maxArrayLength: 1_000 });
}

interface Run {
  readonly operations: number;
  readonly crashedAt: string | undefined;
  readonly ends: Record<string, InstanceEnd>;
  readonly compared: unknown;
  readonly executions: ReadonlyMap<string, Executions>;
}

/** Of one activity. */
interface Executions {
  /** Calls that were executed at all. */
  readonly calls: number;
  /** The most executions of one of them. */
  readonly most: number;
}

async function runOnce(scenario: CrashScenario, crashAt: number, when: 'before' | 'after'): Promise<Run> {
  const { script, instanceIds, patience = '1m', before, compare, ...options } = scenario;
  before?.();
  let operations = 0;
  let crashedAt: string | undefined;
  let crashed: (() => void) | undefined;
  const crash = new Promise<void>((resolve) => (crashed = resolve));
  const calls = new Map<string, number>();
  const clock = new ManualClock();
  const store = new MemoryStore({ clock });
  const dead: StoreFault = { silent: true, fail: 'before-write' };
  store.faults = (operation, address) => {
    if (crashedAt !== undefined) return dead;
    // A look at the index, of which there is one a minute, has no effect, and nothing follows from its answer but what is
    // counted itself.
    if (address === undefined) return undefined;
    operations += 1;
    if (operations !== crashAt) return undefined;
    crashedAt = `store operation ${operations} (${operation} of ${address.id})`;
    // The effect comes a round later; nothing that is asked for meanwhile has any.
    setImmediate(() => setImmediate(() => setImmediate(() => crashed!())));
    return when === 'before' ? dead : { silent: true };
  };
  const first = testHost({ ...countingCalls(options, calls), store, clock });
  let serving = first;
  /** Does it, or does it again on the next host. */
  const through = async (work: (host: TestHost) => unknown): Promise<void> => {
    const attempt = async (): Promise<void> => {
      const host = await serving;
      await work(host);
      await host.settle();
    };
    if (serving !== first) return attempt();
    const done = attempt();
    done.catch(() => {});
    await Promise.race([done, crash]);
    if (crashedAt === undefined) return undefined;
    await crash;
    serving = (await first).crash();
    return attempt();
  };
  const advance = (duration: string | number): Promise<void> => {
    const untilMs = clock.nowMs() + millisecondsOf(duration);
    return through((host) => host.advance(Math.max(0, untilMs - clock.nowMs())));
  };
  for (const stimulus of script) {
    if (typeof stimulus === 'function') await through(({ workflows }) => stimulus(workflows));
    else await advance(stimulus);
  }
  for (let round = 0; round < 200; round++) {
    const found: (InstanceMetadata | undefined)[] = [];
    await through(async ({ workflows }) => {
      found.length = 0;
      for (const id of instanceIds) found.push(await workflows.get(id));
    });
    if (found.every((one) => one !== undefined && isTerminal(one.runtimeStatus))) break;
    await advance(patience);
  }
  const operationsInAll = operations;
  const ends: Record<string, InstanceEnd> = {};
  store.faults = undefined;
  const last = await serving;
  for (const id of instanceIds) {
    try {
      ends[id] = await endOf(last.workflows, id, scenario.workflows ?? []);
    } catch (error) {
      const after = crashedAt === undefined ? 'without a crash' : `after a crash ${when} ${crashedAt}`;
      throw new Error(`${after}: ${(error as Error).message}`, { cause: error });
    }
  }
  const compared = await compare?.(last);
  void last[Symbol.asyncDispose]();
  await settled();
  return { operations: operationsInAll, crashedAt, ends, compared, executions: executionsOf(calls) };
}

function executionsOf(calls: ReadonlyMap<string, number>): Map<string, Executions> {
  const executions = new Map<string, Executions>();
  for (const [call, count] of calls) {
    const name = call.slice(0, call.indexOf('\n'));
    const before = executions.get(name) ?? { calls: 0, most: 0 };
    executions.set(name, { calls: before.calls + 1, most: Math.max(before.most, count) });
  }
  return executions;
}

/** Counts the executions of each call, by name and idempotency key. */
function countingCalls(options: TestHostOptions, calls: Map<string, number>): TestHostOptions {
  const count = (name: string, key: string): void =>
    void calls.set(`${name}\n${key}`, (calls.get(`${name}\n${key}`) ?? 0) + 1);
  return {
    ...options,
    activities: (options.activities ?? []).map((definition) => ({
      ...definition,
      run(ctx, input) {
        // A fake is counted itself.
        if (options.fakes?.[definition.name] === undefined) count(definition.name, ctx.idempotencyKey);
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

const COMMANDS: ReadonlySet<string> = new Set(['ActivityScheduled', 'TimerCreated', 'ChildScheduled', 'EventSent']);
const RESULTS: ReadonlySet<string> = new Set([
  'ActivityCompleted',
  'ActivityFailed',
  'TimerFired',
  'EventRaised',
  'ChildCompleted',
  'ChildFailed',
]);

async function endOf(
  workflows: WorkflowClient,
  instanceId: string,
  definitions: readonly AnyWorkflow[],
): Promise<InstanceEnd> {
  const found = await workflows.get(instanceId);
  if (found === undefined) return NOT_THERE;
  const history = await exportHistory(workflows, instanceId);
  const definition = definitions.find(
    ({ name, version }) => name === found.workflowName && version === history.events[0]?.version,
  );
  if (definition !== undefined) await replayExactly(definition, history);
  const comparable = withoutChance(history.events[0]?.executionId ?? '');
  const commands: RecordedCommand[] = [];
  const results: Record<string, unknown> = {};
  let events = 0;
  for (const { type, sequence, details } of history.events) {
    if (COMMANDS.has(type)) commands.push({ type, sequence, details: comparable(withoutTimes(details)) });
    if (!RESULTS.has(type)) continue;
    const { failure, attempts: _attempts, ...rest } = details as { failure?: Failure; attempts?: number };
    results[sequence === undefined ? `event ${(events += 1)}` : `#${sequence}`] = [
      type,
      failure === undefined ? comparable(rest) : { type: failure.type, message: comparable(failure.message) },
    ];
  }
  const { failure } = found;
  return {
    status: found.runtimeStatus,
    output: comparable(found.output),
    failure: failure === undefined ? undefined : { type: failure.type, message: comparable(failure.message) },
    customStatus: comparable(found.customStatus),
    commands,
    results,
  };
}

const NOT_THERE: InstanceEnd = {
  status: 'not there',
  output: undefined,
  failure: undefined,
  customStatus: undefined,
  commands: [],
  results: {},
};

function withoutTimes(details: HistoryEntry['details']): HistoryEntry['details'] {
  return Object.fromEntries(Object.entries(details).filter(([name]) => !name.endsWith('At')));
}

const UUID = /[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}/g;

/** Replaces what is another in each run: the name of the instance's life, and the UUIDs that are made of it. */
function withoutChance(executionId: string): <T>(value: T) => T {
  const birth = executionId.slice(0, executionId.lastIndexOf('.'));
  const replaced = (value: unknown): unknown => {
    if (typeof value === 'string') {
      const text = value.replaceAll(UUID, '(uuid)');
      return birth === '' ? text : text.replaceAll(birth, '(life)');
    }
    if (Array.isArray(value)) return value.map(replaced);
    if (typeof value !== 'object' || value === null || Object.getPrototypeOf(value) !== Object.prototype) return value;
    return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, replaced(inner)]));
  };
  return replaced as <T>(value: T) => T;
}
