// Requests over one inbox subscription and a map of those that wait: several times as many per second as the request
// helper of the client packages.
//
// Q1  Each request hears once: an answer, that nobody listens, that it takes too long, or that the connection was lost
//     after it was sent. After the last two nobody knows whether it arrived.

import type { PublishOptions, WireMessage } from './wire.ts';

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
