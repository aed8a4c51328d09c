import {
  consoleLogger,
  startActorHost,
  systemClock,
  type ActorHost,
  type ActorHostOptions,
  type AnyActorDefinition,
  type CancelTimeout,
  type Clock,
} from '@troupe/actors';
import type { AnyActivity } from './activity.ts';
import { ActivityDelivery, type DeliveryServices } from './activity-delivery.ts';
import { ActivityRunner } from './activity-runner.ts';
import type { HostStatus, WorkflowHost } from './host-interface.ts';
import {
  ACTIVITY_CONCURRENCY_DEFAULT,
  LIST_LIMIT_MAX,
  TOMBSTONE_SWEEP_INTERVAL_MS,
  TOMBSTONE_TTL_MS,
} from './limits.ts';
import { developmentGuard, localExecutor } from './local-executor.ts';
import { LocalClient } from './local-client.ts';
import { newMeter } from './meter.ts';
import { Registry } from './registry.ts';
import { catchStrayRejections } from './stray-rejection.ts';
import type { AnyWorkflow } from './workflow.ts';
import { WORKFLOW_ACTOR_TYPE, workflowActor, type WorkflowActor } from './workflow-actor.ts';

/** What a host of workflows is made of. Only a store or a cluster is needed. */
export interface WorkflowHostOptions extends Omit<ActorHostOptions, 'actors'> {
  readonly workflows?: readonly AnyWorkflow[];
  readonly activities?: readonly AnyActivity[];
  /** Actors beside the workflows. */
  readonly actors?: readonly AnyActorDefinition[];
  /** Activity bodies that run at once. Default 256. */
  readonly activityConcurrency?: number;
  /**
   * Warns, once per line, where workflow code uses `Date.now()`, `Math.random()`, timers or `fetch` directly. For
   * development: it slows every promise of the process down. Default false.
   */
  readonly guard?: boolean;
}

/**
 * Starts a host of workflows on a store and takes up what is unfinished there.
 *
 * @throws {StoreLockedError} | {@link LayoutMismatchError} as `startActorHost`
 * @throws {TypeError} when two definitions have the same name and version
 */
export async function startHost(options: WorkflowHostOptions): Promise<WorkflowHost> {
  const {
    workflows = [],
    activities = [],
    actors = [],
    activityConcurrency = ACTIVITY_CONCURRENCY_DEFAULT,
    guard,
    ...actorOptions
  } = options;
  if (!Number.isSafeInteger(activityConcurrency) || activityConcurrency < 1) {
    throw new RangeError(`activityConcurrency is an integer of at least 1, got ${String(activityConcurrency)}`);
  }
  const clock = options.clock ?? systemClock;
  const logger = options.logger ?? consoleLogger;
  const registry = new Registry(workflows, activities);
  const meter = newMeter();
  const watch = guard === true ? developmentGuard(logger) : undefined;
  const runner = new ActivityRunner({
    registry,
    clock,
    logger,
    concurrency: activityConcurrency,
    deliver: (task, result) => new ActivityDelivery(delivering, task, result).send(),
  });
  const actor: WorkflowActor = workflowActor({
    registry,
    executor: localExecutor(logger, watch),
    activities: runner,
    clock,
    logger,
    meter,
    actor: () => actor,
    purgeTree: (instanceId) =>
      void client
        .purge(instanceId, { recursive: true })
        .catch(reporting('an instance could not be purged at the end of its retention; it is tried again')),
    proceed: (instanceId) => void host.actor(actor, instanceId).proceed().catch(reporting(COULD_NOT_GO_ON)),
  });
  const releaseRejections = catchStrayRejections(logger);
  const release = (): void => {
    watch?.stop();
    releaseRejections();
  };
  const host: ActorHost = await startActorHost({ ...actorOptions, actors: [actor, ...actors] }).catch(
    (error: unknown) => {
      release();
      throw error;
    },
  );

  const delivering: DeliveryServices = { host, actor, clock, logger };

  /** Reports what nobody called for, unless it fails only because the host is stopping. */
  function reporting(message: string): (error: unknown) => void {
    return (error) => {
      if (!host.status().stopping) logger.warn({ err: error }, message);
    };
  }

  const client = new LocalClient(host, actor, registry);
  void goOnWithWaiting(host, actor, registry, reporting(COULD_NOT_GO_ON)).catch(
    reporting('instances that wait for their code could not be listed'),
  );

  const sweeping = sweepTombstones(
    host,
    clock,
    reporting('tombstones could not be swept; it is tried again in an hour'),
  );
  let stopping: Promise<void> | undefined;
  const stop = async (graceMs: number): Promise<void> => {
    sweeping.stop();
    const untilMs = clock.nowMs() + graceMs;
    await runner.stop(graceMs);
    await host.stop({ graceMs: Math.max(0, untilMs - clock.nowMs()) }).finally(release);
  };
  const workflowHost: WorkflowHost = {
    workflows: client,
    actors: host,
    registered: () => registry.listed(),
    status(): HostStatus {
      const { activations } = host.status();
      const reason = stopping === undefined ? unreadiness(host) : 'the host is stopping';
      return {
        ready: reason === undefined,
        reason,
        activeInstances: activations[WORKFLOW_ACTOR_TYPE] ?? 0,
        runningActivities: runner.running,
        waitingActivities: runner.waiting,
      };
    },
    counters: () => ({ ...meter }),
    stop: ({ graceMs = 10_000 } = {}) => (stopping ??= stop(graceMs)),
    [Symbol.asyncDispose]: () => workflowHost.stop(),
  };
  return workflowHost;
}

