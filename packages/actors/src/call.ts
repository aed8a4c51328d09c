import type { ActorAddress } from './address.ts';
import { NotExecutedError, OutcomeUnknownError } from './errors.ts';
import type { SendStamp } from './transport.ts';

/** How a caller wants to be served. */
export interface CallOptions {
  /** The caller gives up after this long: `not-executed` if no turn had begun, else `unknown`. Infinity: never. */
  readonly timeoutMs?: number | undefined;
  /** Gives up as soon as it aborts, with the same outcomes. A turn that runs sees `ctx.signal` abort. */
  readonly signal?: AbortSignal | undefined;
  /**
   * Calls of one actor and method with the same key take effect once; later ones get the first reply, for a day and
   * among the last 1,000 keys. It also lets the runtime try again after an unknown outcome.
   */
  readonly idempotencyKey?: string | undefined;
  /** W3C trace context of what caused the call. */
  readonly traceparent?: string | undefined;
}

/** One message to an actor and the caller that waits for it. Settles once; whatever comes later is dropped. */
export class Call {
  readonly address: ActorAddress;
  readonly method: string;
  readonly args: readonly unknown[];
  readonly idempotencyKey: string | undefined;
  readonly traceparent: string | undefined;
  /** The turns, printed `type/id#number`, that wait for this call. */
  readonly chain: readonly string[];
  readonly stamp: SendStamp | undefined;
  /** Infinity: none. */
  readonly deadlineAtMs: number;
  /** A turn has begun: from now on giving up means that the outcome is unknown. */
  begun = false;
  /** The number that the remote host knows this call by, when it was sent to one. */
  remoteId = 0;
  /** Times that it was handed to an activation or a host. */
  attempts = 0;
  /** Runs once it is settled: frees the deadline, the signal's listener. */
  onSettled: (() => void) | undefined;
  /** For the call of another host: tells that host to look for the actor elsewhere. */
  onMoved: (() => void) | undefined;
  /** Runs when the caller gave up while a turn is under way. */
  onAbandoned: ((reason: Error) => void) | undefined;
  #resolve: (value: unknown) => void;
  #reject: (error: unknown) => void;
  #settled = false;

  constructor(fields: {
    address: ActorAddress;
    method: string;
    args: readonly unknown[];
    idempotencyKey: string | undefined;
    traceparent: string | undefined;
    chain: readonly string[];
    stamp: SendStamp | undefined;
    deadlineAtMs: number;
    resolve: (value: unknown) => void;
    reject: (error: unknown) => void;
  }) {
    this.address = fields.address;
    this.method = fields.method;
    this.args = fields.args;
    this.idempotencyKey = fields.idempotencyKey;
    this.traceparent = fields.traceparent;
    this.chain = fields.chain;
    this.stamp = fields.stamp;
    this.deadlineAtMs = fields.deadlineAtMs;
    this.#resolve = fields.resolve;
    this.#reject = fields.reject;
  }

  get settled(): boolean {
    return this.#settled;
  }

  resolve(value: unknown): void {
    if (this.#settled) return;
    this.#settled = true;
    this.onSettled?.();
    this.#resolve(value);
  }

  reject(error: unknown): void {
    if (this.#settled) return;
    this.#settled = true;
    this.onSettled?.();
    this.#reject(error);
  }

  /** Ends it here without an answer: whoever waits hears in another way. */
  dismiss(): void {
    if (this.#settled) return;
    this.#settled = true;
    this.onSettled?.();
  }

  /** Ends the wait truthfully: nothing happened if no turn had begun, else nobody knows. */
  abandon(reason: string, cause?: unknown): void {
    if (this.#settled) return;
    const options = cause === undefined ? undefined : { cause };
    const error = this.begun
      ? new OutcomeUnknownError(this.address, reason, options)
      : new NotExecutedError(this.address, reason, options);
    this.onAbandoned?.(error);
    this.reject(error);
  }
}
