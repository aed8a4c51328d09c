import type { ActorAddress } from './address.ts';

/**
 * What is known of a call that failed for reasons of the runtime: `not-executed` is safe to retry, `unknown` may have
 * run.
 */
export type CallOutcome = 'not-executed' | 'unknown';

/** The base of the errors of this package: a stable `code` to switch on; nobody matches message text. */
export abstract class TroupeError extends Error {
  abstract readonly code: string;
}

/** An address that cannot name an actor. */
export class ActorAddressError extends TroupeError {
  override readonly name = 'ActorAddressError';
  readonly code = 'actor_address_invalid';
}

/** A type or method that the host has no definition for. */
export class NotDefinedError extends TroupeError {
  override readonly name = 'NotDefinedError';
  readonly code = 'not_defined';
}

/** A call that was certainly not executed: no turn began. Try again. */
export class NotExecutedError extends TroupeError {
  override readonly name = 'NotExecutedError';
  readonly code = 'not_executed';
  readonly outcome: CallOutcome = 'not-executed';
  readonly address: ActorAddress;

  constructor(address: ActorAddress, reason: string, options?: ErrorOptions) {
    super(`${formatAddress(address)} was not executed: ${reason}`, options);
    this.address = address;
  }
}

/** A call that may have run: its answer or its commit is lost. */
export class OutcomeUnknownError extends TroupeError {
  override readonly name = 'OutcomeUnknownError';
  readonly code = 'outcome_unknown';
  readonly outcome: CallOutcome = 'unknown';
  readonly address: ActorAddress;

  constructor(address: ActorAddress, reason: string, options?: ErrorOptions) {
    super(`the outcome of a call to ${formatAddress(address)} is unknown: ${reason}`, options);
    this.address = address;
  }
}

/**
 * A turn failed because a call that it made was not executed or has an unknown outcome, and it did not handle that; the
 * `cause` says which. What the turn itself did is dropped. It is neither a {@link NotExecutedError} nor an
 * {@link OutcomeUnknownError}, since it says nothing of the kind about the call that it answers.
 */
export class InnerCallError extends TroupeError {
  override readonly name = 'InnerCallError';
  readonly code = 'inner_call_failed';
  readonly address: ActorAddress;

  constructor(address: ActorAddress, cause: Error) {
    super(`a turn of ${formatAddress(address)} failed: ${cause.message}`, { cause });
    this.address = address;
  }
}

/** A call whose target waits, directly or through others, for the caller. The chain stands in the message. */
export class DeadlockError extends TroupeError {
  override readonly name = 'DeadlockError';
  readonly code = 'deadlock';
  readonly chain: readonly string[];

  constructor(chain: readonly string[]) {
    super(`this call would wait for itself: ${chain.join(' → ')}. Use ctx.send, or let the type be reentrant`);
    this.chain = chain;
  }
}

/** A value that does not survive being stored and read back; `path` leads to the part that does not. */
export class PayloadError extends TroupeError {
  override readonly name = 'PayloadError';
  readonly code = 'payload_invalid';
  readonly path: string;

  constructor(what: string, path: string, reason: string) {
    super(`${what} cannot be stored: ${reason} at ${path === '' ? 'its top' : path}`);
    this.path = path;
  }
}

/** A limit of `limits.ts` was met; the message names it. */
export class LimitError extends TroupeError {
  override readonly name = 'LimitError';
  readonly code = 'limit_reached';
}

/** The record is not at the expected revision: somebody else wrote, or the actor was purged. */
export class ConflictError extends TroupeError {
  override readonly name = 'ConflictError';
  readonly code = 'conflict';
  readonly address: ActorAddress;
  readonly expectedRevision: number;
  readonly actualRevision: number;

  constructor(address: ActorAddress, expectedRevision: number, actualRevision: number) {
    super(`${formatAddress(address)} is at revision ${actualRevision}, expected ${expectedRevision}`);
    this.address = address;
    this.expectedRevision = expectedRevision;
    this.actualRevision = actualRevision;
  }
}

/** The store cannot serve now. `wroteNothing` tells a write that certainly did not happen from one that may have. */
export class StoreUnavailableError extends TroupeError {
  override readonly name = 'StoreUnavailableError';
  readonly code = 'store_unavailable';
  readonly wroteNothing: boolean;

  constructor(message: string, options: ErrorOptions & { wroteNothing: boolean }) {
    super(message, options);
    this.wroteNothing = options.wroteNothing;
  }
}

/** Another process has the store open; the message names it. */
export class StoreLockedError extends TroupeError {
  override readonly name = 'StoreLockedError';
  readonly code = 'store_locked';
}

/** The store was laid out for other settings (application, partitions, hash) or by a newer version. */
export class LayoutMismatchError extends TroupeError {
  override readonly name = 'LayoutMismatchError';
  readonly code = 'layout_mismatch';
}

/** Stored bytes that cannot be what was written: a checksum or a structure is wrong. */
export class CorruptRecordError extends TroupeError {
  override readonly name = 'CorruptRecordError';
  readonly code = 'record_corrupt';
}

/** What was thrown, as an error. */
export function asError(thrown: unknown): Error {
  return thrown instanceof Error ? thrown : new Error(String(thrown), { cause: thrown });
}

// As `formatAddress`, which lives in a file that needs this one.
function formatAddress(address: ActorAddress): string {
  return `${address.type}/${address.id}`;
}
