// Requests that change nothing, asked again while the server cannot answer.

import { StoreUnavailableError, type Clock } from '@troupe/actors';
import { RequestError } from './errors.ts';
import type { Health } from './health.ts';
import { JetStreamError } from './jetstream.ts';
import { READ_PATIENCE_MS, RESEND_DELAY_MS_MAX, RESEND_DELAY_MS_MIN } from './limits.ts';

/** How long to wait before what was tried so often in vain is tried again. */
export function resendDelayMs(failures: number): number {
  return Math.min(RESEND_DELAY_MS_MIN * 2 ** Math.min(failures, 10), RESEND_DELAY_MS_MAX);
}

export class Patience {
  readonly #clock: Clock;
  readonly #health: Health;
  #stopped = false;

  constructor(clock: Clock, health: Health) {
    this.#clock = clock;
    this.#health = health;
  }

  /** Asks until there is an answer or the patience is at its end. @throws {StoreUnavailableError} | what else `ask` throws */
  within<T>(ask: () => Promise<T>, patienceMs = READ_PATIENCE_MS): Promise<T> {
    return this.#ask(ask, patienceMs);
  }

  /** Asks until there is an answer or the store stops. */
  until<T>(ask: () => Promise<T>): Promise<T> {
    return this.#ask(ask, undefined);
  }

  stop(): void {
    this.#stopped = true;
  }

  async #ask<T>(ask: () => Promise<T>, patienceMs: number | undefined): Promise<T> {
    let late = false;
    const cancel = patienceMs === undefined ? () => {} : this.#clock.setTimeout(() => (late = true), patienceMs);
    try {
      for (let attempt = 0; ; attempt++) {
        try {
          const answer = await ask();
          this.#health.worked();
          return answer;
        } catch (error) {
          if (!(error instanceof RequestError || error instanceof JetStreamError)) throw error;
          if (this.#stopped || late || (error instanceof RequestError && error.failure === 'closed')) {
            throw new StoreUnavailableError(`JetStream cannot serve: ${error.message}`, {
              cause: error,
              wroteNothing: true,
            });
          }
          this.#health.failing(error.message);
          await this.pause(resendDelayMs(attempt));
        }
      }
    } finally {
      cancel();
    }
  }

  pause(delayMs: number): Promise<void> {
    return new Promise((resolve) => void this.#clock.setTimeout(resolve, delayMs));
  }
}
