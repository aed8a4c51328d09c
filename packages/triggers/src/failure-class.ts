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
  // What the engine says of its arguments.
  RangeError,
  TypeError,
  ValidationError,
] as const;

/** What came before the deed failed: it would fail again. The cause is what people are told. */
export class PermanentFailure extends Error {
  override readonly name = 'PermanentFailure';

  constructor(cause: unknown) {
    super('the event can never be handled as it is', { cause });
  }
}

/** What an attempt failed by, as people are told, and what it says of the next one. */
export function failureOf(thrown: unknown): { readonly error: Error; readonly kind: FailureClass } {
  if (thrown instanceof PermanentFailure) return { error: asError(thrown.cause), kind: 'permanent' };
  return { error: asError(thrown), kind: failureClass(thrown) };
}

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

/** Rules may throw anything. */
export function asError(thrown: unknown): Error {
  return thrown instanceof Error ? thrown : new Error(String(thrown));
}
