// The places for events that are worked at: as many as the trigger's concurrency.
//
// W1. A place that gets free goes to the message that has waited longest. What is left then is room for more.
// W2. All who wait for room hear of it: one of them may have given up, and takes it from nobody.

export class WorkPlaces {
  readonly #count: number;
  #taken = 0;
  readonly #next: ((hasPlace: boolean) => void)[] = [];
  readonly #waitingForRoom = new Set<() => void>();
  #whenIdle = (): void => {};
  #closed = false;

  constructor(count: number) {
    this.#count = count;
  }

  get taken(): number {
    return this.#taken;
  }

  get free(): number {
    return this.#count - this.#taken;
  }

  /** Takes a place as soon as there is one; false when it has closed. */
  async take(): Promise<boolean> {
    if (this.#closed) return false;
    if (this.#taken === this.#count) return new Promise<boolean>((resolve) => this.#next.push(resolve));
    this.#taken++;
    return true;
  }

  leave(): void {
    const next = this.#next.shift();
    if (next !== undefined) return next(true);
    this.#taken--;
    if (this.#taken === 0) this.#whenIdle();
    this.wake();
  }

  /** Resolves when there is room, or at a wake-up. */
  async room(): Promise<void> {
    if (this.free === 0) await new Promise<void>((resolve) => this.#waitingForRoom.add(resolve));
  }

  /** Ends each wait for room. */
  wake(): void {
    const waiting = [...this.#waitingForRoom];
    this.#waitingForRoom.clear();
    for (const resolve of waiting) resolve();
  }

  /** Resolves when nothing is worked at. One may wait for that. */
  async idle(): Promise<void> {
    if (this.#taken > 0) await new Promise<void>((resolve) => (this.#whenIdle = resolve));
  }

  /** Nobody gets a place any more. */
  close(): void {
    this.#closed = true;
    for (const refuse of this.#next.splice(0)) refuse(false);
  }
}
