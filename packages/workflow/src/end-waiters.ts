interface Reader {
  readonly abandoned: boolean;
}

const nobodyListens = (): void => {};

/** A wait for the end or the start, awaited like a promise by one listener, and made instead of one. */
export class EndWait<T> {
  readonly reader: Reader;
  readonly #read: () => T | Promise<T>;
  #onFulfilled: (value: T) => void = nobodyListens;
  #onRejected: (error: unknown) => void = nobodyListens;

  constructor(reader: Reader, read: () => T | Promise<T>) {
    this.reader = reader;
    this.#read = read;
  }

  /** It has come: gives what there is to read of it. */
  release(): void {
    try {
      const found = this.#read();
      if (found instanceof Promise) found.then(this.#onFulfilled, this.#onRejected);
      else this.#onFulfilled(found);
    } catch (error) {
      this.#onRejected(error);
    }
  }

  // oxlint-disable-next-line unicorn/no-thenable -- it is awaited
  then(onFulfilled: (value: T) => void, onRejected: (error: unknown) => void): void {
    this.#onFulfilled = onFulfilled;
    this.#onRejected = onRejected;
  }
}

/** Below this length a list is not worth looking through. */
const PRUNED_LENGTH_MIN = 16;

/** Who waits for the end of an instance, or for its start. Those who gave up are taken out when the list has doubled. */
export class EndWaiters {
  #waiting: EndWait<unknown>[] = [];
  #prunedAt = PRUNED_LENGTH_MIN;

  add(wait: EndWait<unknown>): void {
    if (this.#waiting.length >= this.#prunedAt) {
      this.#waiting = this.#waiting.filter(({ reader }) => !reader.abandoned);
      this.#prunedAt = Math.max(PRUNED_LENGTH_MIN, this.#waiting.length * 2);
    }
    this.#waiting.push(wait);
  }

  release(): void {
    for (const wait of this.#waiting.splice(0)) wait.release();
  }
}
