import type { PackedEntry } from './codec.ts';
import type { Summary } from './store.ts';

/** Something that waits behind the output gate. */
export interface Gated {
  /** What it waited for is durable. */
  release(): void;
  /** What it waited for is lost. */
  lose(error: Error): void;
}

/** What the turns since the last seal did, and who waits for it to be durable. Becomes one commit. */
export class Bundle implements Gated {
  /** Undefined: none. */
  entries: PackedEntry[] | undefined;
  entryCount = 0;
  /** Of the entries, about. */
  bytes = 0;
  keepFrom: number | undefined;
  /** The record must be written again. */
  stateChanged = false;
  /** The user's part of it too. */
  userStateChanged = false;
  /** That part as it was before the turn in progress, of an actor whose turns change it in place. */
  userState: Uint8Array | null | undefined;
  summary: Summary | null | undefined;
  #gated: Gated[] | undefined;

  /** Has somebody wait for the commit. */
  gate(gated: Gated): void {
    // A list that begins with one is laid out for one, which is what most have.
    if (this.#gated === undefined) this.#gated = [gated];
    else this.#gated.push(gated);
  }

  release(): void {
    if (this.#gated !== undefined) for (const gated of this.#gated) gated.release();
  }

  lose(error: Error): void {
    if (this.#gated !== undefined) for (const gated of this.#gated) gated.lose(error);
  }
}
