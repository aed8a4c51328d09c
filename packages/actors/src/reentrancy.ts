// Calls that come from the turn that is running, or from a turn inside it. Made for the first of them.
// Decides whether such a call is a deadlock, a turn inside the running one (a nested turn) or to be held, and rolls a
// nested turn back alone. Running methods, the mailbox and what an outer turn did stay with the activation.
//
// N1  The nested turns are a stack: each is a part of the one before it, which waits for it, the first a part of the
//     running turn. They end innermost first, whatever the order in which their methods return.
// N2  A nested turn that ends well is absorbed by the turn around it; one that fails leaves the state as it found it,
//     or loses the activation.
// N3  The reply of a nested turn is not gated: the turn around it is.
// N4  The running turn ends when its method and all nested turns have (A1). Calls that are held by then were too late
//     to belong to it.

import type { Activation } from './activation.ts';
import { formatAddress } from './address.ts';
import type { Call } from './call.ts';
import { DeadlockError, OutcomeUnknownError } from './errors.ts';
import { checkedResult, errorOfThisCall } from './outcome.ts';
import { Turn } from './turn.ts';

/** What happens inside the running turn of one activation. */
export class Reentrancy {
  /** Outermost first, each inside the one before. */
  readonly nested: Turn[] = [];
  readonly #activation: Activation;
  /** For each of them, what to come back to when it fails. */
  readonly #saved: unknown[] = [];
  /** Calls that wait for another nested turn of the same outer turn. */
  readonly #held: Call[] = [];
  /** How the running turn's method ended, while nested turns go on. */
  #outerEnd: { readonly result: unknown; readonly error: unknown; readonly failed: boolean } | undefined;

  constructor(activation: Activation) {
    this.#activation = activation;
  }

  /** Takes a call that the running turn may be waiting for. */
  meet(call: Call): void {
    const { address, definition, running } = this.#activation;
    const innermost = this.nested.length > 0 ? this.nested[this.nested.length - 1]! : running!;
    if (definition.hooks.reentrant !== true) {
      const from = call.chain.indexOf(innermost.mark);
      call.reject(new DeadlockError([...call.chain.slice(from), formatAddress(address)].map(withoutNumber)));
    } else if (call.chain.includes(innermost.mark)) this.#begin(call, innermost);
    // Another branch of the same outer turn: side by side they could not be rolled back apart.
    else this.#held.push(call);
  }

  #begin(call: Call, outer: Turn): void {
    if (!this.#activation.wantsTurn(call)) return;
    const turn = new Turn(this.#activation, { kind: 'call', call }, outer, false);
    let saved: unknown;
    try {
      saved = this.#activation.persistence.save();
    } catch (error) {
      call.reject(error);
      return;
    }
    this.nested.push(turn);
    this.#saved.push(saved);
    this.#activation.run(turn);
  }

  /** The method of a nested turn has ended. */
  end(turn: Turn, result: unknown, error: unknown, failed: boolean): void {
    // It is the innermost: those inside it have ended, since each is awaited as a part of it.
    if (this.nested[this.nested.length - 1] !== turn) {
      turn.ending = () => this.end(turn, result, error, failed);
      return;
    }
    this.nested.pop();
    const saved = this.#saved.pop();
    turn.ended = true;
    if (turn.broken !== undefined && !failed) {
      failed = true;
      error = turn.broken;
    }
    if (!failed) {
      try {
        turn.result = checkedResult(turn.address, this.#activation.definition, result);
        turn.outer!.absorb(turn);
      } catch (unstorable) {
        failed = true;
        error = unstorable;
      }
    }
    this.#reply(turn, error, failed);
    if (failed && !this.#activation.persistence.restore(saved)) {
      const { address } = this.#activation;
      this.#activation.lose(new OutcomeUnknownError(address, 'a reentrant turn failed', { cause: error }));
      return;
    }
    const around = turn.outer!;
    if (around.ending !== undefined) around.ending();
    else if (this.nested.length === 0 && this.#outerEnd !== undefined) this.#endOuter(this.#outerEnd);
    else this.#beginHeld();
  }

  #reply(turn: Turn, error: unknown, failed: boolean): void {
    if (turn.cause.kind !== 'call') return;
    const { call } = turn.cause;
    if (failed) {
      call.reject(errorOfThisCall(turn.address, error));
      return;
    }
    if (call.idempotencyKey !== undefined && !turn.replyDropped)
      (turn.outer!.repliesInside ??= []).push({ call, result: turn.result });
    call.resolve(turn.result);
  }

  #endOuter({ result, error, failed }: { result: unknown; error: unknown; failed: boolean }): void {
    this.#outerEnd = undefined;
    this.#activation.end(this.#activation.running!, result, error, failed);
    this.#activation.pump();
  }

  /** Begins calls that waited for the nested turn that has ended. */
  #beginHeld(): void {
    for (let count = this.#held.length; count > 0 && this.#activation.phase === 'active'; count--) {
      const call = this.#held.shift();
      if (call !== undefined && !call.settled) this.meet(call);
    }
  }

  /** The method of the running turn has ended. True: nested turns go on, and the last of them will end it. */
  postpones(result: unknown, error: unknown, failed: boolean): boolean {
    if (this.nested.length === 0) return false;
    this.#outerEnd = { result, error, failed };
    return true;
  }

  get holdsCalls(): boolean {
    return this.#held.length > 0;
  }

  /** The calls that nobody will begin here any more. */
  takeHeld(): readonly Call[] {
    return this.#held.splice(0);
  }
}

function withoutNumber(mark: string): string {
  return mark.replace(/#[^#]*\.\d+$/, '');
}
