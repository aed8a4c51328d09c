// Microsoft's SDK for JavaScript, the other fork of the protocol. It needs Node 22.

import {
  EntityInstanceId,
  HistoryEventType,
  NoOpLogger,
  OrchestrationStatus,
  PurgeInstanceCriteria,
  RetryPolicy,
  TaskEntity,
  TaskHubGrpcClient,
  TaskHubGrpcWorker,
  terminateOptions,
  whenAll,
  whenAny,
} from '@microsoft/durabletask-js';
import { plainState } from './plain-state.mjs';

const UNLIMITED = { 'grpc.max_receive_message_length': -1, 'grpc.max_send_message_length': -1 };

export const words = {
  child: (ctx, name, input, instanceId) => ctx.callSubOrchestrator(name, input, { instanceId }),
  all: (_, tasks) => whenAll(tasks),
  any: (_, tasks) => whenAny(tasks),
  idOf: (ctx) => ctx.instanceId,
  nowOf: (ctx) => ctx.currentUtcDateTime,
};

/** What only this SDK can express. */
const ownWorkflows = {
  async *retry(ctx, { key, failures, attempts }) {
    const retry = new RetryPolicy({ maxNumberOfAttempts: attempts, firstRetryIntervalInMilliseconds: 20 });
    return yield ctx.callActivity('flaky', { key, times: failures }, { retry });
  },
  async *retryChild(ctx, attempts) {
    const retry = new RetryPolicy({ maxNumberOfAttempts: attempts, firstRetryIntervalInMilliseconds: 20 });
    return yield ctx.callSubOrchestrator('fail', 'again', { retry });
  },
  // oxlint-disable-next-line require-yield
  async *sendTo(ctx, { instanceId, name, payload }) {
    ctx.sendEvent(instanceId, name, payload);
  },
  async *history(ctx, childId) {
    yield ctx.callActivity('plusOne', 1);
    yield ctx.createTimer(0.01);
    yield ctx.callSubOrchestrator('echo', 'child', { instanceId: childId });
  },
  async *parentOf(ctx) {
    return yield ctx.callSubOrchestrator('seesParent');
  },
  async seesParent(ctx) {
    return ctx.parent;
  },
  async seesVersion(ctx) {
    return ctx.version;
  },
};

class Counter extends TaskEntity {
  initializeState() {
    return { count: 0 };
  }
  add(amount) {
    this.state.count += amount;
    return this.state.count;
  }
  get() {
    return this.state.count;
  }
  fail() {
    this.state.count = -1;
    throw new Error('as asked');
  }
  passOn(key) {
    this.context.signalEntity(counter(key), 'add', this.state.count);
  }
  begin(instanceId) {
    this.context.scheduleNewOrchestration('echo', this.state.count, { instanceId });
  }
}

const counter = (key) => new EntityInstanceId('Counter', key);

const entityWorkflows = {
  async *calls(ctx, key) {
    ctx.entities.signalEntity(counter(key), 'add', 10);
    const sum = yield ctx.entities.callEntity(counter(key), 'add', 5);
    let failure;
    try {
      yield ctx.entities.callEntity(counter(key), 'fail');
    } catch (error) {
      failure = error.message;
    }
    return { sum, failure, after: yield ctx.entities.callEntity(counter(key), 'get') };
  },
  /** Reads and writes what nobody else may change meanwhile. */
  async *locked(ctx, { keys, end }) {
    const lock = yield ctx.entities.lockEntities(...keys.map(counter));
    const before = yield ctx.entities.callEntity(counter(keys[0]), 'get');
    yield ctx.createTimer(0.05);
    const after = yield ctx.entities.callEntity(counter(keys[0]), 'add', 1);
    if (end === 'wait') yield ctx.waitForExternalEvent('never');
    if (end === 'fail') throw new Error('as asked');
    lock.release();
    return after - before;
  },
};

function plainEntity(entity) {
  if (entity === undefined) return undefined;
  const { id, lockedBy, includesState } = entity;
  return { id: id.toString(), lockedBy, count: includesState ? entity.state.count : undefined };
}

