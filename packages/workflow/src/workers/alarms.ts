import type { CancelTimeout, Clock } from '@troupe/actors';
import { ALARM_GRAIN_MS } from '../limits.ts';

/** Something that has one alarm at a time. */
export interface Alarmed {
  /** When it rings, written by {@link Alarms} alone; undefined: never. */
  alarmAtMs: number | undefined;
}

/** Rings for many at their times, with one timeout for all of them. Times are rounded up, so that those alike are one. */
export class Alarms<T extends Alarmed> {
  readonly #clock: Clock;
  readonly #ring: (due: readonly T[]) => void;
  /** None is empty: as many as there are different times. */
  readonly #buckets = new Map<number, Set<T>>();
  #armedForMs = Infinity;
  #cancel: CancelTimeout | undefined;

  /** @param ring is given those whose time has come, in the order of their times. */
  constructor(clock: Clock, ring: (due: readonly T[]) => void) {
    this.#clock = clock;
    this.#ring = ring;
  }

  /** Rings once, this long from now, whatever was set before. */
  set(alarmed: T, delayMs: number): void {
    this.clear(alarmed);
    const atMs = Math.ceil((this.#clock.nowMs() + delayMs) / ALARM_GRAIN_MS) * ALARM_GRAIN_MS;
    let bucket = this.#buckets.get(atMs);
    if (bucket === undefined) this.#buckets.set(atMs, (bucket = new Set()));
    bucket.add(alarmed);
    alarmed.alarmAtMs = atMs;
    this.#arm(atMs);
  }

  clear(alarmed: T): void {
    const atMs = alarmed.alarmAtMs;
    if (atMs === undefined) return;
    alarmed.alarmAtMs = undefined;
    const bucket = this.#buckets.get(atMs)!;
    bucket.delete(alarmed);
    if (bucket.size === 0) this.#buckets.delete(atMs);
  }

  stop(): void {
    this.#cancel?.();
    for (const bucket of this.#buckets.values()) for (const alarmed of bucket) alarmed.alarmAtMs = undefined;
    this.#buckets.clear();
  }

  #arm(atMs: number): void {
    if (atMs >= this.#armedForMs) return;
    this.#cancel?.();
    this.#armedForMs = atMs;
    this.#cancel = this.#clock.setTimeout(() => this.#fire(), atMs - this.#clock.nowMs());
  }

  #fire(): void {
    this.#armedForMs = Infinity;
    const nowMs = this.#clock.nowMs();
    const times = [...this.#buckets.keys()].filter((atMs) => atMs <= nowMs).sort((a, b) => a - b);
    const due = times.flatMap((atMs) => [...this.#buckets.get(atMs)!]);
    for (const alarmed of due) this.clear(alarmed);
    if (due.length > 0) this.#ring(due);
    if (this.#buckets.size > 0) this.#arm(earliest(this.#buckets.keys()));
  }
}

function earliest(times: Iterable<number>): number {
  let earliestMs = Infinity;
  for (const atMs of times) earliestMs = Math.min(earliestMs, atMs);
  return earliestMs;
}
