import {
  ActorAddressError,
  DeadlockError,
  InnerCallError,
  NotDefinedError,
  NotExecutedError,
  OutcomeUnknownError,
  PayloadError,
  StoreUnavailableError,
} from '@troupe/actors';
import {
  IdempotencyMismatchError,
  InstanceEndedError,
  InstanceIdError,
  NotRegisteredError,
  ValidationError,
} from '@troupe/workflow';
import { EventFormatError, InstanceConflictError } from './errors.ts';

/**
 * What a failure says of the next attempt. `permanent`: it would fail in the same way. `runtime`: the store, the network or
 * a host is away, which is no fault of the event. `transient`: it may go well.
 */
export type FailureClass = 'permanent' | 'runtime' | 'transient';

const PERMANENT = [
  ActorAddressError,
  DeadlockError,
  EventFormatError,
  IdempotencyMismatchError,
  InstanceConflictError,
  InstanceEndedError,
  InstanceIdError,
  NotDefinedError,
  NotRegisteredError,
  PayloadError,
  ValidationError,
] as const;

/** Classifies what an action threw; what mappings throw is permanent wherever it comes from. */
export function failureClass(error: unknown): FailureClass {
  if (
    error instanceof NotExecutedError ||
    error instanceof OutcomeUnknownError ||
    error instanceof StoreUnavailableError
  )
    return 'runtime';
  if (error instanceof InnerCallError) return 'transient';
  return PERMANENT.some((type) => error instanceof type) ? 'permanent' : 'transient';
}
