/**
 * A map that hardly ever has more than one entry at a time. A real one that goes from empty to one entry and back allocates
 * at each step, and takes 200 bytes with one; this makes one only when there are several.
 */
export class SmallMap<K extends string | number, V> {
  #key: K | undefined;
  #value: V | undefined;
  #more: Map<K, V> | undefined;

  get size(): number {
    return (this.#value === undefined ? 0 : 1) + (this.#more?.size ?? 0);
  }

  get(key: K): V | undefined {
    return this.#key === key ? this.#value : this.#more?.get(key);
  }

  set(key: K, value: V): void {
    if (this.#value === undefined || this.#key === key) {
      this.#more?.delete(key);
      this.#key = key;
      this.#value = value;
    } else (this.#more ??= new Map()).set(key, value);
  }

  delete(key: K): void {
    if (this.#key === key) {
      this.#key = undefined;
      this.#value = undefined;
    } else this.#more?.delete(key);
  }

  clear(): void {
    this.#key = undefined;
    this.#value = undefined;
    this.#more = undefined;
  }

  some(holds: (value: V) => boolean): boolean {
    if (this.#value !== undefined && holds(this.#value)) return true;
    if (this.#more !== undefined) for (const value of this.#more.values()) if (holds(value)) return true;
    return false;
  }

  *values(): IterableIterator<V> {
    if (this.#value !== undefined) yield this.#value;
    if (this.#more !== undefined) yield* this.#more.values();
  }
}
