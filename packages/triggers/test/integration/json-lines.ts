// Files of JSON lines that processes append to, each line in one write: what is in them outlives a killed writer.

import { appendFileSync, closeSync, existsSync, openSync, readSync } from 'node:fs';

const READ_BYTES = 256 * 1024;
const LINE_FEED = 0x0a;

export class JsonLines<T> {
  readonly #path: string;
  /** Where each line ends that has been seen, after its line feed. */
  readonly #ends: number[] = [];
  readonly #buffer = Buffer.allocUnsafe(READ_BYTES);
  readonly #all: T[] = [];
  #offset = 0;

  constructor(path: string) {
    this.#path = path;
  }

  append(value: T): void {
    appendFileSync(this.#path, `${JSON.stringify(value)}\n`);
  }

  /** How many have been appended, by whomever. A last one that is still being written is left for later. */
  count(): number {
    if (!existsSync(this.#path)) return 0;
    const file = openSync(this.#path, 'r');
    try {
      for (;;) {
        const length = readSync(file, this.#buffer, 0, READ_BYTES, this.#offset);
        if (length === 0) return this.#ends.length;
        const read = this.#buffer.subarray(0, length);
        for (let at = read.indexOf(LINE_FEED); at >= 0; at = read.indexOf(LINE_FEED, at + 1)) {
          this.#ends.push(this.#offset + at + 1);
        }
        this.#offset += length;
      }
    } finally {
      closeSync(file);
    }
  }

  /** One of those that were counted, by its number from 0. */
  read(number: number): T {
    const begin = number === 0 ? 0 : this.#ends[number - 1]!;
    const line = Buffer.allocUnsafe(this.#ends[number]! - begin);
    const file = openSync(this.#path, 'r');
    try {
      for (let length = 0; length < line.length;) {
        const read = readSync(file, line, length, line.length - length, begin + length);
        if (read === 0) throw new Error(`${this.#path} is shorter than it was`);
        length += read;
      }
    } finally {
      closeSync(file);
    }
    return JSON.parse(line.toString()) as T;
  }

  /** All that have been appended; kept in memory. */
  all(): readonly T[] {
    for (let number = this.#all.length, count = this.count(); number < count; number++)
      this.#all.push(this.read(number));
    return this.#all;
  }
}
