/**
 * Values by rising numbers, of which there is hardly ever more than one at a time. A map that goes from empty to one and
 * back allocates at each step; this does so only when there are several.
 */
export class SequenceTable<T> {
  #number = 0;
  #value: T | undefined;
  #more: Map<number, T> | undefined;

  get size(): number {
    return (this.#value === undefined ? 0 : 1) + (this.#more?.size ?? 0);
  }

  get(number: number): T | undefined {
    return this.#number === number ? this.#value : this.#more?.get(number);
  }

  set(number: number, value: T): void {
    if (this.#value === undefined || this.#number === number) {
      this.#more?.delete(number);
      this.#number = number;
      this.#value = value;
    } else (this.#more ??= new Map()).set(number, value);
  }

  delete(number: number): void {
    if (this.#number === number) {
      this.#number = 0;
      this.#value = undefined;
    } else this.#more?.delete(number);
  }

  clear(): void {
    this.#number = 0;
    this.#value = undefined;
    this.#more = undefined;
  }

  some(holds: (value: T) => boolean): boolean {
    if (this.#value !== undefined && holds(this.#value)) return true;
    if (this.#more !== undefined) for (const value of this.#more.values()) if (holds(value)) return true;
    return false;
  }

  *values(): IterableIterator<T> {
    if (this.#value !== undefined) yield this.#value;
    if (this.#more !== undefined) yield* this.#more.values();
  }
}
