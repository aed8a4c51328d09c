// How a method ended, as its caller may learn it.

import type { AnyActorDefinition } from './actor.ts';
import type { ActorAddress } from './address.ts';
import { checkPayload, copyPayload } from './codec.ts';
import { InnerCallError, NotExecutedError, OutcomeUnknownError } from './errors.ts';

/** Whether the method goes on after it has returned. */
export function isThenable<T>(value: T | PromiseLike<T>): value is PromiseLike<T> {
  return typeof value === 'object' && value !== null && typeof (value as { then?: unknown }).then === 'function';
}

/**
 * The result as its caller gets it: a copy that shares nothing with the actor, unless the definition takes care of that.
 * Throws when it cannot be stored.
 */
export function checkedResult(address: ActorAddress, definition: AnyActorDefinition, result: unknown): unknown {
  if (definition.handsOver) return result;
  const type = typeof result;
  if (type === 'undefined' || type === 'boolean' || type === 'number' || result === null) return result;
  checkPayload(result, `the result of a turn of ${address.type}`);
  return copyPayload(result);
}

/** A failed call inside the turn says nothing of the kind about the call that the turn answers. */
export function errorOfThisCall(address: ActorAddress, error: unknown): unknown {
  const inner = error instanceof NotExecutedError || error instanceof OutcomeUnknownError;
  return inner ? new InnerCallError(address, error) : error;
}
