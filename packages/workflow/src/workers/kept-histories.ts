import { KEPT_HISTORIES_MAX } from '../limits.ts';
import type { ConnectedWorker } from './pooled-item.ts';

interface Kept {
  readonly worker: ConnectedWorker;
  readonly length: number;
}

/**
 * Which worker remembers how much of the history of which execution: one worker of each, and the latest executions only.
 * They are in two halves: when the newer one is full the older one goes. (To drop the first of a map one by one takes longer
 * the more were dropped before.)
 */
export class KeptHistories {
  #newer = new Map<string, Kept>();
  #older = new Map<string, Kept>();

  keep(executionId: string, worker: ConnectedWorker, length: number): void {
    if (this.#newer.size >= KEPT_HISTORIES_MAX / 2) {
      this.#older = this.#newer;
      this.#newer = new Map();
    }
    this.#newer.set(executionId, { worker, length });
  }

  /** How much of it this worker remembers. From now on nobody does. */
  take(executionId: string, worker: ConnectedWorker): number {
    const kept = this.#newer.get(executionId) ?? this.#older.get(executionId);
    if (kept === undefined) return 0;
    this.forget(executionId);
    return kept.worker === worker ? kept.length : 0;
  }

  forget(executionId: string): void {
    this.#newer.delete(executionId);
    this.#older.delete(executionId);
  }

  forgetAll(worker: ConnectedWorker): void {
    for (const half of [this.#newer, this.#older])
      for (const [executionId, kept] of half) if (kept.worker === worker) half.delete(executionId);
  }
}
