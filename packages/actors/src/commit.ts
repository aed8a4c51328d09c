import { NotExecutedError } from './errors.ts';
import type { Summary } from './store.ts';
import type { Turn } from './turn.ts';

/** Something that waits behind the output gate. */
export interface Gated {
  /** What it waited for is durable. */
  release(): void;
  /** What it waited for is lost. */
  lose(error: Error): void;
}

/** What the turns since the last seal did, and who waits for it to be durable. Becomes one commit. */
export class Bundle {
  readonly entries: Uint8Array[] = [];
  entryCount = 0;
  /** Of the entries. */
  bytes = 0;
  keepFrom: number | undefined;
  /** The record must be written again. */
  stateChanged = false;
  /** The user's part of it too. */
  userStateChanged = false;
  /** That part as it was before the turn in progress, of an actor whose turns change it in place. */
  userState: Uint8Array | null | undefined;
  summary: Summary | null | undefined;
  readonly gated: Gated[] = [];
}

/** A turn behind the gate. */
export class GatedTurn implements Gated {
  readonly #turn: Turn;

  constructor(turn: Turn) {
    this.#turn = turn;
  }

  release(): void {
    this.#turn.release();
  }

  lose(error: Error): void {
    const { address, cause, readOnly } = this.#turn;
    if (cause.kind !== 'call') return;
    // A read changed nothing: it is safe to try again.
    cause.call.reject(readOnly ? new NotExecutedError(address, 'what it had read was lost', { cause: error }) : error);
  }
}
