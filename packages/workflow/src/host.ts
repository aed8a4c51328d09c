import {
  consoleLogger,
  startActorHost,
  systemClock,
  type ActorHost,
  type ActorHostOptions,
  type ActorRef,
  type AnyActorDefinition,
  type CancelTimeout,
  type Clock,
} from '@troupe/actors';
import type { AnyActivity } from './activity.ts';
import { ActivityDelivery, type DeliveryServices } from './activity-delivery.ts';
import { activitiesActor, ActivityExchange } from './activity-exchange.ts';
import { ActivityRunner } from './activity-runner.ts';
import { ANNOUNCED_AS, announcementOf } from './announcement.ts';
import { AwaitingWorkers } from './workers/awaiting-workers.ts';
import { CodeDirectory, type WorkflowCode } from './code-directory.ts';
import { entityActor, type EntityActor } from './entities/entity-actor.ts';
import { EntityBatches, entityBatchesActor } from './entities/entity-batches.ts';
import { LocalEntityClient } from './entities/entity-client.ts';
import { isOutOfReach } from './errors.ts';
import { checkEndings, type EndingListener } from './ending.ts';
import type { ExecutorSession } from './executor.ts';
import type { HostStatus, WorkflowHost } from './host-interface.ts';
import { HostedSessions, sessionsActor } from './hosted-sessions.ts';
import type { InstanceServices } from './instance-services.ts';
import {
  ACTIVITY_CONCURRENCY_DEFAULT,
  LIST_LIMIT_MAX,
  LOOK_AFTER_FAILURE_MS,
  LOOK_AGAIN_DELAY_MS,
  LOOK_FOR_WORKERS_DELAY_MS,
  LOOK_INTERVAL_MS,
  TOMBSTONE_SWEEP_INTERVAL_MS,
  TOMBSTONE_TTL_MS,
} from './limits.ts';
import { developmentGuard, localExecutor } from './local-executor.ts';
import { LocalClient } from './local-client.ts';
import { newMeter } from './meter.ts';
import { Registry } from './registry.ts';
import { RemoteSessions } from './remote-session.ts';
import { RepeatedInstances } from './repeated-instances.ts';
import { reopenDelayMs } from './retry.ts';
import type { RunIdentity } from './run.ts';
import { eventSchema, validated } from './schema.ts';
import { StoredInstances } from './stored-instances.ts';
import { catchStrayRejections } from './stray-rejection.ts';
import { WorkerDirectory, workersActor } from './workers/worker-directory.ts';
import { WorkerPool } from './workers/worker-pool.ts';
import type { ExecutionOrigin } from './workers/worker-port.ts';
import { WorkerSession } from './workers/worker-session.ts';
import type { AnyWorkflow } from './workflow.ts';
import { WORKFLOW_ACTOR_TYPE, workflowActor, type WorkflowActor } from './workflow-actor.ts';

