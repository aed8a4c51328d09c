// The older client that Dapr's SDK was built on, still published on its own.

import { TaskHubGrpcClient, TaskHubGrpcWorker } from '@dapr/durabletask-js';
import { OrchestrationStatus } from '@dapr/durabletask-js/orchestration/enum/orchestration-status.enum.js';
import { PurgeInstanceCriteria } from '@dapr/durabletask-js/orchestration/orchestration-purge-criteria.js';
import { whenAll, whenAny } from '@dapr/durabletask-js/task/index.js';
import { plainState } from './plain-state.mjs';

export const words = {
  child: (ctx, name, input, instanceId) => ctx.callSubOrchestrator(name, input, instanceId),
  all: (_, tasks) => whenAll(tasks),
  any: (_, tasks) => whenAny(tasks),
  idOf: (ctx) => ctx.instanceId,
  nowOf: (ctx) => ctx.currentUtcDateTime,
};

const plain = (state) => plainState(state, OrchestrationStatus);

export function open(address, { workflows, activities }) {
  const client = new TaskHubGrpcClient(address);
  let worker;
  return {
    async work() {
      worker = new TaskHubGrpcWorker(address);
      for (const [name, run] of Object.entries(workflows)) worker.addNamedOrchestrator(name, run);
      for (const [name, run] of Object.entries(activities)) worker.addNamedActivity(name, run);
      await worker.start();
    },
    rest: () => worker.stop(),
    start: (name, input, { instanceId, startAtMs } = {}) =>
      client.scheduleNewOrchestration(
        name,
        input,
        instanceId,
        startAtMs === undefined ? undefined : new Date(startAtMs),
      ),
    state: async (id) => plain(await client.getOrchestrationState(id)),
    started: async (id) => plain(await client.waitForOrchestrationStart(id, true)),
    ended: async (id) => plain(await client.waitForOrchestrationCompletion(id)),
    raise: (id, name, payload) => client.raiseOrchestrationEvent(id, name, payload),
    suspend: (id) => client.suspendOrchestration(id),
    resume: (id) => client.resumeOrchestration(id),
    terminate: (id, output) => client.terminateOrchestration(id, output),
    purge: async (id) => (await client.purgeOrchestration(id)).deletedInstanceCount,
    async purgeWhere({ createdFromMs, createdToMs, statuses = [] }) {
      const criteria = new PurgeInstanceCriteria();
      if (createdFromMs !== undefined) criteria.setCreatedTimeFrom(new Date(createdFromMs));
      if (createdToMs !== undefined) criteria.setCreatedTimeTo(new Date(createdToMs));
      criteria.setRuntimeStatusList(statuses.map((status) => OrchestrationStatus[status]));
      criteria.setTimeout(60_000);
      return (await client.purgeOrchestration(criteria)).deletedInstanceCount;
    },
  };
}
