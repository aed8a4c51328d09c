import type { CancelTimeout, Clock } from './clock.ts';

/** A timer that was set. It holds until a turn takes it, another is set under its name, or it is cancelled. */
export interface Timer {
  readonly name: string;
  readonly payload: unknown;
}

/** What a turn did to a timer; null: cancelled it. */
export type TimerChange = { readonly delayMs: number; readonly payload: unknown } | null;

/** The timers of one activation. */
export class Timers {
  readonly #clock: Clock;
  readonly #fire: (timer: Timer) => void;
  readonly #timers = new Map<string, { readonly timer: Timer; readonly cancel: CancelTimeout }>();

  constructor(clock: Clock, fire: (timer: Timer) => void) {
    this.#clock = clock;
    this.#fire = fire;
  }

  apply(changes: ReadonlyMap<string, TimerChange>): void {
    for (const [name, change] of changes) {
      this.#timers.get(name)?.cancel();
      this.#timers.delete(name);
      if (change === null) continue;
      const timer = { name, payload: change.payload };
      this.#timers.set(name, { timer, cancel: this.#clock.setTimeout(() => this.#fire(timer), change.delayMs) });
    }
  }

  /** Takes a timer that has fired for its turn; false when it was moved or cancelled meanwhile. */
  take(timer: Timer): boolean {
    return this.#timers.get(timer.name)?.timer === timer && this.#timers.delete(timer.name);
  }

  stop(): void {
    for (const { cancel } of this.#timers.values()) cancel();
    this.#timers.clear();
  }
}
