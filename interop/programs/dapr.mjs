// Dapr's SDK for JavaScript: its workflow client and its workflow runtime.

import { DaprWorkflowClient, WorkflowRuntime, WorkflowRuntimeStatus } from '@dapr/dapr';

export const words = {
  child: (ctx, name, input, instanceId) => ctx.callChildWorkflow(name, input, instanceId),
  all: (ctx, tasks) => ctx.whenAll(tasks),
  any: (ctx, tasks) => ctx.whenAny(tasks),
  idOf: (ctx) => ctx.getWorkflowInstanceId(),
  nowOf: (ctx) => ctx.getCurrentUtcDateTime(),
};

function plain(state) {
  if (state === undefined) return undefined;
  const failure = state.workflowFailureDetails;
  return {
    name: state.name,
    instanceId: state.instanceId,
    status: WorkflowRuntimeStatus[state.runtimeStatus],
    createdAtMs: state.createdAt.getTime(),
    updatedAtMs: state.lastUpdatedAt.getTime(),
    input: state.serializedInput,
    output: state.serializedOutput,
    customStatus: state.customStatus,
    failure: failure && {
      type: failure.getErrorType(),
      message: failure.getErrorMessage(),
      stack: failure.getStackTrace(),
    },
  };
}

export function open(address, { workflows, activities }) {
  const [daprHost, daprPort] = address.split(':');
  const client = new DaprWorkflowClient({ daprHost, daprPort });
  let runtime;
  return {
    async work() {
      runtime = new WorkflowRuntime({ daprHost, daprPort });
      for (const [name, run] of Object.entries(workflows)) runtime.registerWorkflowWithName(name, run);
      for (const [name, run] of Object.entries(activities)) runtime.registerActivityWithName(name, run);
      await runtime.start();
    },
    rest: () => runtime.stop(),
    start: (name, input, { instanceId, startAtMs } = {}) =>
      client.scheduleNewWorkflow(name, input, instanceId, startAtMs === undefined ? undefined : new Date(startAtMs)),
    state: async (id) => plain(await client.getWorkflowState(id, true)),
    started: async (id) => plain(await client.waitForWorkflowStart(id)),
    ended: async (id) => plain(await client.waitForWorkflowCompletion(id)),
    raise: (id, name, payload) => client.raiseEvent(id, name, payload),
    suspend: (id) => client.suspendWorkflow(id),
    resume: (id) => client.resumeWorkflow(id),
    terminate: (id, output) => client.terminateWorkflow(id, output),
    purge: async (id) => ((await client.purgeWorkflow(id)) ? 1 : 0),
  };
}
