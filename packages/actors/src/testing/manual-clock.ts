import TinyQueue from 'tinyqueue';
import type { CancelTimeout, Clock } from '../clock.ts';

interface Timeout {
  readonly atMs: number;
  readonly order: number;
  callback: (() => void) | undefined;
}

/** A clock that stands still until it is told to advance. */
export class ManualClock implements Clock {
  #nowMs: number;
  #order = 0;
  readonly #timeouts = new TinyQueue<Timeout>([], (a, b) => a.atMs - b.atMs || a.order - b.order);

  constructor(startMs: number = Date.UTC(2030, 0, 1)) {
    this.#nowMs = startMs;
  }

  nowMs(): number {
    return this.#nowMs;
  }

  setTimeout(callback: () => void, delayMs: number): CancelTimeout {
    const timeout: Timeout = { atMs: this.#nowMs + Math.max(0, delayMs), order: this.#order++, callback };
    this.#timeouts.push(timeout);
    return () => {
      timeout.callback = undefined;
    };
  }

  /** How many timeouts are set. */
  get pending(): number {
    return this.#timeouts.data.filter((timeout) => timeout.callback !== undefined).length;
  }

  /**
   * Moves time forward, running what comes due at its time. After each step everything that can go on without waiting
   * for time does so: promises, and I/O that ends within a few rounds of the event loop.
   */
  async advance(byMs: number): Promise<void> {
    const untilMs = this.#nowMs + byMs;
    await settled();
    for (let next = this.#timeouts.peek(); next !== undefined && next.atMs <= untilMs; next = this.#timeouts.peek()) {
      this.#timeouts.pop();
      if (next.callback === undefined) continue;
      this.#nowMs = Math.max(this.#nowMs, next.atMs);
      next.callback();
      await settled();
    }
    this.#nowMs = untilMs;
    await settled();
  }
}

/** A few rounds of the event loop: enough for everything in memory to come to rest. */
export async function settled(rounds = 10): Promise<void> {
  for (let round = 0; round < rounds; round++) await new Promise((resolve) => setImmediate(resolve));
}
