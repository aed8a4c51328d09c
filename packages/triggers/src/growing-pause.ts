import type { CancelTimeout, Clock } from '@troupe/actors';
import { RECONNECT_DELAY_MS_MAX, RECONNECT_DELAY_MS_MIN } from './limits.ts';

/**
 * The pauses between attempts at something that may fail for ever: each twice as long as the one before, and up to a
 * quarter shorter.
 */
export class GrowingPause {
  readonly #clock: Clock;
  readonly #random: () => number;
  #delayMs = RECONNECT_DELAY_MS_MIN;
  #ended = false;
  readonly #waiting = new Set<() => void>();

  constructor(clock: Clock, random: () => number) {
    this.#clock = clock;
    this.#random = random;
  }

  /** Resolves after the next pause, or at once when {@link GrowingPause.end} is called or was. */
  async wait(): Promise<void> {
    if (this.#ended) return;
    const delayMs = this.#delayMs * (1 - this.#random() / 4);
    this.#delayMs = Math.min(this.#delayMs * 2, RECONNECT_DELAY_MS_MAX);
    let cancel: CancelTimeout = () => {};
    let wake = (): void => {};
    await new Promise<void>((resolve) => {
      wake = resolve;
      this.#waiting.add(wake);
      cancel = this.#clock.setTimeout(resolve, delayMs);
    });
    this.#waiting.delete(wake);
    cancel();
  }

  /** It went well: the next pause is a short one. */
  reset(): void {
    this.#delayMs = RECONNECT_DELAY_MS_MIN;
  }

  /** Nobody waits any more. */
  end(): void {
    this.#ended = true;
    for (const wake of this.#waiting) wake();
  }
}
