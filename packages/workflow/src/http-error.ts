// Problems of the gateway, as the errors that the client in the same process would have thrown.

import { LimitError, NotExecutedError, OutcomeUnknownError, PayloadError, TroupeError } from '@troupe/actors';
import {
  AlreadyExistsError,
  IdempotencyMismatchError,
  InstanceEndedError,
  InstanceIdError,
  InstanceNotEndedError,
  InstanceNotFoundError,
  NotRegisteredError,
  ValidationError,
} from './errors.ts';
import { WORKFLOW_STATUSES, type WorkflowStatus } from './status.ts';

/** An answer of the gateway that no other error stands for: no access, a bug there, a server that is not a gateway. */
export class GatewayError extends TroupeError {
  override readonly name = 'GatewayError';
  readonly code = 'gateway_error';
  readonly status: number;
  /** As the gateway named it: `UNAUTHENTICATED`, `INTERNAL`, …; empty when the answer was not a gateway's. */
  readonly errorCode: string;
  readonly hint: string | undefined;

  constructor(status: number, errorCode: string, message: string, hint: string | undefined) {
    super(message);
    this.status = status;
    this.errorCode = errorCode;
    this.hint = hint;
  }
}

/** The body of an error answer, as far as it can be trusted. */
export interface WireProblem {
  readonly errorCode: string;
  readonly message: string;
  readonly members: Readonly<Record<string, unknown>>;
}

/** Reads an error answer; anything may come, also from proxies in between. */
export function wireProblem(status: number, text: string): WireProblem {
  let members: Record<string, unknown> = {};
  try {
    const body: unknown = JSON.parse(text);
    if (typeof body === 'object' && body !== null && !Array.isArray(body)) members = body as Record<string, unknown>;
  } catch {
    // Not of a gateway: the status says all.
  }
  return {
    errorCode: textOf(members['errorCode']) ?? '',
    message: textOf(members['message']) ?? `the server answered ${status}`,
    members,
  };
}

/** The error of an answer to a call that concerns an instance, or a workflow by name. */
export function errorOfProblem(status: number, problem: WireProblem, subject: string): TroupeError {
  const { errorCode, message, members } = problem;
  const instanceId = textOf(members['instanceId']) ?? subject;
  switch (errorCode) {
    case 'ALREADY_EXISTS':
      return new AlreadyExistsError(
        instanceId,
        textOf(members['workflowType']) ?? '',
        statusOf(members['runtimeStatus']),
      );
    case 'INSTANCE_NOT_FOUND':
      return new InstanceNotFoundError(instanceId);
    case 'INSTANCE_ENDED':
      return new InstanceEndedError(instanceId, statusOf(members['runtimeStatus']));
    case 'INSTANCE_NOT_ENDED':
      return new InstanceNotEndedError(instanceId, statusOf(members['runtimeStatus']));
    case 'INSTANCE_ID_INVALID':
    case 'ACTOR_ADDRESS_INVALID':
      return new InstanceIdError(message);
    case 'IDEMPOTENCY_MISMATCH':
      return new IdempotencyMismatchError(message);
    case 'NOT_REGISTERED':
      return withMessage(new NotRegisteredError('workflow', subject, textsOf(members['nearest'])), message);
    case 'VALIDATION_FAILED':
      return withMessage(new ValidationError('the value', issuesOf(members['errors'])), message);
    case 'PAYLOAD_INVALID':
      return withMessage(new PayloadError('the value', textOf(members['path']) ?? '', ''), message);
    case 'LIMIT_REACHED':
    case 'BODY_TOO_LARGE':
      return new LimitError(message);
    case 'NOT_EXECUTED':
      return notExecuted(subject, message);
    case 'OUTCOME_UNKNOWN':
      return outcomeUnknown(subject, message);
    default:
      return new GatewayError(status, errorCode, message, textOf(members['hint']));
  }
}

/** Certainly not executed. */
export function notExecuted(subject: string, message: string, options?: ErrorOptions): NotExecutedError {
  return withMessage(new NotExecutedError({ type: 'workflow', id: subject }, '', options), message);
}

/** Perhaps executed. */
export function outcomeUnknown(subject: string, message: string, options?: ErrorOptions): OutcomeUnknownError {
  return withMessage(new OutcomeUnknownError({ type: 'workflow', id: subject }, '', options), message);
}

/** The words of the server instead of those that the class would make. */
function withMessage<E extends Error>(error: E, message: string): E {
  error.message = message;
  return error;
}

function textOf(value: unknown): string | undefined {
  return typeof value === 'string' ? value : undefined;
}

function textsOf(value: unknown): string[] {
  return Array.isArray(value) ? value.filter((item) => typeof item === 'string') : [];
}

function issuesOf(value: unknown): { pointer: string; message: string }[] {
  if (!Array.isArray(value)) return [];
  return value.map((issue: { pointer?: unknown; detail?: unknown } | null) => ({
    pointer: textOf(issue?.pointer) ?? '',
    message: textOf(issue?.detail) ?? '',
  }));
}

/** A status from the wire. */
export function statusOf(value: unknown): WorkflowStatus {
  const text = textOf(value)?.toLowerCase();
  const status = WORKFLOW_STATUSES.find((candidate) => candidate === text);
  if (status === undefined)
    throw new GatewayError(200, '', `the server knows a status that this client does not: ${String(value)}`, undefined);
  return status;
}
