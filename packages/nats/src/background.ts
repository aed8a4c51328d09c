// Work that nobody waits for, so many pieces of it at the same time and no more. A piece that cannot be done now is tried
// until it can (the requests in it are patient); one that fails for good is logged and forgotten: the next start, or the
// next look, finds what it has left.

import { waitAtMost, type Clock, type Logger } from '@troupe/actors';

export class Background {
  readonly #concurrency: number;
  readonly #clock: Clock;
  readonly #logger: Logger;
  #waiting: (() => Promise<void>)[] = [];
  /** Those before it have begun: many may wait, and taking the first one out would move all others. */
  #first = 0;
  #running = 0;
  #closed = false;
  #whenIdle: (() => void) | undefined;

  constructor(concurrency: number, clock: Clock, logger: Logger) {
    this.#concurrency = concurrency;
    this.#clock = clock;
    this.#logger = logger;
  }

  /** Pieces that have not ended. */
  get length(): number {
    return this.#waiting.length - this.#first + this.#running;
  }

  add(piece: () => Promise<void>): void {
    if (this.#closed) return;
    this.#waiting.push(piece);
    this.#next();
  }

  /** Resolves when all is done, or after `timeoutMs`; then nothing more begins. */
  async drain(timeoutMs: number): Promise<void> {
    if (this.length > 0) {
      const idle = new Promise<void>((resolve) => (this.#whenIdle = resolve));
      await waitAtMost(this.#clock, timeoutMs, idle);
    }
    this.#closed = true;
    this.#waiting = [];
    this.#first = 0;
  }

  #next(): void {
    while (this.#running < this.#concurrency && this.#first < this.#waiting.length) {
      const piece = this.#waiting[this.#first++]!;
      if (this.#first > 1_000 && this.#first * 2 > this.#waiting.length) {
        this.#waiting = this.#waiting.slice(this.#first);
        this.#first = 0;
      }
      this.#running++;
      piece()
        .catch((error: unknown) => {
          if (!this.#closed) this.#logger.warn({ err: error }, 'work in the background of the NATS store failed');
        })
        .finally(() => {
          this.#running--;
          if (this.length === 0) this.#whenIdle?.();
          this.#next();
        });
    }
  }
}
