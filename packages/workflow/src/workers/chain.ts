/** The place of a value in a chain. It is in one at a time. */
export class Link<T> {
  readonly value: T;
  before: Link<T> | undefined;
  after: Link<T> | undefined;

  constructor(value: T) {
    this.value = value;
  }
}

/** A list that values join at either end and leave from anywhere, each at the same cost. */
export class Chain<T> {
  #first: Link<T> | undefined;
  #last: Link<T> | undefined;

  get first(): T | undefined {
    return this.#first?.value;
  }

  push(link: Link<T>): void {
    link.before = this.#last;
    if (this.#last === undefined) this.#first = link;
    else this.#last.after = link;
    this.#last = link;
  }

  unshift(link: Link<T>): void {
    link.after = this.#first;
    if (this.#first === undefined) this.#last = link;
    else this.#first.before = link;
    this.#first = link;
  }

  remove(link: Link<T>): void {
    if (link.before === undefined) this.#first = link.after;
    else link.before.after = link.after;
    if (link.after === undefined) this.#last = link.before;
    else link.after.before = link.before;
    link.before = undefined;
    link.after = undefined;
  }

  *[Symbol.iterator](): IterableIterator<T> {
    for (let link = this.#first; link !== undefined; link = link.after) yield link.value;
  }
}
