import { LRUCache } from 'lru-cache';
import type { Activation } from './activation.ts';
import type { Clock, CancelTimeout } from './clock.ts';

/**
 * Bounds the activations of a host by count and bytes and ends the idle ones. Recency is looked at when one would be
 * evicted or has been here for the idle timeout, not on every message: one that was used since gets a second chance.
 */
export class ActivationCache {
  /** Activations with their estimated bytes. */
  readonly #cache: LRUCache<Activation, number>;
  readonly #bytesMax: number;
  readonly #bytesMin: number;
  readonly #clock: Clock;
  readonly #idleTimeoutMs: number;
  #cancelSweep: CancelTimeout | undefined;

  constructor(limits: { countMax: number; bytesMax: number; idleTimeoutMs: number }, clock: Clock) {
    this.#clock = clock;
    this.#idleTimeoutMs = limits.idleTimeoutMs;
    this.#bytesMax = limits.bytesMax;
    // No `max`: the cache would lay out and, each time that it becomes empty, clear tables of that length. That each
    // activation counts at least its share of the bytes bounds the count as well.
    this.#bytesMin = Math.ceil(limits.bytesMax / limits.countMax);
    this.#cache = new LRUCache<Activation, number>({
      maxSize: limits.bytesMax,
      sizeCalculation: (bytes) => bytes,
      disposeAfter: (_, activation, reason) => {
        if (reason === 'evict') this.#evicted(activation);
      },
    });
  }

  add(activation: Activation): void {
    this.#cache.set(activation, this.#bytesOf(activation));
    this.#scheduleSweep();
  }

  remove(activation: Activation): void {
    this.#cache.delete(activation);
    this.#overflow.delete(activation);
  }

  /** The activation has grown or shrunk. */
  resized(activation: Activation): void {
    if (this.#cache.has(activation)) this.#cache.set(activation, this.#bytesOf(activation));
  }

  #bytesOf(activation: Activation): number {
    return Math.min(Math.max(activation.bytes, this.#bytesMin), this.#bytesMax);
  }

  stop(): void {
    this.#cancelSweep?.();
    this.#cache.clear();
  }

  /** A busy one cannot go: it comes back, and the cache is over its bounds until the next one can. */
  #evicted(activation: Activation): void {
    if (activation.idle) void activation.deactivate();
    else if (activation.phase !== 'gone') this.#overflow.add(activation);
  }

  /** Busy activations that the bounds have no room for. */
  readonly #overflow = new Set<Activation>();

  #scheduleSweep(): void {
    if (this.#cancelSweep !== undefined) return;
    const delayMs = Math.min(Math.max(this.#idleTimeoutMs / 4, 10), 5_000);
    this.#cancelSweep = this.#clock.setTimeout(() => {
      this.#cancelSweep = undefined;
      this.#sweep();
      if (this.#cache.size + this.#overflow.size > 0) this.#scheduleSweep();
    }, delayMs);
  }

  #sweep(): void {
    const usedBeforeMs = this.#clock.nowMs() - this.#idleTimeoutMs;
    for (const activation of this.#overflow) {
      if (activation.phase === 'gone') this.#overflow.delete(activation);
      else if (activation.idle) {
        this.#overflow.delete(activation);
        void activation.deactivate();
      }
    }
    const used: Activation[] = [];
    const ended: Activation[] = [];
    let looked = 0;
    // From the one that was added or kept longest ago.
    for (const activation of this.#cache.rkeys()) {
      if (++looked > 10_000) break;
      if (activation.lastUsedMs > usedBeforeMs || !activation.idle) used.push(activation);
      else ended.push(activation);
      if (used.length >= 1_000) break;
    }
    for (const activation of used) this.#cache.get(activation);
    for (const activation of ended) void activation.deactivate();
  }
}
