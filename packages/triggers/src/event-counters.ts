import type { Clock } from '@troupe/actors';
import type { EventOutcome, Settlement } from './source.ts';

/** Counts what became of the events of one trigger on this host, since it began. */
export class EventCounters {
  readonly #clock: Clock;
  readonly #byOutcome: Partial<Record<EventOutcome, number>> = {};
  #lastAtMs: number | undefined;
  #lastError: Error | undefined;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  settled(settlement: Settlement): Settlement {
    const { outcome, error } = settlement;
    this.#byOutcome[outcome] = (this.#byOutcome[outcome] ?? 0) + 1;
    this.#lastAtMs = this.#clock.nowMs();
    if (error !== undefined) this.#lastError = error;
    return settlement;
  }

  get byOutcome(): Readonly<Partial<Record<EventOutcome, number>>> {
    return { ...this.#byOutcome };
  }

  get lastEventAt(): Date | undefined {
    return this.#lastAtMs === undefined ? undefined : new Date(this.#lastAtMs);
  }

  get lastError(): Error | undefined {
    return this.#lastError;
  }
}
