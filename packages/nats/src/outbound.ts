// The envelopes on their way to one host: those that wait, and those that were sent and not acknowledged. It decides what
// the next frame is; `nats-transport.ts` sends it.
//
// O1  An envelope is sent at most once.
// O2  It is given back only when it certainly was not and will not be taken: it was never sent, nobody listened to a
//     frame that it was in, or the other host says that such a frame is lost, or that it stops and took nothing since.
// O3  No more than a window is on its way, and no more than a queue waits, however long the other host is silent.

import { LimitError, type Envelope, type HostId } from '@troupe/actors';
import type { Acknowledgement, EnvelopePart } from './frame.ts';
import { ENTRY_OVERHEAD_BYTES, PROBE_TICKS, QUEUE_BYTES_MAX, WINDOW_BYTES } from './limits.ts';

/** What goes into one frame. */
export interface Load {
  readonly sequence: number;
  readonly envelopes: readonly Uint8Array[];
  readonly part: EnvelopePart | undefined;
}

interface Waiting {
  readonly envelope: Envelope;
  readonly bytes: Uint8Array;
}

/** An envelope that goes in parts. */
interface Large extends Waiting {
  sentBytes: number;
  partCount: number;
  lost: boolean;
}

/** A frame that is not acknowledged. */
interface Sent {
  readonly cost: number;
  readonly envelopes: readonly Envelope[];
  readonly large: Large | undefined;
}

export class Outbound {
  readonly to: HostId;
  readonly stream: number;
  /** Its host is gone: only what is on its way may still come back. */
  isForgotten = false;
  #queue: Waiting[] = [];
  /** Where the queue begins. */
  #head = 0;
  #queuedBytes = 0;
  #large: Large | undefined;
  /** By sequence, oldest first. */
  readonly #sent = new Map<number, Sent>();
  #sentBytes = 0;
  #sequence = 0;
  #silentTicks = 0;

  constructor(to: HostId, stream: number) {
    this.to = to;
    this.stream = stream;
  }

  /** Nothing waits. */
  get empty(): boolean {
    return this.#large === undefined && this.#head === this.#queue.length;
  }

  /** Nothing waits and nothing is on its way. */
  get idle(): boolean {
    return this.empty && this.#sent.size === 0;
  }

  /** @throws {LimitError} when too much waits already */
  push(envelope: Envelope, bytes: Uint8Array): void {
    if (!this.empty && this.#queuedBytes + bytes.length > QUEUE_BYTES_MAX) {
      throw new LimitError(
        `host ${this.to} does not keep up: ${this.#queuedBytes} bytes wait for it; QUEUE_BYTES_MAX is ${QUEUE_BYTES_MAX}`,
      );
    }
    this.#queue.push({ envelope, bytes });
    this.#queuedBytes += bytes.length + ENTRY_OVERHEAD_BYTES;
  }

