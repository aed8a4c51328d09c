// The port that moves envelopes between hosts. Delivery is at most once, in order for each pair of hosts while both
// live; everything above (retries, keys that drop duplicates, deadlines) assumes no more than that.

import type { ActorAddress } from './address.ts';

/** Names one incarnation of a host: a host that comes back has another id. */
export type HostId = string;

/** A request on its way to an actor. */
export interface CallEnvelope {
  readonly kind: 'call';
  /** Unique per sending host. */
  readonly callId: number;
  readonly address: ActorAddress;
  readonly method: string;
  /** The packed array of arguments. */
  readonly args: Uint8Array;
  /** Milliseconds that the caller still waits, counted from the sending; undefined for ever. */
  readonly timeoutMs: number | undefined;
  readonly idempotencyKey: string | undefined;
  /** The turns that wait for this call, each printed `type/id#number`, outermost first. */
  readonly chain: readonly string[];
  readonly traceparent: string | undefined;
  /** Set for a durable send: who sends, and the number by which duplicates are dropped. */
  readonly send: SendStamp | undefined;
}

/** The place of a durable send among those of its sender. */
export interface SendStamp {
  /** Address and birth of the sender. */
  readonly sender: string;
  readonly sequence: number;
}

/** The answer to a call. */
export interface ReplyEnvelope {
  readonly kind: 'reply';
  readonly callId: number;
  readonly outcome: 'done' | 'failed' | 'not-executed' | 'unknown' | 'moved';
  /** The packed result, or the packed `{ name, message, code, data }` of the error. */
  readonly body: Uint8Array;
}

/** The caller no longer waits. */
export interface CancelEnvelope {
  readonly kind: 'cancel';
  readonly callId: number;
}

/** The sender's outbox for this actor is empty: numbers up to `send.sequence` will not come again. */
export interface ForgetEnvelope {
  readonly kind: 'forget';
  readonly address: ActorAddress;
  readonly send: SendStamp;
}

export type Envelope = CallEnvelope | ReplyEnvelope | CancelEnvelope | ForgetEnvelope;

/** What a transport tells its host. */
export interface TransportReceiver {
  /** An envelope came. Does not throw. */
  receive(from: HostId, envelope: Envelope): void;
  /** Certain: the envelope was not and will not be delivered. Does not throw. */
  undeliverable(to: HostId, envelope: Envelope): void;
}

/** Moves envelopes between hosts. */
export interface Transport {
  readonly hostId: HostId;
  /** Begins to deliver; envelopes that came earlier are not kept. */
  start(receiver: TransportReceiver): Promise<void>;
  /**
   * Takes in nothing more, and says so to those who send; delivers what was taken, then refuses. Calling it twice is
   * harmless.
   */
  stop(): Promise<void>;
  /**
   * Takes an envelope for another host. Never calls the receiver before it has returned; keeps no reference to the
   * envelope's parts that the other side could see change. It may throw, for an envelope that it can never deliver or
   * when it is not started: then nothing was sent.
   */
  send(to: HostId, envelope: Envelope): void;
}
