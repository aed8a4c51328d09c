// Decides how many writes go on at once.
//
// With one, nobody computes while the disk syncs and the disk idles while everybody computes: a round takes the sum. With
// two, each of half of what waits, a round takes the longer of two syncs and the computing. So two are better when what a
// round computes takes longer than a sync: many actors, a fast disk. With few actors or a slow disk, one is, by up to half.

import { BATCHES_IN_FLIGHT_MAX } from './limits.ts';

/** Weight of the newest measurement: some ten rounds are remembered. */
const NEWEST_WEIGHT = 0.1;

export class Pace {
  /** Writes that have begun and not ended. */
  underWay = 0;
  #requestsUnderWay = 0;
  /** Moving averages: what a write takes, and what one request takes from the end of its write until the next begins. */
  #writeMs = 0;
  #requestMs = 0;
  #beganAt = 0;
  #landedAt = 0;
  /** Whether the work of this round came from a write that ended in it: else it began at an unknown time. */
  #landedInRound = false;
  #requestsInRound = 0;

  /** How many writes may be under way while that many requests wait. */
  writesMax(waiting: number): number {
    return this.#requestMs * (waiting + this.#requestsUnderWay) > this.#writeMs ? BATCHES_IN_FLIGHT_MAX : 1;
  }

  began(requests: number): void {
    this.#beganAt = performance.now();
    this.underWay++;
    this.#requestsUnderWay += requests;
    this.#requestsInRound += requests;
  }

  landed(requests: number): void {
    const now = performance.now();
    // One that waited for another began when that one ended.
    this.#writeMs += NEWEST_WEIGHT * (now - Math.max(this.#beganAt, this.#landedAt) - this.#writeMs);
    this.#landedAt = now;
    this.#landedInRound = true;
    this.underWay--;
    this.#requestsUnderWay -= requests;
  }

  /** To be called when the writes of this round of the event loop have begun. */
  roundEnded(): void {
    if (this.#landedInRound && this.#requestsInRound > 0) {
      const requestMs = (performance.now() - this.#landedAt) / this.#requestsInRound;
      this.#requestMs += NEWEST_WEIGHT * (requestMs - this.#requestMs);
    }
    this.#landedInRound = false;
    this.#requestsInRound = 0;
  }
}
