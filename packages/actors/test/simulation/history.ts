// What happened in a simulation, as its clients and its actors saw it. The checkers of `invariants.ts` read it.

import { NotExecutedError, OutcomeUnknownError } from '../../src/index.ts';
import { HostLostError } from '../../src/testing.ts';

/** What a caller heard: `lost` if it died with its host before. */
export type Outcome = 'waiting' | 'done' | 'failed' | 'not-executed' | 'unknown' | 'lost';

/** A call, and what became of it. */
export interface Operation {
  readonly id: number;
  /** `type/id`. */
  readonly actor: string;
  readonly method: string;
  readonly askedAtMs: number;
  /** The operations that are calls with the same idempotency key; the smallest id stands for all. */
  readonly sameAs: number;
  /** How often it was asked, by a caller that asks again when it is not executed. */
  attempts: number;
  outcome: Outcome;
  /** What it gave, when it is done. */
  value: unknown;
  endedAtMs: number;
}

/**
 * - `turn`: of a call, a reminder or a timer; at most one at a time in an activation.
 * - `nested`: inside the turn that waits for it.
 * - `read`: of a read-only method.
 */
export type TurnSort = 'turn' | 'nested' | 'read';

export interface TurnEvent {
  readonly kind: 'begin' | 'end';
  readonly atMs: number;
  readonly actor: string;
  /** One activation: `type/id@host#number`. */
  readonly activation: string;
  readonly sort: TurnSort;
  /** Which call it serves, if one. */
  readonly operation: number | undefined;
}

/** Steps in the life of activations of one actor. */
export interface LifeEvent {
  readonly kind:
    | 'load-begins'
    | 'load-ends'
    | 'load-fails'
    | 'activate-begins'
    | 'activate-ends'
    | 'activate-fails'
    | 'turn-begins'
    | 'turn-ends'
    | 'deactivate-begins'
    | 'deactivate-ends';
  readonly actor: string;
  readonly host: string;
}

/** What one run did. */
export class History {
  readonly operations: Operation[] = [];
  readonly turns: TurnEvent[] = [];
  readonly life: LifeEvent[] = [];
  readonly #nowMs: () => number;
  readonly #activations = new Map<string, number>();
  /** Turns, not nested and not reads, that are running, by activation. */
  readonly #running = new Map<string, number | undefined>();

  constructor(nowMs: () => number) {
    this.#nowMs = nowMs;
  }

  /** Notes a call and, when it has ended, how. */
  call(
    actor: string,
    method: string,
    begin: (id: number, operation: Operation) => Promise<unknown>,
    sameAs?: number,
  ): Operation {
    const id = this.operations.length + 1;
    const operation: Operation = {
      id,
      actor,
      method,
      askedAtMs: this.#nowMs(),
      sameAs: sameAs ?? id,
      attempts: 1,
      outcome: 'waiting',
      value: undefined,
      endedAtMs: Infinity,
    };
    this.operations.push(operation);
    begin(id, operation).then(
      (value) => {
        operation.value = value;
        this.#ended(operation, 'done');
      },
      (error: unknown) => {
        if (error instanceof HostLostError) this.#ended(operation, 'lost');
        else if (error instanceof NotExecutedError) this.#ended(operation, 'not-executed');
        else if (error instanceof OutcomeUnknownError) this.#ended(operation, 'unknown');
        else this.#ended(operation, 'failed');
      },
    );
    return operation;
  }

  #ended(operation: Operation, outcome: Outcome): void {
    operation.outcome = outcome;
    operation.endedAtMs = this.#nowMs();
  }

  /** An activation runs its `onActivate`, which each does once and first of all. */
  activated(actor: string, host: string): void {
    const place = `${actor}@${host}`;
    this.#activations.set(place, (this.#activations.get(place) ?? 0) + 1);
  }

  /** Notes a turn while its body runs. */
  turn<T>(actor: string, host: string, sort: TurnSort, operation: number | undefined, body: () => T): T {
    const place = `${actor}@${host}`;
    const activation = `${place}#${this.#activations.get(place) ?? 0}`;
    const nested = sort === 'nested' && this.#running.has(activation);
    const noted: TurnSort = sort === 'nested' && !nested ? 'turn' : sort;
    const note = (kind: 'begin' | 'end'): void => {
      this.turns.push({ kind, atMs: this.#nowMs(), actor, activation, sort: noted, operation });
      if (noted !== 'turn') return;
      if (kind === 'begin') this.#running.set(activation, operation);
      else this.#running.delete(activation);
    };
    note('begin');
    let result: T;
    try {
      result = body();
    } catch (error) {
      note('end');
      throw error;
    }
    if (!(result instanceof Promise)) {
      note('end');
      return result;
    }
    return result.finally(() => note('end')) as T;
  }
}