/** What a host of workflows is made of. Only a store or a cluster is needed. */
export interface WorkflowHostOptions extends Omit<ActorHostOptions, 'actors' | 'onPlacementChanged'> {
  readonly workflows?: readonly AnyWorkflow[];
  readonly activities?: readonly AnyActivity[];
  /** Actors beside the workflows. */
  readonly actors?: readonly AnyActorDefinition[];
  /** Activity bodies that run at once. Default 256. */
  readonly activityConcurrency?: number;
  /** Hears of instances that end. Its actor is one of `actors`. Default: nobody does. */
  readonly endings?: EndingListener | undefined;
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
 * @throws {TypeError} when two definitions have the same name and version, or endings go to an actor that cannot take them
 */
export async function startHost(options: WorkflowHostOptions): Promise<WorkflowHost> {
  const {
    workflows = [],
    activities = [],
    actors = [],
    activityConcurrency = ACTIVITY_CONCURRENCY_DEFAULT,
    endings,
    guard,
    ...actorOptions
  } = options;
  if (!Number.isSafeInteger(activityConcurrency) || activityConcurrency < 1) {
    throw new RangeError(`activityConcurrency is an integer of at least 1, got ${String(activityConcurrency)}`);
  }
  if (endings !== undefined) checkEndings(endings, actors);
  const clock = options.clock ?? systemClock;
  const logger = options.logger ?? consoleLogger;
  const registry = new Registry(workflows, activities);
  const workers = new WorkerDirectory({
    clock,
    services: () => ({ host, workers: workersOfHost }),
    onChanged: () => workersChanged(),
  });
  const workersOfHost = workersActor(() => workers);
  const pool = new WorkerPool({
    clock,
    random: options.random ?? Math.random,
    logger,
    onChanged: () => workers.ownChanged(pool.summary()),
  });
  const directory = new CodeDirectory(registry, workers);
  const shared = actorOptions.cluster !== undefined || actorOptions.placement !== undefined;
  const meter = newMeter();
  const watch = guard === true ? developmentGuard(logger) : undefined;
  const runner = new ActivityRunner({
    registry,
    clock,
    logger,
    concurrency: activityConcurrency,
    directory,
    workers: pool,
    deliver: (task, result) =>
      new ActivityDelivery(delivering, task, directory.alone ? result : exchange.delivering(task, result)).send(),
  });
  const exchange: ActivityExchange = new ActivityExchange({
    directory,
    registry,
    runner,
    clock,
    workers,
    services: () => ({
      host,
      activities: activitiesOfHost,
      ownerOf: (instanceId) => host.ownerOf(actor, instanceId),
      closure: (sessionId, sequence) => hosted.body(sessionId, sequence),
      closureLost: (instanceId, sessionId) => goOn(instanceId, (instance) => instance.closureLost(sessionId)),
    }),
  });
  runner.connect(exchange);
  const activitiesOfHost = activitiesActor(() => exchange);
  const local = localExecutor(logger, watch);
  const hosted = new HostedSessions({
    directory,
    executor: local,
    clock,
    pool,
    definitionOf: (name, version) => registry.workflow(name, version),
  });
  const sessions = sessionsActor(hosted);
  const remote = new RemoteSessions(() => ({
    host,
    directory,
    workers,
    sessions,
    answered,
  }));
  const answered = (instanceId: string, session: ExecutorSession): void =>
    goOn(instanceId, (instance) => instance.codeAnswered(session.sessionId!));
  let workerSessions = 0;
  const openOnWorkers = (code: WorkflowCode, identity: RunIdentity, origin: ExecutionOrigin): ExecutorSession => {
    if (!pool.mayRun('workflow', code.name, code.version)) return remote.open(code, identity, origin);
    const sessionId = `worker/${++workerSessions}`;
    return new WorkerSession(
      { pool, clock },
      { sessionId, code, identity, origin, answered: (session) => answered(identity.instanceId, session) },
    );
  };
  const services: InstanceServices = {
    registry,
    directory,
    shared,
    executor: {
      open: (code, identity, origin) => {
        if (code.definition !== undefined) return local.open(code.definition, identity);
        return code.onWorkers ? openOnWorkers(code, identity, origin()) : remote.open(code, identity, origin());
      },
    },
    check: (code, eventName, value, what) => {
      const { definition } = code;
      if (definition === undefined) return remote.check(code, eventName, value, what);
      return validated(
        eventName === undefined ? definition.options.input : eventSchema(definition, eventName),
        value,
        what,
      );
    },
    deliver: (instanceId, executionId, sequence, attempt, result) =>
      new ActivityDelivery(
        delivering,
        { instanceId, executionId, sequence, attempt, name: '', traceparent: undefined },
        result,
      ).send(),
    activities: runner,
    clock,
    logger,
    meter,
    actor: () => actor,
    entity: () => entity,
    endings,
    purgeTree: (instanceId) =>
      void client
        .purge(instanceId, { recursive: true })
        .catch(reporting('an instance could not be purged at the end of its retention; it is tried again')),
    awaitWorkers: (instanceId) => awaiting.add(instanceId),
    proceed: (instanceId) => goOn(instanceId, (instance) => instance.proceed()),
  };
  const awaiting = new AwaitingWorkers((instanceId) => goOnWith(actor, instanceId, (instance) => instance.proceed()));
  const actor: WorkflowActor = workflowActor(services);
  const batches = new EntityBatches({
    pool,
    workers,
    clock,
    services: () => ({ host, batches: batchesOfHost, directory }),
  });
  const batchesOfHost = entityBatchesActor(() => batches);
  const awaitingEntities = new AwaitingWorkers((entityId) => goOnWith(entity, entityId, (one) => one.proceed()));
  const entity: EntityActor = entityActor({
    batches,
    clock,
    logger,
    entity: () => entity,
    workflow: () => actor,
    goOn: (entityId, ask) => void goOnWith(entity, entityId, ask),
    awaitWorkers: (entityId) => awaitingEntities.add(entityId),
  });
  const releaseRejections = catchStrayRejections(logger);
  const release = (): void => {
    watch?.stop();
    releaseRejections();
  };
  let host: ActorHost;
  let looking: CancelTimeout | undefined;
  /** It stops, or did not start. */
  let ended = false;
  const placementChanged = (changed: ActorHost): void => {
    host = changed;
    if (directory.refresh(changed)) {
      workers.membersChanged();
      exchange.membersChanged();
      hosted.membersChanged();
      batches.membersChanged();
    }
    // Alone nobody else can have brought what somebody waits for.
    if (!directory.alone) lookSoon();
  };
  const lookSoon = (delayMs = LOOK_AGAIN_DELAY_MS): void => {
    if (ended || host.status().stopping) return;
    looking?.();
    looking = clock.setTimeout(lookAtWaiting, delayMs);
  };
  const workersChanged = (): void => {
    if (ended || host.status().stopping) return;
    exchange.codeChanged();
    void awaiting.goOn();
    void awaitingEntities.goOn();
    lookSoon(LOOK_FOR_WORKERS_DELAY_MS);
  };
  const lookAtWaiting = (): void => {
    let failed = false;
    const failure = (message: string) => (error: unknown) => {
      failed = true;
      reporting(message)(error);
    };
    void goOnWithWaiting(host, actor, directory, failure(COULD_NOT_GO_ON))
      .catch(failure('instances that wait for their code could not be listed; it is tried again'))
      .finally(() => {
        if (ended || host.status().stopping || (directory.alone && !failed)) return;
        looking?.();
        looking = clock.setTimeout(lookAtWaiting, failed ? LOOK_AFTER_FAILURE_MS : LOOK_INTERVAL_MS);
      });
  };
  const delivering: DeliveryServices = {
    get host() {
      return host;
    },
    actor: () => actor,
    clock,
    logger,
    shared,
    delivered: (task) => exchange.delivered(task),
  };
  try {
    host = await startActorHost({
      ...actorOptions,
      announce: { ...actorOptions.announce, [ANNOUNCED_AS]: announcementOf(registry, activityConcurrency) },
      onPlacementChanged: placementChanged,
      actors: [actor, entity, activitiesOfHost, sessions, workersOfHost, batchesOfHost, ...actors],
    });
  } catch (error) {
    ended = true;
    looking?.();
    release();
    throw error;
  }

  function goOn(instanceId: string, ask: (instance: ActorRef<WorkflowActor>) => Promise<unknown>): void {
    void goOnWith(actor, instanceId, ask);
  }

  /**
   * Has an instance or an entity of this host go on. Nobody else will: it is asked again until it can, however long the
   * host may not serve. A new owner does it by itself. Resolves when it was asked once; never rejects.
   */
  async function goOnWith<D extends AnyActorDefinition>(
    definition: D,
    id: string,
    ask: (ref: ActorRef<D>) => Promise<unknown>,
    failures = 0,
  ): Promise<void> {
    try {
      await ask(host.actor(definition, id));
    } catch (error) {
      const owner = host.ownerOf(definition, id);
      if (!isOutOfReach(error) || host.status().stopping) reporting(COULD_NOT_GO_ON)(error);
      else if (owner === undefined || owner === host.hostId) {
        clock.setTimeout(() => void goOnWith(definition, id, ask, failures + 1), reopenDelayMs(failures));
      }
    }
  }

  /** Reports what nobody called for, unless it fails only because the host is stopping. */
  function reporting(message: string): (error: unknown) => void {
    return (error) => {
      if (!host.status().stopping) logger.warn({ err: error }, message);
    };
  }

  const client = new LocalClient(host, actor, services);
  lookAtWaiting();

  const sweeping = sweepTombstones(
    host,
    clock,
    reporting('tombstones could not be swept; it is tried again in an hour'),
  );
  let stopping: Promise<void> | undefined;
  const stop = async (graceMs: number): Promise<void> => {
    ended = true;
    sweeping.stop();
    looking?.();
    workers.stop();
    const untilMs = clock.nowMs() + graceMs;
    await runner.stop(graceMs);
    pool.stop();
    await exchange.stop(Math.max(0, untilMs - clock.nowMs()));
    await host.stop({ graceMs: Math.max(0, untilMs - clock.nowMs()) }).finally(release);
  };
  const workflowHost: WorkflowHost = {
    workflows: client,
    entities: new LocalEntityClient(host, entity, actor),
    workers: pool,
    stored: new StoredInstances(host, actor, shared),
    repeats: new RepeatedInstances(host, actor, shared),
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

const COULD_NOT_GO_ON = 'a workflow instance or an entity could not go on; it is tried again';

/** Instances of this host that nobody could run may find their code now. */
async function goOnWithWaiting(
  host: ActorHost,
  actor: WorkflowActor,
  directory: CodeDirectory,
  onFailure: (error: unknown) => void,
): Promise<void> {
  let cursor: string | undefined;
  do {
    const page = await host.list(
      { type: WORKFLOW_ACTOR_TYPE, statuses: ['pending', 'stalled'] },
      { limit: LIST_LIMIT_MAX, ...(cursor === undefined ? {} : { cursor }) },
    );
    for (const { address, summary } of page.actors) {
      if (host.ownerOf(actor, address.id) !== host.hostId) continue;
      if (directory.workflow(summary.name) === undefined) continue;
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
