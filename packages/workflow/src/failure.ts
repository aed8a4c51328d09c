import { ActivityFailedError, ChildWorkflowFailedError } from './errors.ts';
import { FAILURE_CAUSES_MAX, FAILURE_MESSAGE_LENGTH_MAX, FAILURE_STACK_LENGTH_MAX, NAME_LENGTH_MAX } from './limits.ts';
import type { Failure } from './status.ts';

/** What is kept of a thrown value. */
export function failureOf(thrown: unknown, depth = 0): Failure {
  try {
    return described(thrown, depth);
  } catch {
    // A getter of the thrown value threw in turn: nothing more can be said of it.
    return { type: 'Error', message: 'something was thrown that cannot be read' };
  }
}

function described(thrown: unknown, depth: number): Failure {
  if (!(thrown instanceof Error)) return { type: 'Error', message: wellFormed(printed(thrown)) };
  // What an activity or a child threw is the failure; the wrapper around it says only where it came from.
  if (thrown instanceof ActivityFailedError || thrown instanceof ChildWorkflowFailedError) return thrown.failure;
  const failure: { type: string; message: string; stack?: string; cause?: Failure } = {
    type: wellFormed(String(thrown.name).slice(0, NAME_LENGTH_MAX)),
    message: wellFormed(String(thrown.message)),
  };
  const { stack, cause } = thrown;
  if (typeof stack === 'string') failure.stack = stack.slice(0, FAILURE_STACK_LENGTH_MAX).toWellFormed();
  if (cause !== undefined && depth < FAILURE_CAUSES_MAX) failure.cause = failureOf(cause, depth + 1);
  return failure;
}

function printed(value: unknown): string {
  if (typeof value === 'string') return value;
  try {
    return JSON.stringify(value) ?? String(value);
  } catch {
    // Cyclic or with a throwing toJSON: its type is all that can be said.
    return Object.prototype.toString.call(value);
  }
}

function wellFormed(text: string): string {
  return text.slice(0, FAILURE_MESSAGE_LENGTH_MAX).toWellFormed();
}
