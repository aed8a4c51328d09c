import TinyQueue from 'tinyqueue';
import { formatAddress, type ActorAddress } from './address.ts';
import type { CancelTimeout, Clock } from './clock.ts';
import { DUE_HORIZON_MS, WAKE_BURST, WAKE_PER_SECOND } from './limits.ts';
import { Mailbox } from './mailbox.ts';

interface Entry {
  readonly key: string;
  readonly address: ActorAddress;
  readonly dueAtMs: number;
}

const byDueTime = (a: Entry, b: Entry): number => a.dueAtMs - b.dueAtMs;

/**
 * When actors of this host want to be looked at, for the next minutes: one heap and one timeout for its head. Later
 * times are left to the store's index. What is due is woken oldest first through a token bucket.
 */
export class DueQueue {
  readonly #clock: Clock;
  readonly #wake: (address: ActorAddress) => void;
  readonly #entries = new Map<string, Entry>();
  // Entries that were moved or cancelled stay here until their time, or until they are most of it; the map tells what
  // still holds.
  #order = new TinyQueue<Entry>([], byDueTime);
  readonly #ready = new Mailbox<ActorAddress>();
  #armedForMs = Infinity;
  #cancel: CancelTimeout | undefined;
  #cancelRefill: CancelTimeout | undefined;
  #tokens = WAKE_BURST;
  #refilledAtMs: number;
  #stopped = false;

  constructor(clock: Clock, wake: (address: ActorAddress) => void) {
    this.#clock = clock;
    this.#wake = wake;
    this.#refilledAtMs = clock.nowMs();
  }

  get size(): number {
    return this.#entries.size + this.#ready.length;
  }

  /** Sets, moves or (null) removes the time of an actor. */
  set(address: ActorAddress, dueAtMs: number | null): void {
    if (this.#stopped) return;
    const key = formatAddress(address);
    if (dueAtMs === null || dueAtMs > this.#clock.nowMs() + DUE_HORIZON_MS) {
      this.#entries.delete(key);
      return;
    }
    if (this.#entries.get(key)?.dueAtMs === dueAtMs) return;
    const entry = { key, address, dueAtMs };
    this.#entries.set(key, entry);
    if (this.#order.length > 2 * this.#entries.size + 1_000)
      this.#order = new TinyQueue([...this.#entries.values()], byDueTime);
    else this.#order.push(entry);
    this.#arm();
  }

  stop(): void {
    this.#stopped = true;
    this.#cancel?.();
    this.#cancelRefill?.();
    this.#entries.clear();
    this.#order = new TinyQueue<Entry>([], byDueTime);
    this.#ready.drain();
  }

  #arm(): void {
    const head = this.#order.peek();
    if (head === undefined || head.dueAtMs >= this.#armedForMs) return;
    this.#cancel?.();
    this.#armedForMs = head.dueAtMs;
    this.#cancel = this.#clock.setTimeout(() => this.#fire(), head.dueAtMs - this.#clock.nowMs());
  }

  #fire(): void {
    this.#armedForMs = Infinity;
    this.#cancel = undefined;
    const nowMs = this.#clock.nowMs();
    for (let head = this.#order.peek(); head !== undefined && head.dueAtMs <= nowMs; head = this.#order.peek()) {
      this.#order.pop();
      if (this.#entries.get(head.key) !== head) continue;
      this.#entries.delete(head.key);
      this.#ready.push(head.address);
    }
    this.#arm();
    this.#release();
  }

  #release(): void {
    if (this.#stopped) return;
    const nowMs = this.#clock.nowMs();
    this.#tokens = Math.min(
      WAKE_BURST,
      this.#tokens + (Math.max(0, nowMs - this.#refilledAtMs) * WAKE_PER_SECOND) / 1_000,
    );
    this.#refilledAtMs = nowMs;
    while (this.#tokens >= 1) {
      const address = this.#ready.shift();
      if (address === undefined) return;
      this.#tokens -= 1;
      this.#wake(address);
    }
    this.#cancelRefill?.();
    this.#cancelRefill = this.#clock.setTimeout(() => this.#release(), 10);
  }
}
