import type { Clock } from '@troupe/actors';

/** Waits of one loop. A wake-up ends the wait that is on, or the next one if none is. */
export class Pause {
  readonly #clock: Clock;
  #woken = false;
  #end: (() => void) | undefined;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  async wait(delayMs: number): Promise<void> {
    if (!this.#woken) {
      await new Promise<void>((resolve) => {
        const cancel = this.#clock.setTimeout(resolve, delayMs);
        this.#end = () => {
          cancel();
          resolve();
        };
      });
    }
    this.#end = undefined;
    this.#woken = false;
  }

  wake(): void {
    this.#woken = true;
    this.#end?.();
  }
}

/** A pause of one of many: whether it went by, or `signal` cut it short. */
export function pauseUnless(signal: AbortSignal, clock: Clock, delayMs: number): Promise<boolean> {
  if (signal.aborted) return Promise.resolve(false);
  return new Promise((resolve) => {
    const cut = (): void => {
      cancel();
      resolve(false);
    };
    const cancel = clock.setTimeout(() => {
      signal.removeEventListener('abort', cut);
      resolve(true);
    }, delayMs);
    signal.addEventListener('abort', cut, { once: true });
  });
}
