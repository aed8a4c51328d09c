import type { ExecutorAnswer, TurnAnswer } from './executor.ts';
import type { InputEvent } from './history.ts';
import type { Context } from './instance-services.ts';

/** Who takes what the code answered into the turn: returns a promise if that takes longer. */
export interface CodeTurnOwner {
  answered(
    ctx: Context,
    event: InputEvent,
    traceparent: string | undefined,
    answer: TurnAnswer,
  ): Promise<void> | undefined;
}

/**
 * The rest of a turn of the actor, from when the code was given an event until what it answered is taken in. Awaited like a
 * promise, and made instead of one for every step.
 */
export class CodeTurn<T = void> implements ExecutorAnswer {
  readonly #owner: CodeTurnOwner;
  readonly #ctx: Context;
  readonly #event: InputEvent;
  readonly #traceparent: string | undefined;
  #value: unknown;
  #onFulfilled: ((value: never) => void) | undefined;
  #onRejected: ((error: unknown) => void) | undefined;
  #ended: 'fulfilled' | 'rejected' | undefined;

  constructor(owner: CodeTurnOwner, ctx: Context, event: InputEvent, traceparent: string | undefined) {
    this.#owner = owner;
    this.#ctx = ctx;
    this.#event = event;
    this.#traceparent = traceparent;
  }

  /** Gives this value at its end. */
  giving<V>(value: V): CodeTurn<V> {
    this.#value = value;
    return this as unknown as CodeTurn<V>;
  }

  answer(answer: TurnAnswer): void {
    try {
      const rest = this.#owner.answered(this.#ctx, this.#event, this.#traceparent, answer);
      if (rest === undefined) this.#end('fulfilled');
      else {
        rest.then(
          () => this.#end('fulfilled'),
          (error: unknown) => this.#fail(error),
        );
      }
    } catch (error) {
      this.#fail(error);
    }
  }

  #fail(error: unknown): void {
    this.#value = error;
    this.#end('rejected');
  }

  #end(how: 'fulfilled' | 'rejected'): void {
    this.#ended = how;
    if (how === 'fulfilled') this.#onFulfilled?.(this.#value as never);
    else this.#onRejected?.(this.#value);
  }

  /** For one listener, as `await` is. */
  // oxlint-disable-next-line unicorn/no-thenable -- it is awaited
  then(onFulfilled: (value: T) => void, onRejected: (error: unknown) => void): void {
    this.#onFulfilled = onFulfilled;
    this.#onRejected = onRejected;
    if (this.#ended !== undefined) this.#end(this.#ended);
  }
}
