// Errors as RFC 9457 problems. Every error that the library throws on purpose stands in one table here; whatever does not
// is a bug: it is logged with an id, and the id is all that the caller learns.

import { randomUUID } from 'node:crypto';
import {
  ActorAddressError,
  LimitError,
  NotExecutedError,
  OutcomeUnknownError,
  PayloadError,
  StoreUnavailableError,
  TroupeError,
  type Logger,
} from '@troupe/actors';
import {
  AlreadyExistsError,
  IdempotencyMismatchError,
  InstanceEndedError,
  InstanceIdError,
  InstanceNotEndedError,
  InstanceNotFoundError,
  NotRegisteredError,
  ValidationError,
} from '@troupe/workflow';
import { RETRY_AFTER_S } from './limits.ts';
import { wireJson } from './wire-json.ts';

/** What a problem says beside its status and code. */
export interface ProblemDetails {
  readonly message: string;
  readonly hint?: string | undefined;
  readonly headers?: Readonly<Record<string, string>> | undefined;
  /** More members of the body. */
  readonly members?: Readonly<Record<string, unknown>> | undefined;
  /** The connection cannot be used again: the rest of the request has not been read. */
  readonly closes?: boolean | undefined;
}

/** An answer that is an error. */
export class Problem extends Error {
  override readonly name = 'Problem';
  readonly status: number;
  readonly errorCode: string;
  readonly details: ProblemDetails;

  constructor(status: number, errorCode: string, details: ProblemDetails) {
    super(details.message);
    this.status = status;
    this.errorCode = errorCode;
    this.details = details;
  }

  toResponse(): Response {
    const { hint, headers, members } = this.details;
    const body = {
      type: 'about:blank',
      title: TITLES[this.status] ?? 'Error',
      status: this.status,
      detail: this.message,
      errorCode: this.errorCode,
      message: this.message,
      hint,
      ...members,
    };
    return new Response(wireJson(body), {
      status: this.status,
      headers: { 'content-type': 'application/problem+json', ...headers },
    });
  }
}

/** A request that is wrong in itself. */
export function badRequest(
  errorCode: string,
  message: string,
  hint?: string,
  members?: ProblemDetails['members'],
): Problem {
  return new Problem(400, errorCode, { message, hint, members });
}

/** Where the instances of an error are found; known to the route that was called. */
export type InstancePath = (workflowName: string | undefined, instanceId: string) => string;

/** The problem that an error is. Bugs are logged. */
export function problemOf(
  error: unknown,
  request: { readonly logger: Logger; readonly route: string; readonly instancePath: InstancePath },
): Problem {
  if (error instanceof Problem) return error;
  const known = error instanceof TroupeError ? knownProblem(error, request.instancePath) : undefined;
  if (known !== undefined) return known;
  const errorId = randomUUID();
  request.logger.error({ errorId, error, route: request.route }, 'an HTTP request failed');
  return new Problem(500, 'INTERNAL', {
    message: `an internal error; the log has it under ${errorId}`,
    hint: 'Look for the id in the log of the host.',
    members: { errorId },
  });
}

/** The problem that an error of the library is; undefined for those that are bugs here. */
export function knownProblem(error: TroupeError, instancePath: InstancePath): Problem | undefined {
  const message = error.message;
  const errorCode = error.code.toUpperCase();
  const retry = { 'retry-after': String(RETRY_AFTER_S) };
  if (error instanceof AlreadyExistsError) {
    const { instanceId, workflowName, status } = error;
    return new Problem(409, errorCode, {
      message,
      hint: 'Use another id, or ifExists=attach, restart-if-terminal or terminate-and-restart.',
      headers: { location: instancePath(workflowName, instanceId) },
      members: { instanceId, workflowType: workflowName, runtimeStatus: status.toUpperCase() },
    });
  }
  if (error instanceof InstanceEndedError || error instanceof InstanceNotEndedError) {
    const { instanceId, status } = error;
    return new Problem(409, errorCode, {
      message,
      hint:
        error instanceof InstanceEndedError
          ? 'Nothing more can be done to it but read or purge it.'
          : 'Terminate it first, or use force=true.',
      headers: { location: instancePath(undefined, instanceId) },
      members: { instanceId, runtimeStatus: status.toUpperCase() },
    });
  }
  if (error instanceof InstanceNotFoundError) {
    const hint = 'Check the id, and that the instance is of the workflow in the path.';
    return new Problem(404, errorCode, { message, hint, members: { instanceId: error.instanceId } });
  }
  if (error instanceof NotRegisteredError) {
    const hint =
      error.nearest.length === 0
        ? 'Register the workflow with the host.'
        : `Is one of these meant: ${error.nearest.join(', ')}?`;
    return new Problem(404, errorCode, { message, hint, members: { nearest: error.nearest } });
  }
  if (error instanceof ValidationError) {
    return badRequest(errorCode, message, 'Each of `errors` names a part of the value by its JSON pointer.', {
      errors: error.issues.map(({ pointer, message: detail }) => ({ pointer, detail })),
    });
  }
  if (error instanceof PayloadError)
    return badRequest(errorCode, message, 'Send plain JSON data.', { path: error.path });
  if (error instanceof InstanceIdError || error instanceof ActorAddressError) {
    return badRequest(errorCode, message, 'An id has 1 to 256 bytes of printable characters.');
  }
  if (error instanceof IdempotencyMismatchError) {
    return new Problem(422, errorCode, { message, hint: 'Use a new key for a new request.' });
  }
  if (error instanceof LimitError) {
    return new Problem(429, errorCode, { message, hint: 'Try again later, or send less.', headers: retry });
  }
  const wroteNothing = error instanceof StoreUnavailableError && error.wroteNothing;
  if (error instanceof NotExecutedError || wroteNothing) {
    return new Problem(503, 'NOT_EXECUTED', {
      message: publicMessage(error),
      hint: 'Nothing was done: try again.',
      headers: retry,
    });
  }
  if (error instanceof OutcomeUnknownError || error instanceof StoreUnavailableError) {
    return new Problem(504, 'OUTCOME_UNKNOWN', {
      message: publicMessage(error),
      hint: 'It may have been done: look at the instance, or try again with the same Idempotency-Key.',
    });
  }
  return undefined;
}

// The runtime's messages name actors, hosts and stores: their place is the log.
function publicMessage(error: TroupeError): string {
  const executed = error instanceof NotExecutedError || (error instanceof StoreUnavailableError && error.wroteNothing);
  return executed
    ? 'the request was not executed: the host cannot serve it now'
    : 'the outcome of the request is unknown';
}

const TITLES: Readonly<Record<number, string>> = {
  400: 'Bad Request',
  401: 'Unauthorized',
  403: 'Forbidden',
  404: 'Not Found',
  405: 'Method Not Allowed',
  408: 'Request Timeout',
  409: 'Conflict',
  413: 'Content Too Large',
  415: 'Unsupported Media Type',
  422: 'Unprocessable Content',
  429: 'Too Many Requests',
  431: 'Request Header Fields Too Large',
  500: 'Internal Server Error',
  503: 'Service Unavailable',
  504: 'Gateway Timeout',
};
