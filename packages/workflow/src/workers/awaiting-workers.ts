import { AWAITING_WORKERS_BATCH } from '../limits.ts';

/** Instances of this host that have begun on workers, have something to do, and found no worker. */
export class AwaitingWorkers {
  readonly #goOn: (instanceId: string) => Promise<void>;
  #waiting = new Set<string>();
  #going = false;
  #again = false;

  /** @param goOn has an instance look again; never rejects */
  constructor(goOn: (instanceId: string) => Promise<void>) {
    this.#goOn = goOn;
  }

  add(instanceId: string): void {
    this.#waiting.add(instanceId);
  }

  /** There may be workers now. Those that find none wait again. */
  async goOn(): Promise<void> {
    this.#again = true;
    if (this.#going) return;
    this.#going = true;
    while (this.#again) {
      this.#again = false;
      const waiting = [...this.#waiting];
      this.#waiting = new Set();
      for (let from = 0; from < waiting.length; from += AWAITING_WORKERS_BATCH)
        await Promise.all(waiting.slice(from, from + AWAITING_WORKERS_BATCH).map(this.#goOn));
    }
    this.#going = false;
  }
}
