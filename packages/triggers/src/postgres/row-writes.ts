import { ROWS_PER_STATEMENT_MAX } from '../limits.ts';
import type { GrowingPause } from '../growing-pause.ts';

/** Changes of rows, one statement at a time for all that wait. A statement that fails is tried again until the end. */
export class RowWrites {
  readonly #write: (ids: readonly string[]) => Promise<void>;
  readonly #failing: (error: unknown) => void;
  readonly #pause: GrowingPause;
  readonly #waiting = new Set<string>();
  #running: Promise<void> | undefined;
  #isFailing = false;
  #ended = false;

  constructor(
    write: (ids: readonly string[]) => Promise<void>,
    failing: (error: unknown) => void,
    pause: GrowingPause,
  ) {
    this.#write = write;
    this.#failing = failing;
    this.#pause = pause;
  }

  /** The last statement failed. */
  get isFailing(): boolean {
    return this.#isFailing;
  }

  add(id: string): void {
    this.#waiting.add(id);
    this.#running ??= this.#run();
  }

  /** Resolves when all is written; what fails now is given up. */
  async end(): Promise<void> {
    this.#ended = true;
    this.#pause.end();
    await this.#running;
  }

  async #run(): Promise<void> {
    while (this.#waiting.size > 0) {
      const ids = [...this.#waiting].slice(0, ROWS_PER_STATEMENT_MAX);
      try {
        await this.#write(ids);
        for (const id of ids) this.#waiting.delete(id);
        this.#isFailing = false;
        this.#pause.reset();
      } catch (error) {
        this.#isFailing = true;
        this.#failing(error);
        if (this.#ended) this.#waiting.clear();
        else await this.#pause.wait();
      }
    }
    this.#running = undefined;
  }
}
