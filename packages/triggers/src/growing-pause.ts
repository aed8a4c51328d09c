import type { Clock } from '@troupe/actors';
import { reconnectDelayMs } from './back-off.ts';
import { pauseUnless } from './pause.ts';

/**
 * The pauses between attempts at something that may fail for ever: each twice as long as the one before, and up to a
 * quarter shorter.
 */
export class GrowingPause {
  readonly #clock: Clock;
  readonly #random: () => number;
  readonly #ended = new AbortController();
  #failures = 0;

  constructor(clock: Clock, random: () => number) {
    this.#clock = clock;
    this.#random = random;
  }

  /** Resolves after the next pause, or at once when {@link GrowingPause.end} is called or was. */
  async wait(): Promise<void> {
    await pauseUnless(this.#ended.signal, this.#clock, reconnectDelayMs(++this.#failures, this.#random));
  }

  /** It went well: the next pause is a short one. */
  reset(): void {
    this.#failures = 0;
  }

  /** Nobody waits any more. */
  end(): void {
    this.#ended.abort();
  }
}
