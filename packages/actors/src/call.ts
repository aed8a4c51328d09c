import type { ActorAddress, PartitionId } from './address.ts';
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

/** Who waits for a call. One of the two is called, once. */
export interface CallReceiver {
  resolve(result: unknown): void;
  reject(error: unknown): void;
}

/** What hardly any call has: made for those that do. */
export interface CallExtras {
  readonly idempotencyKey?: string | undefined;
  readonly traceparent?: string | undefined;
  readonly chain?: readonly string[] | undefined;
  readonly stamp?: SendStamp | undefined;
}

const NO_CHAIN: readonly string[] = [];

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
  /** Of the address, once somebody has computed it. */
  partition: PartitionId | undefined;
  /** Runs once it is settled: frees the deadline, the signal's listener. */
  onSettled: (() => void) | undefined;
  /** For the call of another host: tells that host to look for the actor elsewhere. */
  onMoved: (() => void) | undefined;
  /** Of an attempt that may have run, of a call that was tried again all the same. */
  unknown: OutcomeUnknownError | undefined;
  /** The turn that it is executed by: told when the caller gives up meanwhile. */
  turn: { callerGone(reason: Error): void } | undefined;
  readonly #receiver: CallReceiver;
  #settled = false;

  /** @param deadlineAtMs Infinity: none */
  constructor(
    address: ActorAddress,
    method: string,
    args: readonly unknown[],
    receiver: CallReceiver,
    deadlineAtMs: number,
    extras: CallExtras,
  ) {
    this.address = address;
    this.method = method;
    this.args = args;
    this.idempotencyKey = extras.idempotencyKey;
    this.traceparent = extras.traceparent;
    this.chain = extras.chain ?? NO_CHAIN;
    this.stamp = extras.stamp;
    this.deadlineAtMs = deadlineAtMs;
    this.#receiver = receiver;
  }

  get settled(): boolean {
    return this.#settled;
  }

  resolve(value: unknown): void {
    if (this.#settled) return;
    this.#settled = true;
    this.onSettled?.();
    this.#receiver.resolve(value);
  }

  reject(error: unknown): void {
    if (this.#settled) return;
    this.#settled = true;
    this.onSettled?.();
    // Once an attempt may have run, one that did not says nothing of the whole.
    this.#receiver.reject(this.unknown !== undefined && error instanceof NotExecutedError ? this.unknown : error);
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
    this.turn?.callerGone(error);
    this.reject(error);
  }
}
