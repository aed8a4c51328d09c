// Requests over one inbox subscription and a map of those that wait: several times as many per second as the request
// helper of the client packages.
//
// Q1  Each request hears once: an answer, that nobody listens, that it takes too long, or that the connection was lost
//     after it was sent. After the last two nobody knows whether it arrived.
// Q2  Time-outs are looked at together. They are counted in looks, not in time: a process that stood still asks nobody
//     to answer faster.

import type { CancelTimeout, Clock } from '@troupe/actors';
import { RequestError } from './errors.ts';
import { REQUEST_SWEEP_MS } from './limits.ts';
import type { PublishOptions, Wire, WireMessage } from './wire.ts';

/** Why there is no answer. */
export type RequestFailure = 'no-responders' | 'timeout' | 'disconnected' | 'closed';

/** Who waits for an answer. One of the two is called, once, never within `send`. */
export interface RequestReceiver {
  answered(message: WireMessage): void;
  failed(failure: RequestFailure): void;
}

export interface Requests {
  /**
   * Sends a request whose answer goes to the receiver. While the connection is lost requests are refused as
   * `disconnected` without being sent.
   *
   * @throws {TypeError} when the message is larger than the server takes; then the receiver hears nothing
   */
  send(
    subject: string,
    data: Uint8Array,
    receiver: RequestReceiver,
    timeoutMs: number,
    headers?: PublishOptions['headers'],
  ): void;
  /** As a promise. @throws {RequestError} with the failure */
  ask(subject: string, data: Uint8Array, timeoutMs: number, headers?: PublishOptions['headers']): Promise<WireMessage>;
  /** Requests that wait. */
  readonly pending: number;
  stop(): void;
}

/** A request that waits. */
interface Waiting {
  readonly receiver: RequestReceiver;
  /** The sweep that ends it. */
  readonly lastSweep: number;
}

/** Requests whose answers come to `<inboxPrefix>.<number>`. */
export class InboxRequests implements Requests {
  readonly #wire: Wire;
  readonly #clock: Clock;
  readonly #prefix: string;
  readonly #waiting = new Map<number, Waiting>();
  readonly #endSubscription: () => void;
  readonly #endStatus: () => void;
  #id = 0;
  #sweep = 0;
  #cancelSweep: CancelTimeout | undefined;
  #stopped = false;

  constructor(wire: Wire, clock: Clock) {
    this.#wire = wire;
    this.#clock = clock;
    this.#prefix = `${wire.inboxPrefix}.`;
    this.#endSubscription = wire.subscribe(`${this.#prefix}*`, (message) => this.#receive(message));
    this.#endStatus = wire.onStatus((status) => {
      if (status === 'disconnected') this.#failAll('disconnected');
      else if (status === 'closed') this.stop();
    });
  }

  get pending(): number {
    return this.#waiting.size;
  }

  send(
    subject: string,
    data: Uint8Array,
    receiver: RequestReceiver,
    timeoutMs: number,
    headers?: PublishOptions['headers'],
  ): void {
    const refusal = this.#refusal();
    if (refusal !== undefined) {
      queueMicrotask(() => receiver.failed(refusal));
      return;
    }
    const id = ++this.#id;
    const reply = this.#prefix + id;
    this.#wire.publish(subject, data, headers === undefined ? { reply } : { reply, headers });
    // One more, since the sweep that comes next may come at once.
    const lastSweep = this.#sweep + Math.ceil(timeoutMs / REQUEST_SWEEP_MS) + 1;
    this.#waiting.set(id, { receiver, lastSweep });
    this.#cancelSweep ??= this.#armSweep();
  }

  ask(subject: string, data: Uint8Array, timeoutMs: number, headers?: PublishOptions['headers']): Promise<WireMessage> {
    return new Promise((resolve, reject) =>
      this.send(
        subject,
        data,
        { answered: resolve, failed: (failure) => reject(new RequestError(subject, failure)) },
        timeoutMs,
        headers,
      ),
    );
  }

  stop(): void {
    if (this.#stopped) return;
    this.#stopped = true;
    this.#endStatus();
    this.#endSubscription();
    this.#failAll('closed');
  }

  #refusal(): RequestFailure | undefined {
    if (this.#stopped || this.#wire.status === 'closed') return 'closed';
    return this.#wire.status === 'disconnected' ? 'disconnected' : undefined;
  }

  #receive(message: WireMessage): void {
    const id = Number(message.subject.slice(this.#prefix.length));
    const waiting = this.#waiting.get(id);
    // Too late, or a second answer.
    if (waiting === undefined) return;
    this.#waiting.delete(id);
    if (message.status === 503 && message.data.length === 0) waiting.receiver.failed('no-responders');
    else waiting.receiver.answered(message);
  }

  #failAll(failure: RequestFailure): void {
    const all = [...this.#waiting.values()];
    this.#waiting.clear();
    this.#cancelSweep?.();
    this.#cancelSweep = undefined;
    for (const { receiver } of all) receiver.failed(failure);
  }

  #armSweep(): CancelTimeout {
    return this.#clock.setTimeout(() => {
      this.#sweep++;
      const late: RequestReceiver[] = [];
      for (const [id, { receiver, lastSweep }] of this.#waiting) {
        if (lastSweep > this.#sweep) continue;
        this.#waiting.delete(id);
        late.push(receiver);
      }
      this.#cancelSweep = this.#waiting.size === 0 ? undefined : this.#armSweep();
      for (const receiver of late) receiver.failed('timeout');
    }, REQUEST_SWEEP_MS);
  }
}
