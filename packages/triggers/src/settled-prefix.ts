// Up to where a log is settled, when its positions are worked at side by side and end in any order. An origin that knows
// one offset, as Kafka's groups, is told `next`.
//
// P1  Every position below `next` that was taken is settled.
// P2  `next` never falls.
// P3  A position is out at most once at a time, and never again after it was settled.

type State = 'out' | 'settled' | 'released';

export class SettledPrefix {
  #next: number;
  #end: number;
  /** What was taken from `next` on, in ascending order. */
  #states = new Map<number, State>();

  /** @param first where reading begins */
  constructor(first: number) {
    this.#next = first;
    this.#end = first;
  }

  /** The first position that is not settled. */
  get next(): number {
    return this.#next;
  }

  /** After the highest position that was taken. */
  get end(): number {
    return this.#end;
  }

  /** Positions that are remembered: those that are out, and all that came after the first of them. */
  get size(): number {
    return this.#states.size;
  }

  /** The first position that was released and not taken since. */
  get firstReleased(): number | undefined {
    for (const [position, state] of this.#states) if (state === 'released') return position;
    return undefined;
  }

  /** Whether the position is to be handed over: it is neither out nor settled. Positions may leave gaps. */
  take(position: number): boolean {
    if (position < this.#next) return false;
    const state = this.#states.get(position);
    if (state !== undefined && state !== 'released') return false;
    const behind = position < this.#end && state === undefined;
    this.#states.set(position, 'out');
    if (behind) this.#states = new Map([...this.#states].sort(([a], [b]) => a - b));
    this.#end = Math.max(this.#end, position + 1);
    return true;
  }

  /** Resolves nothing anew: a position that is not out stays what it is. Returns whether `next` has moved. */
  settle(position: number): boolean {
    if (this.#states.get(position) !== 'out') return false;
    this.#states.set(position, 'settled');
    const before = this.#next;
    for (const [first, state] of this.#states) {
      if (state !== 'settled') {
        this.#next = first;
        return this.#next !== before;
      }
      this.#states.delete(first);
    }
    this.#next = this.#end;
    return true;
  }

  /** The position is to come again. */
  release(position: number): void {
    if (this.#states.get(position) === 'out') this.#states.set(position, 'released');
  }
}