  /** The next frame, which is then on its way; undefined when nothing waits or the window is full. */
  next(bytesMax: number): Load | undefined {
    if (this.#sentBytes >= WINDOW_BYTES) return undefined;
    const first = this.#queue[this.#head];
    if (this.#large === undefined && first !== undefined && first.bytes.length > bytesMax) {
      this.#shift();
      this.#large = { ...first, sentBytes: 0, partCount: 0, lost: false };
    }
    return this.#large === undefined ? this.#nextEnvelopes(bytesMax) : this.#nextPart(this.#large, bytesMax);
  }

  /** The place of a frame that carries nothing and asks for an acknowledgement. */
  probe(): number {
    this.#silentTicks = 0;
    return ++this.#sequence;
  }

  /** True when it is time to ask whether anything arrives there. */
  tick(): boolean {
    return this.#sent.size > 0 && ++this.#silentTicks >= PROBE_TICKS;
  }

  /** The connection was lost and is there again: to be asked about at the next tick. */
  doubt(): void {
    this.#silentTicks = PROBE_TICKS;
  }

  /** Returns the envelopes that are lost for certain. */
  acknowledged({ stream, sequence, lost }: Acknowledgement): Envelope[] {
    const returned: Envelope[] = [];
    if (stream !== this.stream || sequence > this.#sequence) return returned;
    for (const [number, sent] of this.#sent) {
      if (number > sequence) break;
      this.#forgetSent(number, sent);
      if (lost.some(([first, last]) => first <= number && number <= last)) this.#giveBack(sent, returned);
    }
    return returned;
  }

  /** The other host stops and has taken what is acknowledged, but nothing after it. Returns all the rest. */
  ended(last: Acknowledgement): Envelope[] {
    if (last.stream > this.stream || (last.stream === this.stream && last.sequence > this.#sequence)) return [];
    const returned = this.acknowledged(last);
    for (const [number, sent] of this.#sent) {
      this.#forgetSent(number, sent);
      this.#giveBack(sent, returned);
    }
    return [...returned, ...this.takeQueue()];
  }

  /** Nobody listened when the frame came. Returns its envelopes and all that wait: certain never to arrive. */
  refused(sequence: number): Envelope[] {
    const returned: Envelope[] = [];
    const sent = this.#sent.get(sequence);
    if (sent !== undefined) {
      this.#forgetSent(sequence, sent);
      this.#giveBack(sent, returned);
    }
    return [...returned, ...this.takeQueue()];
  }

  /** Takes out all that is not on its way. */
  takeQueue(): Envelope[] {
    const returned = this.#queue.slice(this.#head).map(({ envelope }) => envelope);
    if (this.#large !== undefined) returned.unshift(this.#large.envelope);
    this.#endLarge();
    this.#queue = [];
    this.#head = 0;
    this.#queuedBytes = 0;
    return returned;
  }

  #nextEnvelopes(bytesMax: number): Load | undefined {
    const envelopes: Envelope[] = [];
    const encoded: Uint8Array[] = [];
    let bytes = 0;
    for (;;) {
      const waiting = this.#queue[this.#head];
      if (waiting === undefined || bytes + waiting.bytes.length > bytesMax) break;
      this.#shift();
      bytes += waiting.bytes.length;
      this.#queuedBytes -= waiting.bytes.length + ENTRY_OVERHEAD_BYTES;
      envelopes.push(waiting.envelope);
      encoded.push(waiting.bytes);
    }
    if (envelopes.length === 0) return undefined;
    const cost = bytes + (envelopes.length + 1) * ENTRY_OVERHEAD_BYTES;
    return { sequence: this.#send({ cost, envelopes, large: undefined }), envelopes: encoded, part: undefined };
  }

  #nextPart(large: Large, bytesMax: number): Load {
    const bytes = large.bytes.subarray(large.sentBytes, large.sentBytes + bytesMax);
    const index = large.partCount++;
    large.sentBytes += bytes.length;
    const last = large.sentBytes === large.bytes.length;
    const sequence = this.#send({ cost: bytes.length + ENTRY_OVERHEAD_BYTES, envelopes: [], large });
    if (last) {
      this.#large = undefined;
      this.#queuedBytes -= large.bytes.length + ENTRY_OVERHEAD_BYTES;
    }
    return { sequence, envelopes: [], part: { index, last, bytes } };
  }

  #send(sent: Sent): number {
    if (this.#sent.size === 0) this.#silentTicks = 0;
    this.#sent.set(++this.#sequence, sent);
    this.#sentBytes += sent.cost;
    return this.#sequence;
  }

  #forgetSent(sequence: number, sent: Sent): void {
    this.#sent.delete(sequence);
    this.#sentBytes -= sent.cost;
    this.#silentTicks = 0;
  }

  /** A large one needs all its parts: without one of them the others are in vain, and those that wait are not sent. */
  #giveBack({ envelopes, large }: Sent, returned: Envelope[]): void {
    returned.push(...envelopes);
    if (large === undefined || large.lost) return;
    large.lost = true;
    returned.push(large.envelope);
    if (this.#large === large) this.#endLarge();
  }

  #endLarge(): void {
    if (this.#large === undefined) return;
    this.#large.lost = true;
    this.#queuedBytes -= this.#large.bytes.length + ENTRY_OVERHEAD_BYTES;
    this.#large = undefined;
  }

  #shift(): void {
    this.#head++;
    if (this.#head === this.#queue.length || (this.#head >= 1024 && this.#head * 2 > this.#queue.length)) {
      this.#queue = this.#queue.slice(this.#head);
      this.#head = 0;
    }
  }
}
