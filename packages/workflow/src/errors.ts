import { NotExecutedError, OutcomeUnknownError, TroupeError } from '@troupe/actors';
import type { Failure, WorkflowStatus } from './status.ts';

/** An instance id that cannot be used. */
export class InstanceIdError extends TroupeError {
  override readonly name = 'InstanceIdError';
  readonly code = 'instance_id_invalid';
}

/** A start with an id that is taken. */
export class AlreadyExistsError extends TroupeError {
  override readonly name = 'AlreadyExistsError';
  readonly code = 'already_exists';
  readonly instanceId: string;
  readonly workflowName: string;
  readonly status: WorkflowStatus;

  constructor(instanceId: string, workflowName: string, status: WorkflowStatus) {
    super(`a workflow instance ${JSON.stringify(instanceId)} exists already: ${workflowName}, ${status}`);
    this.instanceId = instanceId;
    this.workflowName = workflowName;
    this.status = status;
  }
}

/** The same idempotency key came with another payload. */
export class IdempotencyMismatchError extends TroupeError {
  override readonly name = 'IdempotencyMismatchError';
  readonly code = 'idempotency_mismatch';
}

/** There is no such instance, or not of the workflow that was named. */
export class InstanceNotFoundError extends TroupeError {
  override readonly name = 'InstanceNotFoundError';
  readonly code = 'instance_not_found';
  readonly instanceId: string;

  constructor(instanceId: string) {
    super(`there is no workflow instance ${JSON.stringify(instanceId)}`);
    this.instanceId = instanceId;
  }
}

/** The instance has ended: it takes no events and cannot be suspended, resumed or terminated. */
export class InstanceEndedError extends TroupeError {
  override readonly name = 'InstanceEndedError';
  readonly code = 'instance_ended';
  readonly instanceId: string;
  readonly status: WorkflowStatus;

  constructor(instanceId: string, status: WorkflowStatus) {
    super(`workflow instance ${JSON.stringify(instanceId)} has ended: ${status}`);
    this.instanceId = instanceId;
    this.status = status;
  }
}

/** Only an instance that has ended can be purged. */
export class InstanceNotEndedError extends TroupeError {
  override readonly name = 'InstanceNotEndedError';
  readonly code = 'instance_not_ended';
  readonly instanceId: string;
  readonly status: WorkflowStatus;

  constructor(instanceId: string, status: WorkflowStatus) {
    super(
      `workflow instance ${JSON.stringify(instanceId)} has not ended: ${status}. Terminate it first, or purge with force`,
    );
    this.instanceId = instanceId;
    this.status = status;
  }
}

/** Only an instance that workers ran and that failed can be rewound. */
export class NotRewindableError extends TroupeError {
  override readonly name = 'NotRewindableError';
  readonly code = 'not_rewindable';
  readonly instanceId: string;

  constructor(instanceId: string, why: string) {
    super(`workflow instance ${JSON.stringify(instanceId)} cannot be rewound: ${why}`);
    this.instanceId = instanceId;
  }
}

/** Only a part of an instance that workers ran, that has ended and that is nobody's child can be run again, as another one. */
export class NotRerunnableError extends TroupeError {
  override readonly name = 'NotRerunnableError';
  readonly code = 'not_rerunnable';
  readonly instanceId: string;

  constructor(instanceId: string, why: string) {
    super(`workflow instance ${JSON.stringify(instanceId)} cannot be run again: ${why}`);
    this.instanceId = instanceId;
  }
}

/** The history has nothing under this number that can be carried out again. */
export class CommandNotFoundError extends TroupeError {
  override readonly name = 'CommandNotFoundError';
  readonly code = 'command_not_found';
  readonly instanceId: string;
  readonly sequence: number;

  constructor(instanceId: string, sequence: number) {
    super(
      `the history of workflow instance ${JSON.stringify(instanceId)} has no activity, timer or child under the number ${sequence}`,
    );
    this.instanceId = instanceId;
    this.sequence = sequence;
  }
}

/** No registered workflow or activity has this name (and version). */
export class NotRegisteredError extends TroupeError {
  override readonly name = 'NotRegisteredError';
  readonly code = 'not_registered';
  readonly nearest: readonly string[];

  constructor(kind: 'workflow' | 'activity', wanted: string, nearest: readonly string[]) {
    const hint = nearest.length === 0 ? 'none is registered' : `registered: ${nearest.join(', ')}`;
    super(`no ${kind} ${JSON.stringify(wanted)} is registered; ${hint}`);
    this.nearest = nearest;
  }
}

/** One thing that is wrong with a value, and where. */
export interface ValidationIssue {
  /** JSON pointer; the empty string is the whole value. */
  readonly pointer: string;
  readonly message: string;
}

