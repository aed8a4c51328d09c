/** Messages that await their turn: first in, first out. */
export class Mailbox<T> {
  #items: (T | undefined)[] = [];
  #head = 0;

  get length(): number {
    return this.#items.length - this.#head;
  }

  push(item: T): void {
    this.#items.push(item);
  }

  /** The next one, which stays. */
  peek(): T | undefined {
    return this.#items[this.#head];
  }

  shift(): T | undefined {
    if (this.#head === this.#items.length) return undefined;
    const item = this.#items[this.#head];
    this.#items[this.#head++] = undefined;
    // Shifting an array moves every item; moving them once per thousand costs nothing.
    if (this.#head === this.#items.length) {
      this.#items.length = 0;
      this.#head = 0;
    } else if (this.#head >= 1024 && this.#head * 2 > this.#items.length) {
      this.#items = this.#items.slice(this.#head);
      this.#head = 0;
    }
    return item;
  }

  /** Takes out the first that is wanted; the others keep their order. */
  takeFirst(wanted: (item: T) => boolean): T | undefined {
    const index = this.#items.findIndex((item, position) => position >= this.#head && wanted(item as T));
    return index === -1 ? undefined : this.#items.splice(index, 1)[0];
  }

  /** Takes everything out. */
  drain(): T[] {
    const rest = this.#items.slice(this.#head) as T[];
    this.#items = [];
    this.#head = 0;
    return rest;
  }
}
