// Up to which version the events are settled, when they are settled in any order.
//
// V1. The cursor names a version only if every event before it is settled.
// V2. One write at a time; what has been settled meanwhile is in the next.

import { GrowingPause } from '../growing-pause.ts';
import { StaleReaderError } from '../errors.ts';
import { VERSIONS_PENDING_MAX } from '../limits.ts';
import type { SourceContext, SourceCursor } from '../source.ts';

/** What is durable: `of` is the source, since a trigger may be given another one. */
export interface CursorValue {
  readonly of: string;
  readonly resourceVersion: string;
  /** Time of creation of the newest object that was seen. */
  readonly newest: string;
}

interface Pending {
  /** Undefined in a list: its objects come in no order of versions. */
  readonly resourceVersion: string | undefined;
  readonly createdAt: string;
  settled: boolean;
}

export class VersionCursor {
  readonly #cursor: SourceCursor;
  readonly #context: SourceContext;
  readonly #pause: GrowingPause;
  readonly #stale: () => void;
  readonly #pending: Pending[] = [];
  #value: CursorValue;
  #isDirty = false;
  #saving: Promise<void> | undefined;
  #ended = false;
  #moved = (): void => {};

  constructor(cursor: SourceCursor, context: SourceContext, value: CursorValue, stale: () => void) {
    this.#cursor = cursor;
    this.#context = context;
    this.#value = value;
    this.#stale = stale;
    this.#pause = new GrowingPause(context.clock, context.random);
  }

  /** Takes an event; the returned function says that it is settled. Waits while too many are behind one that is not. */
  async take(resourceVersion: string | undefined, createdAt: string): Promise<() => void> {
    while (this.#pending.length >= VERSIONS_PENDING_MAX && !this.#ended)
      await new Promise<void>((resolve) => (this.#moved = resolve));
    const pending = { resourceVersion, createdAt, settled: false };
    this.#pending.push(pending);
    return () => {
      pending.settled = true;
      this.#advance();
    };
  }

  /** Every event up to this version has been taken. */
  reach(resourceVersion: string): void {
    this.#pending.push({ resourceVersion, createdAt: '', settled: true });
    this.#advance();
  }

  /** Nothing waits here any more. */
  release(): void {
    this.#ended = true;
    this.#moved();
  }

  /** Resolves when the last write has ended; one that fails now is given up. */
  async end(): Promise<void> {
    this.release();
    this.#pause.end();
    await this.#saving;
  }

  #advance(): void {
    let { resourceVersion, newest } = this.#value;
    let count = 0;
    for (const pending of this.#pending) {
      if (!pending.settled) break;
      count++;
      resourceVersion = pending.resourceVersion ?? resourceVersion;
      if (pending.createdAt > newest) newest = pending.createdAt;
    }
    if (count === 0) return;
    this.#pending.splice(0, count);
    this.#moved();
    if (resourceVersion === this.#value.resourceVersion) {
      this.#value = { ...this.#value, newest };
      return;
    }
    this.#value = { ...this.#value, resourceVersion, newest };
    this.#isDirty = true;
    this.#saving ??= this.#save();
  }

  async #save(): Promise<void> {
    // Settlements that come in one go are one write.
    await Promise.resolve();
    while (this.#isDirty) {
      this.#isDirty = false;
      try {
        await this.#cursor.save(this.#value);
        this.#pause.reset();
      } catch (error) {
        if (error instanceof StaleReaderError) {
          this.#stale();
          break;
        }
        this.#context.failing(error);
        if (this.#ended) break;
        this.#isDirty = true;
        await this.#pause.wait();
      }
    }
    this.#saving = undefined;
  }
}
