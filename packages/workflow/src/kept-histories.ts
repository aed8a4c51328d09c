import { KEPT_HISTORIES_MAX } from './limits.ts';
import type { ConnectedWorker } from './pooled-item.ts';

interface Kept {
  readonly worker: ConnectedWorker;
  readonly length: number;
}

/** Which worker remembers how much of the history of which execution: one of each, and the latest executions only. */
export class KeptHistories {
  readonly #kept = new Map<string, Kept>();

  keep(executionId: string, worker: ConnectedWorker, length: number): void {
    this.#kept.delete(executionId);
    this.#kept.set(executionId, { worker, length });
    if (this.#kept.size <= KEPT_HISTORIES_MAX) return;
    for (const oldest of this.#kept.keys()) {
      this.#kept.delete(oldest);
      return;
    }
  }

  /** How much of it this worker remembers. From now on nobody does. */
  take(executionId: string, worker: ConnectedWorker): number {
    const kept = this.#kept.get(executionId);
    if (kept === undefined) return 0;
    this.#kept.delete(executionId);
    return kept.worker === worker ? kept.length : 0;
  }

  forget(executionId: string): void {
    this.#kept.delete(executionId);
  }

  forgetAll(worker: ConnectedWorker): void {
    for (const [executionId, kept] of this.#kept) if (kept.worker === worker) this.#kept.delete(executionId);
  }
}
