import type { StartOutcome, WorkflowClient, WorkflowInstance } from './client-interface.ts';
import { ResultTimeoutError, WorkflowFailedError, WorkflowTerminatedError } from './errors.ts';
import type { Failure, WorkflowStatus } from './status.ts';
import type { AnyWorkflow } from './workflow.ts';

/** A handle whose calls go through a client. With a workflow name, instances of others are not found. */
export function instanceHandle<W extends AnyWorkflow>(
  client: WorkflowClient,
  instanceId: string,
  workflowName: string | undefined,
  outcome: StartOutcome | undefined,
): WorkflowInstance<W> {
  const handle: WorkflowInstance = {
    instanceId,
    ...(outcome === undefined ? {} : { outcome }),
    get: () => client.get(instanceId, { workflowName }),
    raiseEvent: (eventName, payload, options) =>
      client.raiseEvent(instanceId, eventName, payload, { workflowName, ...options }),
    suspend: (options) => client.suspend(instanceId, { workflowName, ...options }),
    resume: (options) => client.resume(instanceId, { workflowName, ...options }),
    terminate: (options) => client.terminate(instanceId, { workflowName, ...options }),
    purge: (options) => client.purge(instanceId, { workflowName, ...options }),
    result: (options) => client.result(instanceId, { workflowName, ...options }),
    wait: (options) => client.wait(instanceId, { workflowName, ...options }),
    history: (query) => client.history(instanceId, { workflowName, ...query }),
  };
  // The types of events and result are W's; nothing at run time depends on them.
  return handle as unknown as WorkflowInstance<W>;
}

/** What `result()` gives for an instance as it stands: the output, or the error that says why there is none. */
export function resultOf(
  instanceId: string,
  status: WorkflowStatus,
  output: unknown,
  failure: Failure | undefined,
): unknown {
  switch (status) {
    case 'completed':
      return output;
    case 'failed':
      throw new WorkflowFailedError(instanceId, failure!);
    case 'terminated':
      throw new WorkflowTerminatedError(instanceId, output);
    default:
      throw new ResultTimeoutError(`workflow instance ${JSON.stringify(instanceId)} has not ended yet: ${status}`);
  }
}
