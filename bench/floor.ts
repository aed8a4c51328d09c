import { closeSync, fdatasync, openSync, rmSync, write } from 'node:fs';
import { join } from 'node:path';
import { percentile } from './statistics.ts';

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

  close(): void {
    closeSync(this.#descriptor);
    rmSync(this.#path);
  }
}

/** What so many writers get done that each wait for one record before they write the next. */
export async function floorRecords(
  folder: string,
  writers: number,
  durationMs: number,
): Promise<{ readonly perSecond: number; readonly p50Ms: number }> {
  const file = new FloorFile(folder);
  const { perSecond, latenciesMs } = await closedLoop(writers, durationMs, (done) => file.append(done));
  file.close();
  return { perSecond, p50Ms: percentile(latenciesMs, 0.5) };
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

/** So many loops at once, each beginning its next round when the last is done, for a time. */
export async function closedLoop(
  loops: number,
  durationMs: number,
  round: (done: () => void) => void,
): Promise<{ readonly rounds: number; readonly perSecond: number; readonly latenciesMs: number[] }> {
  const latenciesMs: number[] = [];
  const startedAt = performance.now();
  const endsAt = startedAt + durationMs;
  await Promise.all(
    Array.from(
      { length: loops },
      () =>
        new Promise<void>((resolve) => {
          const next = (): void => {
            const beganAt = performance.now();
            if (beganAt >= endsAt) {
              resolve();
              return;
            }
            round(() => {
              latenciesMs.push(performance.now() - beganAt);
              next();
            });
          };
          next();
        }),
    ),
  );
  const tookMs = performance.now() - startedAt;
  return { rounds: latenciesMs.length, perSecond: (latenciesMs.length / tookMs) * 1_000, latenciesMs };
}
