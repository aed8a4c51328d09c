import TinyQueue from 'tinyqueue';
import type { Call } from './call.ts';
import type { Clock } from './clock.ts';

/** Deadlines are rounded up to this, so that calls share timeouts. */
const GRAIN_MS = 50;

/** Ends calls whose deadline has passed, with one timeout for all of them. */
export class Deadlines {
  readonly #clock: Clock;
  readonly #buckets = new Map<number, Set<Call>>();
  #order = new TinyQueue<number>();
  /** Buckets that had calls when the empty ones were last dropped. */
  #bucketsKept = 0;
  #armedForMs = Infinity;
  #cancel: (() => void) | undefined;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Instants that are kept, for whatever call. */
  get size(): number {
    return this.#order.length;
  }

  add(call: Call): void {
    const bucketMs = Math.ceil(call.deadlineAtMs / GRAIN_MS) * GRAIN_MS;
    let bucket = this.#buckets.get(bucketMs);
    if (bucket === undefined) {
      if (this.#buckets.size > 2 * this.#bucketsKept + 1_024) this.#dropEmpty();
      bucket = new Set();
      this.#buckets.set(bucketMs, bucket);
      this.#order.push(bucketMs);
      this.#arm();
    }
    bucket.add(call);
  }

  remove(call: Call): void {
    this.#buckets.get(Math.ceil(call.deadlineAtMs / GRAIN_MS) * GRAIN_MS)?.delete(call);
  }

  stop(): void {
    this.#cancel?.();
    this.#buckets.clear();
  }

  /** Most calls end long before their deadline: without this their buckets would stay until then. */
  #dropEmpty(): void {
    for (const [bucketMs, calls] of this.#buckets) if (calls.size === 0) this.#buckets.delete(bucketMs);
    this.#bucketsKept = this.#buckets.size;
    this.#order = new TinyQueue([...this.#buckets.keys()]);
  }

  #arm(): void {
    const nextMs = this.#order.peek();
    if (nextMs === undefined || nextMs >= this.#armedForMs) return;
    this.#cancel?.();
    this.#armedForMs = nextMs;
    this.#cancel = this.#clock.setTimeout(() => this.#fire(), nextMs - this.#clock.nowMs());
  }

  #fire(): void {
    this.#armedForMs = Infinity;
    this.#cancel = undefined;
    const nowMs = this.#clock.nowMs();
    for (let nextMs = this.#order.peek(); nextMs !== undefined && nextMs <= nowMs; nextMs = this.#order.peek()) {
      this.#order.pop();
      const bucket = this.#buckets.get(nextMs);
      this.#buckets.delete(nextMs);
      if (bucket !== undefined) for (const call of bucket) call.abandon('its deadline passed');
    }
    this.#arm();
  }
}
