// Whole numbers as stored: seven bits a byte, the low ones first, up to `Number.MAX_SAFE_INTEGER`.

/** Writes the number and returns where it ends. */
export function writeVarint(target: Uint8Array, start: number, value: number): number {
  let at = start;
  let left = value;
  while (left > 0x7fffffff) {
    target[at++] = (left % 128) | 0x80;
    left = Math.floor(left / 128);
  }
  while (left > 0x7f) {
    target[at++] = (left & 0x7f) | 0x80;
    left >>>= 7;
  }
  target[at++] = left;
  return at;
}

export const VARINT_BYTES_MAX = 8;

/** Reads one thing after the other. Throws a RangeError past the end. */
export class ByteReader {
  at: number;
  readonly bytes: Buffer;

  constructor(bytes: Buffer, start: number) {
    this.bytes = bytes;
    this.at = start;
  }

  byte(): number {
    if (this.at >= this.bytes.length) throw new RangeError('the bytes end too early');
    return this.bytes[this.at++]!;
  }

  varint(): number {
    let value = 0;
    for (let scale = 1; ; scale *= 128) {
      const byte = this.byte();
      value += (byte & 0x7f) * scale;
      if (byte < 0x80) return value;
    }
  }

  /** A difference: even numbers are positive. */
  signed(): number {
    const value = this.varint();
    return value % 2 === 0 ? value / 2 : -(value + 1) / 2;
  }

  double(): number {
    this.at += 8;
    return this.bytes.readDoubleLE(this.at - 8);
  }

  uint32(): number {
    this.at += 4;
    return this.bytes.readUInt32LE(this.at - 4);
  }

  latin1(length: number): string {
    return this.slice(length).toString('latin1');
  }

  slice(length: number): Buffer {
    const end = this.at + length;
    if (end > this.bytes.length) throw new RangeError('the bytes end too early');
    const start = this.at;
    this.at = end;
    return this.bytes.subarray(start, end);
  }
}

/** As {@link ByteReader.signed} reads it. */
export function writeSigned(target: Uint8Array, start: number, value: number): number {
  return writeVarint(target, start, value < 0 ? -2 * value - 1 : 2 * value);
}
