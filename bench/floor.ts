import { closeSync, fdatasync, openSync, rmSync, write } from 'node:fs';
import { join } from 'node:path';
import { closedLoop, type Rounds } from './closed-loop.ts';

/** What an engine's record weighs, more or less. */
const RECORD_BYTES = 300;

/**
 * The floor: a program that does nothing but persist. Everything that waits goes out in one append and one fdatasync, in
 * the same process and folder as the workload.
 */
export class FloorFile {
  readonly #path: string;
  readonly #descriptor: number;
  #waiting: (() => void)[] = [];
  #busy = false;
  #scheduled = false;

  constructor(folder: string) {
    this.#path = join(folder, `floor-${process.pid}`);
    this.#descriptor = openSync(this.#path, 'a');
  }

  /** Calls back when a record is durable. */
  append(done: () => void): void {
    this.#waiting.push(done);
    if (this.#scheduled || this.#busy) return;
    this.#scheduled = true;
    setImmediate(() => this.#flush());
  }

  #flush(): void {
    this.#scheduled = false;
    if (this.#busy || this.#waiting.length === 0) return;
    this.#busy = true;
    const waiting = this.#waiting;
    this.#waiting = [];
    write(this.#descriptor, Buffer.alloc(RECORD_BYTES * waiting.length, 1), (writeError) => {
      if (writeError) throw writeError;
      fdatasync(this.#descriptor, (syncError) => {
        if (syncError) throw syncError;
        this.#busy = false;
        for (const done of waiting) done();
        this.#flush();
      });
    });
  }

  /** So many writers that each wait for one record before they write the next. */
  writers(count: number, durationMs: number): Promise<Rounds> {
    return closedLoop(count, durationMs, (done) => this.append(done));
  }

  close(): void {
    closeSync(this.#descriptor);
    rmSync(this.#path);
  }
}

/** Time for a program that writes so many records one after another, each durable before the next. */
export async function floorSequenceMs(folder: string, records: number): Promise<number> {
  const file = new FloorFile(folder);
  const startedAt = performance.now();
  for (let index = 0; index < records; index++) await new Promise<void>((resolve) => file.append(resolve));
  const tookMs = performance.now() - startedAt;
  file.close();
  return tookMs;
}

/** Time until so many records that come at once are durable. */
export async function floorBurstMs(folder: string, records: number): Promise<number> {
  const file = new FloorFile(folder);
  const startedAt = performance.now();
  await Promise.all(Array.from({ length: records }, () => new Promise<void>((resolve) => file.append(resolve))));
  const tookMs = performance.now() - startedAt;
  file.close();
  return tookMs;
}
