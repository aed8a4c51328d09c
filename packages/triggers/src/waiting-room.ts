// Messages that an origin pushes at us, until there is room for them.
//
// W1  They are handed over in the order in which they came, as many as there is room for.
// W2  It is bounded in messages and in bytes; what to do with one that has no place is for whoever offers it.
// W3  Nothing is handed over after `close`: what still waits is given back.

import { WAITING_BYTES_MAX, WAITING_MAX } from './limits.ts';
import type { SourceContext } from './source.ts';

export class WaitingRoom<M> {
  readonly #context: Pick<SourceContext, 'room'>;
  readonly #bytesOf: (message: M) => number;
  readonly #handOver: (message: M) => void;
  #waiting: M[] = [];
  #bytes = 0;
  #handingOver = false;
  #closed = false;
  #onPlace: (() => void) | undefined;

  /** @param handOver may not throw */
  constructor(context: Pick<SourceContext, 'room'>, bytesOf: (message: M) => number, handOver: (message: M) => void) {
    this.#context = context;
    this.#bytesOf = bytesOf;
    this.#handOver = handOver;
  }

  get size(): number {
    return this.#waiting.length;
  }

  /** Whether there is a place for one more. */
  get full(): boolean {
    return this.#waiting.length >= WAITING_MAX || this.#bytes >= WAITING_BYTES_MAX;
  }

  /** Takes the message, whether there is a place or not. */
  add(message: M): void {
    this.#waiting.push(message);
    this.#bytes += this.#bytesOf(message);
    if (!this.#handingOver) void this.#run();
  }

  /** Calls back once, as soon as there is a place; only the last who asked is called. */
  whenPlace(callback: () => void): void {
    this.#onPlace = callback;
  }

  /** Gives what still waits. */
  close(): M[] {
    this.#closed = true;
    const left = this.#waiting.splice(0);
    this.#bytes = 0;
    this.#givePlace();
    return left;
  }

  /** Forgets what waits and is not to be kept. */
  keep(isKept: (message: M) => boolean): void {
    this.#waiting = this.#waiting.filter(isKept);
    this.#bytes = this.#waiting.reduce((sum, message) => sum + this.#bytesOf(message), 0);
  }

  async #run(): Promise<void> {
    this.#handingOver = true;
    while (this.#waiting.length > 0) {
      const room = await this.#context.room();
      if (room === 0 || this.#closed) break;
      for (const message of this.#waiting.splice(0, room)) {
        this.#bytes -= this.#bytesOf(message);
        this.#handOver(message);
      }
      if (!this.full) this.#givePlace();
    }
    this.#handingOver = false;
  }

  #givePlace(): void {
    const callback = this.#onPlace;
    this.#onPlace = undefined;
    callback?.();
  }
}
