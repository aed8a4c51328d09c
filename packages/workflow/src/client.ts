// The public surface of @troupe/workflow/client: the client over HTTP. It needs no engine and no store.

export { connect, type ConnectOptions } from './http-client.ts';
export { GatewayError } from './http-error.ts';
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
export { isTerminal, WORKFLOW_STATUSES } from './status.ts';
export type { Failure, InstanceMetadata, InstanceSummary, WorkflowStatus } from './status.ts';
export {
  AlreadyExistsError,
  IdempotencyMismatchError,
  InstanceEndedError,
  InstanceIdError,
  InstanceNotEndedError,
  InstanceNotFoundError,
  NotRegisteredError,
  ResultTimeoutError,
  ValidationError,
  WorkflowFailedError,
  WorkflowTerminatedError,
  type ValidationIssue,
} from './errors.ts';
export { LimitError, NotExecutedError, OutcomeUnknownError, PayloadError, TroupeError } from '@troupe/actors';
