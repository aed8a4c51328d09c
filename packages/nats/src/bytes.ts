// Positional bytes: what the two ends of a frame agree on, without names or types in between. Numbers are LEB128
// varints (https://en.wikipedia.org/wiki/LEB128) up to 2^53, strings and bytes have their length in front.

/** Bytes that are not what they should be. */
export class BytesError extends Error {
  override readonly name = 'BytesError';
}

/** Up to here a loop over characters beats a call into the runtime. */
const SHORT_STRING_LENGTH = 24;
const VARINT_BYTES_MAX = 8;

/** Writes into one buffer, again and again; `taken` copies what was written. */
export class ByteWriter {
  #buffer = Buffer.allocUnsafeSlow(4096);
  #length = 0;

  get length(): number {
    return this.#length;
  }

  /** What was written since the last time, the caller's to keep. */
  taken(): Buffer {
    const bytes = Buffer.allocUnsafe(this.#length);
    this.#buffer.copy(bytes, 0, 0, this.#length);
    this.clear();
    return bytes;
  }

  clear(): void {
    this.#length = 0;
    // One large value does not cost its size for ever.
    if (this.#buffer.length > 1024 * 1024) this.#buffer = Buffer.allocUnsafeSlow(4096);
  }

  byte(value: number): void {
    this.#reserve(1);
    this.#buffer[this.#length++] = value;
  }

  /** A whole number from 0 to 2^53 - 1. */
  varint(value: number): void {
    if (!Number.isSafeInteger(value) || value < 0) throw new TypeError(`a whole number from 0 on, got ${value}`);
    this.#reserve(VARINT_BYTES_MAX);
    let rest = value;
    while (rest > 0x7f) {
      this.#buffer[this.#length++] = (rest % 0x80) | 0x80;
      rest = Math.floor(rest / 0x80);
    }
    this.#buffer[this.#length++] = rest;
  }

  double(value: number): void {
    this.#reserve(8);
    this.#length = this.#buffer.writeDoubleLE(value, this.#length);
  }

  string(value: string): void {
    const { length } = value;
    if (length <= SHORT_STRING_LENGTH && this.#shortAscii(value, length)) return;
    const bytes = Buffer.byteLength(value);
    this.varint(bytes);
    this.#reserve(bytes);
    this.#length += this.#buffer.write(value, this.#length);
  }

  bytes(value: Uint8Array): void {
    this.varint(value.length);
    this.#reserve(value.length);
    this.#buffer.set(value, this.#length);
    this.#length += value.length;
  }

  /** False, with nothing written, when there is a character that is not ASCII. */
  #shortAscii(value: string, length: number): boolean {
    this.#reserve(length + 1);
    const start = this.#length;
    this.#buffer[start] = length;
    for (let index = 0; index < length; index++) {
      const unit = value.charCodeAt(index);
      if (unit > 0x7f) return false;
      this.#buffer[start + 1 + index] = unit;
    }
    this.#length = start + 1 + length;
    return true;
  }

  #reserve(bytes: number): void {
    const needed = this.#length + bytes;
    if (needed <= this.#buffer.length) return;
    const larger = Buffer.allocUnsafeSlow(Math.max(needed, this.#buffer.length * 2));
    this.#buffer.copy(larger, 0, 0, this.#length);
    this.#buffer = larger;
  }
}

/** Reads what a {@link ByteWriter} wrote, or anything else. Every method throws a {@link BytesError} for the latter. */
export class ByteReader {
  readonly #buffer: Buffer;
  #position = 0;

  constructor(bytes: Uint8Array) {
    this.#buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  get left(): number {
    return this.#buffer.length - this.#position;
  }

  byte(): number {
    if (this.left < 1) throw new BytesError('it ends too early');
    return this.#buffer[this.#position++]!;
  }

  varint(): number {
    let value = 0;
    let scale = 1;
    for (let count = 0; count < VARINT_BYTES_MAX; count++) {
      const byte = this.byte();
      value += (byte & 0x7f) * scale;
      if (byte <= 0x7f) {
        if (!Number.isSafeInteger(value)) break;
        return value;
      }
      scale *= 0x80;
    }
    throw new BytesError('a number is too large');
  }

  double(): number {
    if (this.left < 8) throw new BytesError('it ends too early');
    const value = this.#buffer.readDoubleLE(this.#position);
    this.#position += 8;
    return value;
  }

  string(): string {
    const start = this.#skip(this.varint());
    return this.#buffer.toString('utf8', start, this.#position);
  }

  /** A part of what is read, not a copy. */
  bytes(): Uint8Array {
    const start = this.#skip(this.varint());
    return this.#buffer.subarray(start, this.#position);
  }

  /** All that is left; a part of what is read, not a copy. */
  rest(): Uint8Array {
    return this.#buffer.subarray(this.#skip(this.left), this.#position);
  }

  #skip(length: number): number {
    if (length > this.left) throw new BytesError('it ends too early');
    const start = this.#position;
    this.#position += length;
    return start;
  }
}
