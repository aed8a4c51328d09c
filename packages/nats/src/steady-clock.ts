import { performance } from 'node:perf_hooks';
import type { Clock } from '@troupe/actors';

/** A wall clock that runs ahead by more than this since it was last read: the machine slept, or somebody set it. */
const LEAP_MS = 1_000;

/**
 * Time that never goes back. It also counts what the machine slept, which only the wall clock knows; a wall clock that is
 * set forward looks the same, which does no harm to those who wait for signs of life.
 */
export class SteadyClock {
  readonly #wall: Clock;
  #sleptMs = 0;
  #aheadMs: number;

  constructor(wall: Clock) {
    this.#wall = wall;
    this.#aheadMs = wall.nowMs() - performance.now();
  }

  nowMs(): number {
    const runningMs = performance.now();
    const aheadMs = this.#wall.nowMs() - runningMs;
    if (aheadMs > this.#aheadMs + LEAP_MS) this.#sleptMs += aheadMs - this.#aheadMs;
    this.#aheadMs = aheadMs;
    return runningMs + this.#sleptMs;
  }
}
