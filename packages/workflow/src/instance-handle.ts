import type {
  HistoryPage,
  HistoryQuery,
  InstanceCallOptions,
  PurgeOptions,
  StartOutcome,
  TerminateOptions,
  WaitOptions,
  WorkflowClient,
  WorkflowInstance,
} from './client-interface.ts';
import { ResultTimeoutError, WorkflowFailedError, WorkflowTerminatedError } from './errors.ts';
import type { Failure, InstanceMetadata, WorkflowStatus } from './status.ts';
import type { AnyWorkflow } from './workflow.ts';

/** A handle whose calls go through a client. With a workflow name, instances of others are not found. */
export function instanceHandle<W extends AnyWorkflow>(
  client: WorkflowClient,
  instanceId: string,
  workflowName: string | undefined,
  outcome: StartOutcome | undefined,
): WorkflowInstance<W> {
  // The types of events and result are W's; nothing at run time depends on them.
  return new InstanceHandle(client, instanceId, workflowName, outcome) as unknown as WorkflowInstance<W>;
}

class InstanceHandle implements WorkflowInstance {
  readonly instanceId: string;
  declare readonly outcome?: StartOutcome;
  readonly #client: WorkflowClient;
  readonly #workflowName: string | undefined;

  constructor(
    client: WorkflowClient,
    instanceId: string,
    workflowName: string | undefined,
    outcome: StartOutcome | undefined,
  ) {
    this.instanceId = instanceId;
    if (outcome !== undefined) this.outcome = outcome;
    this.#client = client;
    this.#workflowName = workflowName;
  }

  get(): Promise<InstanceMetadata | undefined> {
    return this.#client.get(this.instanceId, { workflowName: this.#workflowName });
  }

  raiseEvent(eventName: string, payload?: unknown, options?: InstanceCallOptions): Promise<void> {
    return this.#client.raiseEvent(this.instanceId, eventName, payload, this.#within(options));
  }

  suspend(options?: InstanceCallOptions): Promise<void> {
    return this.#client.suspend(this.instanceId, this.#within(options));
  }

  resume(options?: InstanceCallOptions): Promise<void> {
    return this.#client.resume(this.instanceId, this.#within(options));
  }

  terminate(options?: TerminateOptions): Promise<void> {
    return this.#client.terminate(this.instanceId, this.#within(options));
  }

  purge(options?: PurgeOptions): Promise<void> {
    return this.#client.purge(this.instanceId, this.#within(options));
  }

  result(options?: WaitOptions): Promise<unknown> {
    return this.#client.result(this.instanceId, this.#within(options));
  }

  wait(options?: WaitOptions): Promise<InstanceMetadata | undefined> {
    return this.#client.wait(this.instanceId, this.#within(options));
  }

  history(query?: HistoryQuery): Promise<HistoryPage> {
    return this.#client.history(this.instanceId, this.#within(query));
  }

  #within<O extends { readonly workflowName?: string | undefined }>(options: O | undefined): O {
    return { workflowName: this.#workflowName, ...options } as O;
  }
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
