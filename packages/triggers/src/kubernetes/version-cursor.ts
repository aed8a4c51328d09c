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
  /** The list that has begun since. */
  readonly listing?: ListProgress;
}

/** Of the list of this version, everything up to this key is settled. */
export interface ListProgress {
  readonly version: string;
  readonly upTo: string;
}

/** Where an event stands in what is read: at a version of the watch, or in a list. */
export type Place = { readonly resourceVersion: string } | { readonly listing: ListProgress | undefined };

interface Pending {
  readonly place: Place;
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

  /** The list that has begun and has not ended. */
  get listing(): ListProgress | undefined {
    return this.#value.listing;
  }

  /** Takes an event; the returned function says that it is settled. Waits while too many are behind one that is not. */
  async take(place: Place, createdAt: string): Promise<() => void> {
    while (this.#pending.length >= VERSIONS_PENDING_MAX && !this.#ended)
      await new Promise<void>((resolve) => (this.#moved = resolve));
    const pending = { place, createdAt, settled: false };
    this.#pending.push(pending);
    return () => {
      pending.settled = true;
      this.#advance();
    };
  }

  /** Every event up to this version has been taken. */
  reach(resourceVersion: string): void {
    this.#pending.push({ place: { resourceVersion }, createdAt: '', settled: true });
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
    let { resourceVersion, newest, listing } = this.#value;
    let count = 0;
    for (const { place, createdAt, settled } of this.#pending) {
      if (!settled) break;
      count++;
      if (createdAt > newest) newest = createdAt;
      if ('listing' in place) {
        listing = place.listing ?? listing;
      } else {
        resourceVersion = place.resourceVersion;
        listing = undefined;
      }
    }
    if (count === 0) return;
    this.#pending.splice(0, count);
    this.#moved();
    const { of } = this.#value;
    this.#value = { of, resourceVersion, newest, ...(listing !== undefined && { listing }) };
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
