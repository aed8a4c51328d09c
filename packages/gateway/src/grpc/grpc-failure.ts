// Errors as gRPC statuses. Every error that the library throws on purpose stands in one table here; whatever does not is a bug:
// it is logged with an id, and the id is all that the caller learns.
//
// F1 UNAVAILABLE says that nothing was done: clients try again by themselves. What may have been done is UNKNOWN, and not
//    DEADLINE_EXCEEDED, which clients read as "it takes longer than you would wait".

import { randomUUID } from 'node:crypto';
import { status } from '@grpc/grpc-js';
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
  CommandNotFoundError,
  IdempotencyMismatchError,
  InstanceEndedError,
  InstanceIdError,
  InstanceNotEndedError,
  InstanceNotFoundError,
  NotRegisteredError,
  NotRerunnableError,
  NotRewindableError,
  ValidationError,
} from '@troupe/workflow';
import { Problem } from '../problem.ts';
import { DecodeError } from './schema.ts';

/** An answer that is an error. */
export class GrpcFailure extends Error {
  override readonly name = 'GrpcFailure';
  readonly code: status;

  constructor(code: status, message: string) {
    super(message);
    this.code = code;
  }
}

export function invalid(message: string): GrpcFailure {
  return new GrpcFailure(status.INVALID_ARGUMENT, message);
}

/** Some clients look for these words. */
export function noSuchInstance(instanceId: string, code = status.NOT_FOUND): GrpcFailure {
  return new GrpcFailure(code, `no such instance exists: ${JSON.stringify(instanceId)}`);
}

export function stopping(): GrpcFailure {
  return new GrpcFailure(status.UNAVAILABLE, 'the host is stopping');
}

/** The status that an error is. Bugs are logged. */
export function failureOf(error: unknown, call: { readonly logger: Logger; readonly rpc: string }): GrpcFailure {
  if (error instanceof GrpcFailure) return error;
  if (error instanceof DecodeError) return invalid(error.message);
  if (error instanceof Problem) return new GrpcFailure(PROBLEM_CODES[error.status] ?? status.UNKNOWN, error.message);
  const known = error instanceof TroupeError ? knownFailure(error) : undefined;
  if (known !== undefined) return known;
  const errorId = randomUUID();
  call.logger.error({ errorId, error, rpc: call.rpc }, 'a gRPC call failed');
  return new GrpcFailure(status.INTERNAL, `an internal error; the log has it under ${errorId}`);
}

/** What the checks that both gateways share answer with. */
const PROBLEM_CODES: Readonly<Record<number, status>> = {
  400: status.INVALID_ARGUMENT,
  401: status.UNAUTHENTICATED,
  403: status.PERMISSION_DENIED,
};

function knownFailure(error: TroupeError): GrpcFailure | undefined {
  const { message } = error;
  if (error instanceof AlreadyExistsError) return new GrpcFailure(status.ALREADY_EXISTS, message);
  if (error instanceof InstanceNotFoundError) return noSuchInstance(error.instanceId);
  if (
    error instanceof InstanceEndedError ||
    error instanceof InstanceNotEndedError ||
    error instanceof NotRewindableError
  )
    return new GrpcFailure(status.FAILED_PRECONDITION, message);
  if (error instanceof NotRegisteredError || error instanceof CommandNotFoundError)
    return new GrpcFailure(status.NOT_FOUND, message);
  if (
    error instanceof ValidationError ||
    error instanceof NotRerunnableError ||
    error instanceof PayloadError ||
    error instanceof InstanceIdError ||
    error instanceof ActorAddressError ||
    error instanceof IdempotencyMismatchError
  ) {
    return invalid(message);
  }
  if (error instanceof LimitError) return new GrpcFailure(status.RESOURCE_EXHAUSTED, message);
  // The runtime's messages name actors, hosts and stores: their place is the log.
  if (error instanceof NotExecutedError || (error instanceof StoreUnavailableError && error.wroteNothing))
    return new GrpcFailure(status.UNAVAILABLE, 'the call was not executed: the host cannot serve it now');
  if (error instanceof OutcomeUnknownError || error instanceof StoreUnavailableError)
    return new GrpcFailure(status.UNKNOWN, 'the outcome of the call is unknown: it may have been executed');
  return undefined;
}