/** Why the host cannot take work, if it cannot. */
function unreadiness(host: ActorHost): string | undefined {
  const { failure, partitions, serving, stopping } = host.status();
  if (stopping) return 'the host is stopping';
  if (failure !== undefined) return 'the store cannot serve; the log says why';
  if (!serving) return 'the host has lost touch with the others and cannot prove what it owns';
  // One among others hands its calls on.
  if (partitions === 0 && host.members().length < 2) return 'the host holds no partitions';
  return undefined;
}

const COULD_NOT_GO_ON = 'a workflow instance could not go on; it is tried again when it is next used';

/** Instances that nobody could run may find their code on this host. */
async function goOnWithWaiting(
  host: ActorHost,
  actor: WorkflowActor,
  registry: Registry,
  onFailure: (error: unknown) => void,
): Promise<void> {
  let cursor: string | undefined;
  do {
    const page = await host.list(
      { type: WORKFLOW_ACTOR_TYPE, statuses: ['pending', 'stalled'] },
      { limit: LIST_LIMIT_MAX, ...(cursor === undefined ? {} : { cursor }) },
    );
    for (const { address, summary } of page.actors) {
      if (registry.workflow(summary.name) === undefined) continue;
      // One that fails keeps none of the others from going on.
      await host.actor(actor, address.id).proceed().catch(onFailure);
    }
    cursor = page.cursor;
  } while (cursor !== undefined && !host.status().stopping);
}

/** Tombstones of purged instances go when their time is over: looked at when the host starts and every hour. */
function sweepTombstones(host: ActorHost, clock: Clock, report: (error: unknown) => void): { stop(): void } {
  let cancel: CancelTimeout | undefined;
  let stopped = false;
  const sweep = (): void => {
    host
      .sweepTombstones(clock.nowMs() - TOMBSTONE_TTL_MS)
      .catch((error: unknown) => {
        if (!stopped) report(error);
      })
      .finally(() => {
        if (!stopped) cancel = clock.setTimeout(sweep, TOMBSTONE_SWEEP_INTERVAL_MS);
      });
  };
  sweep();
  return {
    stop() {
      stopped = true;
      cancel?.();
    },
  };
}
