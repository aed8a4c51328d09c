// The clock of a source: the machine's, shifted as a test asks. At a shift whoever waits looks again at once, as the source
// would within a minute. The engine beside it has the machine's clock.

import { systemClock, type CancelTimeout, type Clock } from '@troupe/actors';

export class ShiftedClock implements Clock {
  readonly #waiting = new Map<() => void, CancelTimeout>();
  #shiftMs: number;

  constructor(shiftMs: number) {
    this.#shiftMs = shiftMs;
  }

  nowMs(): number {
    return systemClock.nowMs() + this.#shiftMs;
  }

  setTimeout(callback: () => void, delayMs: number): CancelTimeout {
    const due = (): void => {
      this.#waiting.get(due)?.();
      if (this.#waiting.delete(due)) callback();
    };
    this.#waiting.set(due, systemClock.setTimeout(due, delayMs));
    return () => {
      this.#waiting.get(due)?.();
      this.#waiting.delete(due);
    };
  }

  /** Somebody waits. */
  get waits(): boolean {
    return this.#waiting.size > 0;
  }

  shift(byMs: number): void {
    this.#shiftMs += byMs;
    for (const due of [...this.#waiting.keys()]) due();
  }
}
