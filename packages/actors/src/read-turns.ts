// Turns of read-only methods of one activation. Made for the first of them.
// They run beside each other and beside the turn in progress (A1); what they see is for the persistence to say, when
// what they saw is durable for the gate.
//
// Q1  A read begins only while there is a state to show; one that ends while there is none, because a turn changes it
//     in place, waits for the end of that turn and then for the gate.
// Q2  A read that is not in `#running` any more answers nobody: its caller gave up, or it was turned away.

import type { Activation } from './activation.ts';
import type { Call } from './call.ts';
import { NotExecutedError } from './errors.ts';
import { checkedResult, errorOfThisCall, isThenable } from './outcome.ts';
import { Turn } from './turn.ts';

/** The read-only methods of one activation that are in progress. */
export class ReadTurns {
  readonly #activation: Activation;
  readonly #running = new Set<Turn>();
  /** Those that ended beside a turn that may have shown them what is not decided yet. */
  #held: Turn[] | undefined;

  constructor(activation: Activation) {
    this.#activation = activation;
  }

  get size(): number {
    return this.#running.size;
  }

  begin(call: Call): void {
    const turn = new Turn(this.#activation, { kind: 'call', call }, undefined, true);
    const inside = this.#activation.continues(call);
    this.#running.add(turn);
    turn.reads = this;
    call.turn = turn;
    try {
      const result = this.#activation.definition.readOnly[call.method]!(turn, ...call.args);
      if (isThenable(result)) {
        result.then(
          (value) => this.#end(turn, inside, false, value),
          (error: unknown) => this.#end(turn, inside, true, error),
        );
      } else this.#end(turn, inside, false, result);
    } catch (error) {
      this.#end(turn, inside, true, error);
    }
  }

  /** Its caller gave up. */
  forget(turn: Turn): void {
    this.#running.delete(turn);
  }

  /** `inside`: the turn in progress waits for it, and for nothing that it saw. */
  #end(turn: Turn, inside: boolean, failed: boolean, outcome: unknown): void {
    turn.ended = true;
    if (!this.#running.has(turn)) return;
    try {
      if (failed) turn.fail(errorOfThisCall(turn.address, outcome));
      else turn.result = checkedResult(turn.address, this.#activation.definition, outcome);
    } catch (unstorable) {
      turn.fail(unstorable);
    }
    if (this.#activation.hidesState && !inside) {
      (this.#held ??= []).push(turn);
      return;
    }
    this.#running.delete(turn);
    this.#activation.commits.throughGate(turn);
    this.#activation.settle();
  }

  /** The turn beside which they ended has ended too. */
  releaseHeld(): void {
    const held = this.#held;
    if (held === undefined) return;
    this.#held = undefined;
    for (const read of held) if (this.#running.delete(read)) this.#activation.commits.throughGate(read);
  }

  /** The actor goes away from here: those that the running turn does not wait for are for another host. */
  turnAway(): void {
    const { address, runtime } = this.#activation;
    for (const read of this.#running) {
      const call = callOf(read);
      if (this.#activation.continues(call)) continue;
      this.#running.delete(read);
      read.abort(new NotExecutedError(address, 'its host is stopping or gives it away'));
      runtime.turnedAway(call);
    }
  }

  /** The activation never began. */
  reject(error: NotExecutedError): void {
    for (const read of this.#running) callOf(read).reject(error);
    this.#running.clear();
  }

  /** The activation has ended. Returns the calls that are for the next one. */
  leave(): readonly Call[] {
    const waiting: Call[] = [];
    for (const read of this.#running) {
      const call = callOf(read);
      if (!call.settled) waiting.push(call);
      read.abort(new NotExecutedError(this.#activation.address, 'the activation that it read has ended'));
    }
    this.#running.clear();
    return waiting;
  }
}

function callOf(read: Turn): Call {
  return (read.cause as { readonly call: Call }).call;
}