function plain(state) {
  return state && { ...plainState(state, OrchestrationStatus), tags: state.tags };
}

export function open(address, { workflows, activities }) {
  const settings = { hostAddress: address, options: UNLIMITED, logger: new NoOpLogger() };
  const client = new TaskHubGrpcClient(settings);
  let worker;
  return {
    /** Runs all, or what is named, and then says so to the server. */
    async work(only) {
      worker = new TaskHubGrpcWorker({ ...settings, ...(only === undefined ? {} : { workItemFilters: 'auto' }) });
      const isWanted = ([name]) => only === undefined || only.includes(name);
      for (const [name, run] of Object.entries({ ...workflows, ...ownWorkflows, ...entityWorkflows }).filter(isWanted))
        worker.addNamedOrchestrator(name, run);
      for (const [name, run] of Object.entries(activities).filter(isWanted)) worker.addNamedActivity(name, run);
      if (isWanted(['Counter'])) worker.addNamedEntity('Counter', () => new Counter());
      await worker.start();
    },
    rest: () => worker.stop(),
    start: (name, input, { startAtMs, ...options } = {}) =>
      client.scheduleNewOrchestration(name, input, {
        ...options,
        ...(startAtMs === undefined ? {} : { startAt: new Date(startAtMs) }),
      }),
    state: async (id) => plain(await client.getOrchestrationState(id)),
    started: async (id) => plain(await client.waitForOrchestrationStart(id, true)),
    ended: async (id) => plain(await client.waitForOrchestrationCompletion(id)),
    raise: (id, name, payload) => client.raiseOrchestrationEvent(id, name, payload),
    suspend: (id) => client.suspendOrchestration(id),
    resume: (id) => client.resumeOrchestration(id),
    terminate: (id, output, { recursive = false } = {}) =>
      client.terminateOrchestration(id, terminateOptions({ output, recursive })),
    purge: async (id, { recursive = false } = {}) =>
      (await client.purgeOrchestration(id, { recursive })).deletedInstanceCount,
    async purgeWhere({ createdFromMs, createdToMs, statuses = [] }) {
      const criteria = new PurgeInstanceCriteria();
      if (createdFromMs !== undefined) criteria.setCreatedTimeFrom(new Date(createdFromMs));
      if (createdToMs !== undefined) criteria.setCreatedTimeTo(new Date(createdToMs));
      criteria.setRuntimeStatusList(statuses.map((status) => OrchestrationStatus[status]));
      criteria.setTimeout(60_000);
      return (await client.purgeOrchestration(criteria)).deletedInstanceCount;
    },
    restart: (id, withNewId) => client.restartOrchestration(id, withNewId),
    rewind: (id, reason) => client.rewindInstance(id, reason),
    signal: (key, operation, input, { inMs } = {}) =>
      client.signalEntity(counter(key), operation, input, {
        ...(inMs === undefined ? {} : { signalTime: new Date(Date.now() + inMs) }),
      }),
    entity: async (key) => plainEntity(await client.getEntity(counter(key))),
    async entities(prefix, includeTransient = false) {
      const found = [];
      const query = { instanceIdStartsWith: `@Counter@${prefix}`, includeState: true, includeTransient, pageSize: 2 };
      for await (const entity of client.getEntities(query)) found.push(plainEntity(entity));
      return found;
    },
    clean: () => client.cleanEntityStorage(),
    async history(id) {
      const events = await client.getOrchestrationHistory(id);
      return events.map(({ eventId, type }) => ({ eventId, type: HistoryEventType[type] ?? type }));
    },
    async query({ statuses, ...filter }) {
      const query = { ...filter, ...(statuses && { statuses: statuses.map((status) => OrchestrationStatus[status]) }) };
      const states = [];
      for await (const state of client.getAllInstances(query)) states.push(plain(state));
      return states;
    },
    async listIds({ statuses, ...options }) {
      const page = await client.listInstanceIds({
        ...options,
        ...(statuses && { runtimeStatus: statuses.map((status) => OrchestrationStatus[status]) }),
      });
      return { ids: page.values, next: page.continuationToken };
    },
  };
}
