// Files of JSON lines that processes append to, each line in one write: what is in them outlives a killed writer.

import { appendFileSync, closeSync, existsSync, openSync, readSync } from 'node:fs';

const READ_BYTES = 1024 * 1024;

export class JsonLines<T> {
  readonly #path: string;
  readonly #all: T[] = [];
  #offset = 0;
  #rest = '';

  constructor(path: string) {
    this.#path = path;
  }

  append(value: T): void {
    appendFileSync(this.#path, `${JSON.stringify(value)}\n`);
  }

  /** Everything that has been appended, by whomever. A last line that is still being written is left for later. */
  all(): readonly T[] {
    if (!existsSync(this.#path)) return this.#all;
    const file = openSync(this.#path, 'r');
    const buffer = Buffer.allocUnsafe(READ_BYTES);
    // A character of several bytes may lie across two reads.
    const decoder = new TextDecoder();
    try {
      for (;;) {
        const length = readSync(file, buffer, 0, buffer.length, this.#offset);
        this.#rest += decoder.decode(buffer.subarray(0, length), { stream: true });
        if (length === 0) break;
        this.#offset += length;
      }
    } finally {
      closeSync(file);
    }
    const lines = this.#rest.split('\n');
    this.#rest = lines.pop()!;
    for (const line of lines) this.#all.push(JSON.parse(line) as T);
    return this.#all;
  }
}
