/** How many requests are taken. */
export interface RateLimit {
  /** In the long run. */
  readonly perSecond: number;
  /** At once, after a pause. Default: one second's worth, at least 1. */
  readonly burst?: number | undefined;
}

/** @throws {TypeError} for limits that let nothing through */
export function checkRateLimit({ perSecond, burst = 1 }: RateLimit): void {
  if (!(perSecond > 0 && Number.isFinite(perSecond)))
    throw new TypeError(`rateLimit.perSecond is a number above 0, got ${String(perSecond)}`);
  if (!(Number.isSafeInteger(burst) && burst >= 1))
    throw new TypeError(`rateLimit.burst is a whole number of at least 1, got ${String(burst)}`);
}

/** A token bucket. */
export class RateLimiter {
  readonly #perMs: number;
  readonly #burst: number;
  #tokens: number;
  #atMs: number;

  constructor({ perSecond, burst = Math.max(1, Math.floor(perSecond)) }: RateLimit, nowMs: number) {
    this.#perMs = perSecond / 1000;
    this.#burst = burst;
    this.#tokens = burst;
    this.#atMs = nowMs;
  }

  /** Takes one, and returns 0; or how many milliseconds it is until there is one. */
  take(nowMs: number): number {
    // Clocks may be set back.
    this.#tokens = Math.min(this.#burst, this.#tokens + Math.max(0, nowMs - this.#atMs) * this.#perMs);
    this.#atMs = nowMs;
    if (this.#tokens < 1) return (1 - this.#tokens) / this.#perMs;
    this.#tokens--;
    return 0;
  }
}
