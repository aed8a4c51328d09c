// The end of an actor that one of its turns asked for. Begun by the activation when everything up to that turn is
// durable and sent, until when it takes the durable sends of others; the caller of the turn is answered when the record is durably gone.
//
// P1  The caller hears once: that it is done, or, when the store refuses or the activation ends before, that nobody
//     knows.

import type { Activation } from './activation.ts';
import { asError, OutcomeUnknownError } from './errors.ts';
import type { Tombstone } from './store.ts';
import type { Turn } from './turn.ts';

/** The purge of one actor. */
export class Purge {
  readonly turn: Turn;
  readonly #activation: Activation;
  readonly #tombstone: Tombstone | undefined;

  constructor(activation: Activation, turn: Turn, tombstone: Tombstone | undefined) {
    this.#activation = activation;
    this.turn = turn;
    this.#tombstone = tombstone;
  }

  begin(): void {
    const { address, commits, persistence, runtime } = this.#activation;
    if (!persistence.durable || (commits.revision === 0 && this.#tombstone === undefined)) {
      this.#activation.purged(this);
      return;
    }
    runtime.store.purge(address, commits.revision, this.#tombstone).then(
      () => {
        if (this.#activation.phase !== 'gone') this.#activation.purged(this);
      },
      (error: unknown) => {
        if (this.#activation.phase === 'gone') return;
        this.fail(`it could not be purged: ${asError(error).message}`, error);
        this.#activation.lost = true;
        this.#activation.leave();
      },
    );
  }

  /** Tells the caller, unless it has heard. */
  fail(reason: string, cause?: unknown): void {
    if (this.turn.cause.kind !== 'call') return;
    const options = cause === undefined ? undefined : { cause };
    this.turn.cause.call.reject(new OutcomeUnknownError(this.turn.address, reason, options));
  }
}
