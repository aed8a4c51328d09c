import { MemoryStore, type Logger } from '@troupe/actors';
import { ManualClock } from '@troupe/actors/testing';
import { activity, type ActivityContext, type AnyActivity } from '../activity.ts';
import type { WorkflowClient } from '../client-interface.ts';
import type { WorkflowHost } from '../host-interface.ts';
import { startHost, type WorkflowHostOptions } from '../host.ts';

/** Stands in for the body of an activity. */
// oxlint-disable-next-line typescript/no-explicit-any -- the input varies with each activity
export type ActivityFake = (input: any, ctx: ActivityContext) => unknown;

export interface TestHostOptions extends Omit<WorkflowHostOptions, 'store' | 'clock'> {
  /** By activity name. A fake takes the place of the registered body and keeps its options; without one it is registered. */
  readonly fakes?: Readonly<Record<string, ActivityFake>>;
  /** Default: an empty one. */
  readonly store?: MemoryStore;
  /** Default: one that stands at 1 January 2030. */
  readonly clock?: ManualClock;
}

/** A host in memory whose time stands still until it is moved. Made by {@link testHost}. */
export interface TestHost extends AsyncDisposable {
  readonly host: WorkflowHost;
  readonly workflows: WorkflowClient;
  readonly clock: ManualClock;
  readonly store: MemoryStore;
  /** How often each activity body was begun, by name. */
  readonly executions: ReadonlyMap<string, number>;
  /** Moves time on, by milliseconds or by `'3d'`, `'2h'`, `'90m'`, `'30s'`, `'250ms'`; what comes due on the way happens. */
  advance(duration: number | string): Promise<void>;
  /** Waits until nothing moves any more unless time does. */
  settle(): Promise<void>;
  /** Ends the host as a killed process would, and starts another on what was durable. This one is of no use afterwards. */
  crash(changes?: Partial<TestHostOptions>): Promise<TestHost>;
}

/**
 * Starts a host for tests: in memory, on a clock that stands still.
 *
 * ```ts
 * await using t = await testHost({ workflows: [order], fakes: { chargeCard: () => ({ receipt: 'r1' }) } });
 * const instance = await t.workflows.start(order, { input });
 * await t.advance('3d');
 * expect(await instance.result()).toEqual({ … });
 * ```
 */
export async function testHost(options: TestHostOptions = {}): Promise<TestHost> {
  const { fakes = {}, activities = [], clock = new ManualClock(), ...rest } = options;
  const store = options.store ?? new MemoryStore({ clock });
  const executions = new Map<string, number>();
  const known = new Set(activities.map(({ name }) => name));
  const missing = Object.keys(fakes).filter((name) => !known.has(name));
  const bodies = [...activities, ...missing.map((name) => activity(name, () => undefined))];
  const host = await startHost({
    partitionCount: 1,
    logger: silentLogger,
    ...rest,
    store,
    clock,
    activities: bodies.map((definition) => counted(definition, fakes[definition.name], executions)),
  });
  return {
    host,
    workflows: host.workflows,
    clock,
    store,
    executions,
    async advance(duration) {
      await clock.advance(millisecondsOf(duration));
    },
    settle: () => clock.advance(0),
    async crash(changes = {}) {
      store.crash();
      // Frees what the dead host holds of the clock; nothing of it can reach the store any more.
      void host.stop({ graceMs: 0 }).catch(() => {});
      const next = new MemoryStore({ clock, contents: store.snapshot() });
      return testHost({ ...options, clock, ...changes, store: next });
    },
    async [Symbol.asyncDispose]() {
      const stopped = host.stop({ graceMs: 0 });
      // The end of the grace is a timeout of the clock, too.
      await clock.advance(0);
      await stopped;
    },
  };
}

/** Says nothing: what a test wants to know it asks for. */
const silentLogger: Logger = { debug() {}, info() {}, warn() {}, error() {} };

function counted(
  definition: AnyActivity,
  fake: ActivityFake | undefined,
  executions: Map<string, number>,
): AnyActivity {
  return {
    ...definition,
    run(ctx, input) {
      executions.set(definition.name, (executions.get(definition.name) ?? 0) + 1);
      return fake === undefined ? definition.run(ctx, input) : fake(input, ctx);
    },
  };
}

const UNITS_MS: Readonly<Record<string, number>> = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 };

/** @throws {TypeError} when it is neither a number of milliseconds nor a number with a unit */
export function millisecondsOf(duration: number | string): number {
  if (typeof duration === 'number' && duration >= 0) return duration;
  const parts = /^(\d+(?:\.\d+)?)(ms|s|m|h|d)$/.exec(String(duration));
  if (parts === null)
    throw new TypeError(`a duration is milliseconds or a number with ms, s, m, h or d, got ${String(duration)}`);
  return Number(parts[1]) * UNITS_MS[parts[2]!]!;
}
