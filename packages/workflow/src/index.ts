// The public surface of @troupe/workflow.

// For those who write workflows.
export { workflow, event } from './workflow.ts';
export type {
  AnyWorkflow,
  ChildOptions,
  EventDefinition,
  EventDefinitions,
  Retention,
  StepOptions,
  WorkflowContext,
  WorkflowDefinition,
  WorkflowEvents,
  WorkflowFunction,
  WorkflowInput,
  WorkflowOptions,
  WorkflowOutput,
} from './workflow.ts';
export { activity } from './activity.ts';
export type { ActivityContext, ActivityDefinition, ActivityOptions, AnyActivity } from './activity.ts';
export type { RetryPolicy } from './retry.ts';
export type { Schema } from './schema.ts';

// For those who run them.
export { startHost, type WorkflowHostOptions } from './host.ts';
export type { Ending, EndingActor, EndingListener, EndStatus } from './ending.ts';
export type { HostCounters, HostStatus, RegisteredWorkflow, WorkflowHost } from './host-interface.ts';

// For edges that check what comes.
export { validated } from './schema.ts';

// For those who start and steer them.
export type {
  HistoryEntry,
  HistoryPage,
  HistoryQuery,
  IfExists,
  InstanceCallOptions,
  InstancePage,
  ListQuery,
  PurgeOptions,
  StartOptions,
  StartOutcome,
  TerminateOptions,
  WaitOptions,
  WorkflowClient,
  WorkflowInstance,
} from './client-interface.ts';
export { exportHistory, type ExportedHistory } from './history-export.ts';
export { isTerminal, WORKFLOW_STATUSES } from './status.ts';
export type { Failure, InstanceMetadata, InstanceSummary, WorkflowStatus } from './status.ts';
export {
  ActivityFailedError,
  ActivityTimeoutError,
  AlreadyExistsError,
  ChildWorkflowFailedError,
  CommandNotFoundError,
  EventTimeoutError,
  IdempotencyMismatchError,
  InstanceEndedError,
  InstanceIdError,
  InstanceNotEndedError,
  InstanceNotFoundError,
  NonDurableWaitError,
  NondeterminismError,
  NonRetryableError,
  NotRegisteredError,
  NotRerunnableError,
  NotRewindableError,
  OutsideTurnError,
  ResultTimeoutError,
  ValidationError,
  WorkflowFailedError,
  WorkflowTerminatedError,
  type ValidationIssue,
} from './errors.ts';
