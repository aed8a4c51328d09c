// The frames that come from one host: which of them are taken, what is to be acknowledged, and the parts of an envelope
// that is not complete yet.
//
// I1  A frame is taken once, and none after a later one: what was passed over is lost for good, and said to be.
// I2  An envelope in parts is put together of parts that came one after the other, or not at all.
// I3  Parts of all hosts together hold no more than a budget, and none that waits too long.

import type { Acknowledgement, EnvelopePart, FramePlace, FrameRange } from './frame.ts';
import {
  ENTRY_OVERHEAD_BYTES,
  ENVELOPE_BYTES_MAX,
  LOST_RANGES_MAX,
  PARTS_BYTES_MAX,
  PARTS_TICKS_MAX,
} from './limits.ts';

/** Bytes of parts, counted over all hosts. */
export class PartsBudget {
  bytes = 0;
}

export class Inbound {
  readonly #budget: PartsBudget;
  #stream = 0;
  #sequence = 0;
  #lost: FrameRange[] = [];
  #owedBytes = 0;
  #parts: Uint8Array[] = [];
  #partsBytes = 0;
  #partsTicks = 0;

  constructor(budget: PartsBudget) {
    this.#budget = budget;
  }

  /** Bytes that came since the last acknowledgement; 0 if there is none to send. */
  get owedBytes(): number {
    return this.#owedBytes;
  }

  /** It has something that a tick may end. */
  get pending(): boolean {
    return this.#owedBytes > 0 || this.#parts.length > 0;
  }

  /** Whether the frame is to be read on. */
  take({ stream, sequence }: FramePlace, bytes: number): boolean {
    if (stream < this.#stream || (stream === this.#stream && sequence <= this.#sequence)) return false;
    if (stream > this.#stream) {
      this.#stream = stream;
      this.#lost = [];
      this.dropParts();
    } else if (sequence > this.#sequence + 1) {
      this.#lose(this.#sequence + 1, sequence - 1);
      this.dropParts();
    }
    this.#sequence = sequence;
    this.#owedBytes += bytes + ENTRY_OVERHEAD_BYTES;
    return true;
  }

  /**
   * A frame came that is not taken, nor will any be that comes later: its sender is to be told how far things went. Of one
   * that is not known any more it is only certain that this frame was not taken.
   */
  late({ stream, sequence }: FramePlace): void {
    if (this.#stream === 0) {
      this.#stream = stream;
      this.#sequence = sequence - 1;
    }
    this.owe();
  }

  /** The sender is to be told how far things went, although it may know. */
  owe(): void {
    this.#owedBytes += ENTRY_OVERHEAD_BYTES;
  }

  /** Adds what the frame taken last brought. Returns the bytes of the envelope that is complete with it, if one is. */
  takePart({ index, last, bytes }: EnvelopePart): Uint8Array | undefined {
    if (index === 0) this.dropParts();
    const cost = bytes.length + ENTRY_OVERHEAD_BYTES;
    const fits = this.#partsBytes + bytes.length <= ENVELOPE_BYTES_MAX && this.#budget.bytes + cost <= PARTS_BYTES_MAX;
    if (index !== this.#parts.length || !fits) {
      this.dropParts();
      this.#lose(this.#sequence, this.#sequence);
      return undefined;
    }
    this.#parts.push(bytes);
    this.#partsBytes += bytes.length;
    this.#budget.bytes += cost;
    this.#partsTicks = 0;
    if (!last) return undefined;
    const whole = Buffer.concat(this.#parts, this.#partsBytes);
    this.dropParts();
    return whole;
  }

  /** No part follows those that are there. */
  dropParts(): void {
    this.#budget.bytes -= this.#partsBytes + this.#parts.length * ENTRY_OVERHEAD_BYTES;
    this.#parts = [];
    this.#partsBytes = 0;
  }

  tick(): void {
    if (this.#parts.length > 0 && ++this.#partsTicks >= PARTS_TICKS_MAX) this.dropParts();
  }

  /** What to tell the sender, once. */
  takeAcknowledgement(): Acknowledgement | undefined {
    if (this.#owedBytes === 0) return undefined;
    const acknowledgement = { stream: this.#stream, sequence: this.#sequence, lost: this.#lost };
    this.#owedBytes = 0;
    this.#lost = [];
    return acknowledgement;
  }

  #lose(first: number, last: number): void {
    if (this.#lost.length < LOST_RANGES_MAX) this.#lost.push([first, last]);
  }
}