/** A value that does not match its schema. */
export class ValidationError extends TroupeError {
  override readonly name = 'ValidationError';
  readonly code = 'validation_failed';
  readonly issues: readonly ValidationIssue[];

  constructor(what: string, issues: readonly ValidationIssue[]) {
    super(
      `${what} is not valid: ${issues.map((issue) => `${issue.pointer === '' ? '' : `${issue.pointer}: `}${issue.message}`).join('; ')}`,
    );
    this.issues = issues;
  }
}

/** `result()` of an instance that failed. */
export class WorkflowFailedError extends TroupeError {
  override readonly name = 'WorkflowFailedError';
  readonly code = 'workflow_failed';
  readonly instanceId: string;
  readonly failure: Failure;

  constructor(instanceId: string, failure: Failure) {
    super(`workflow instance ${JSON.stringify(instanceId)} failed: ${failure.type}: ${failure.message}`);
    this.instanceId = instanceId;
    this.failure = failure;
  }
}

/** `result()` of an instance that was terminated. */
export class WorkflowTerminatedError extends TroupeError {
  override readonly name = 'WorkflowTerminatedError';
  readonly code = 'workflow_terminated';
  readonly instanceId: string;
  readonly output: unknown;

  constructor(instanceId: string, output: unknown) {
    super(`workflow instance ${JSON.stringify(instanceId)} was terminated`);
    this.instanceId = instanceId;
    this.output = output;
  }
}

/** `result()` stopped waiting; the instance goes on. */
export class ResultTimeoutError extends TroupeError {
  override readonly name = 'ResultTimeoutError';
  readonly code = 'result_timeout';
}

// ── Thrown inside workflows ──────────────────────────────────────────────────────────────────────────────────────────

/** An activity (or step) failed for good. `failure.type` is the name of the error that it threw last. */
export class ActivityFailedError extends TroupeError {
  override readonly name = 'ActivityFailedError';
  readonly code = 'activity_failed';
  readonly activityName: string;
  readonly failure: Failure;
  readonly attempts: number;

  constructor(activityName: string, failure: Failure, attempts: number) {
    super(failure.message, { cause: failureAsError(failure) });
    this.activityName = activityName;
    this.failure = failure;
    this.attempts = attempts;
  }
}

/** A child workflow failed, was terminated, or could not be started. */
export class ChildWorkflowFailedError extends TroupeError {
  override readonly name = 'ChildWorkflowFailedError';
  readonly code = 'child_workflow_failed';
  readonly instanceId: string;
  readonly failure: Failure;

  constructor(instanceId: string, failure: Failure) {
    super(failure.message, { cause: failureAsError(failure) });
    this.instanceId = instanceId;
    this.failure = failure;
  }
}

/** No event came in time. */
export class EventTimeoutError extends TroupeError {
  override readonly name = 'EventTimeoutError';
  readonly code = 'event_timeout';
  readonly eventName: string;

  constructor(eventName: string, timeoutMs: number) {
    super(`no event ${JSON.stringify(eventName)} came within ${timeoutMs} ms`);
    this.eventName = eventName;
  }
}

/** Thrown by an activity to say that trying again is of no use. */
export class NonRetryableError extends TroupeError {
  override readonly name = 'NonRetryableError';
  readonly code = 'non_retryable';
}

/** An attempt of an activity took too long, or its heartbeat stopped. */
export class ActivityTimeoutError extends TroupeError {
  override readonly name = 'ActivityTimeoutError';
  readonly code = 'activity_timeout';
}

/** The code asked for something else than the history recorded: it was changed under a running instance. */
export class NondeterminismError extends TroupeError {
  override readonly name = 'NondeterminismError';
  readonly code = 'nondeterminism';
}

/** The code waits for something that no history event will ever resolve. */
export class NonDurableWaitError extends TroupeError {
  override readonly name = 'NonDurableWaitError';
  readonly code = 'non_durable_wait';
}

/** A context was used while its workflow was not being run: from a timer, or after the workflow had ended. */
export class OutsideTurnError extends TroupeError {
  override readonly name = 'OutsideTurnError';
  readonly code = 'outside_turn';
}

/** Whether the code itself is why it cannot go on. */
export function isFault(error: unknown): error is Error {
  return (
    error instanceof NondeterminismError || error instanceof NonDurableWaitError || error instanceof OutsideTurnError
  );
}

/** Nothing is wrong but that whoever was asked did not answer. */
export function isOutOfReach(error: unknown): boolean {
  return error instanceof NotExecutedError || error instanceof OutcomeUnknownError;
}

/** An error made of a failure: its name, message and causes. */
export function failureAsError(failure: Failure): Error {
  const error = new Error(
    failure.message,
    failure.cause === undefined ? undefined : { cause: failureAsError(failure.cause) },
  );
  error.name = failure.type;
  if (failure.stack !== undefined) error.stack = failure.stack;
  return error;
}
