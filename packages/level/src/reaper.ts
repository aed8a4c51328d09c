// Deletes in the background what commits and purges have left behind: the entries of lives that are over, and those below
// `firstEntry`. What is to be deleted was written down by the batch that left it, so a restart goes on with it. Every
// batch is bounded and synced like all others: an unsynced one before a synced one would look like damage after a
// power failure.

import type { ClassicLevel } from 'classic-level';
import { REAP_KEYS_MAX, REAP_LIVES_MAX } from './limits.ts';
import { NO_ENTRY, numberOfKey, reapKey, REAP_BOUNDS, recordKey } from './keys.ts';
import { decodeRow, encodeRow } from './record.ts';

export class Reaper {
  readonly #database: ClassicLevel<Buffer, Buffer>;
  readonly #failed: (error: unknown) => void;
  /** Up to which entry the records of a number are to go. */
  readonly #pending = new Map<number, number>();
  #running: Promise<void> | undefined;
  #stopped = false;

  /** `failed` is told of a batch that could not be written; nothing more is deleted then. */
  constructor(database: ClassicLevel<Buffer, Buffer>, failed: (error: unknown) => void) {
    this.#database = database;
    this.#failed = failed;
  }

  /** Reads what an earlier process has not finished. */
  async resume(): Promise<void> {
    for await (const [key, value] of this.#database.iterator(REAP_BOUNDS)) {
      this.#raise(numberOfKey(key), decodeRow(key, value).readUIntBE(0, 6));
    }
  }

  start(): void {
    this.#wake();
  }

  /** The row to write with a commit or a purge, so that {@link reap} is not forgotten if the process ends. */
  static rowFor(key: Buffer, upTo: number): Buffer {
    const payload = Buffer.allocUnsafe(6);
    payload.writeUIntBE(upTo, 0, 6);
    return encodeRow(key, payload);
  }

  /**
   * Deletes the records of a life below the one that holds `upTo`, or all with `NO_ENTRY`. To be called when the batch that
   * has the row is durable.
   */
  reap(number: number, upTo: number): void {
    this.#raise(number, upTo);
    this.#wake();
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    await this.#running;
  }

  #raise(number: number, upTo: number): void {
    this.#pending.set(number, Math.max(upTo, this.#pending.get(number) ?? 0));
  }

  #wake(): void {
    if (this.#stopped || this.#running !== undefined || this.#pending.size === 0) return;
    this.#running = this.#run()
      .catch((error: unknown) => {
        this.#stopped = true;
        this.#failed(error);
      })
      .finally(() => {
        this.#running = undefined;
        this.#wake();
      });
  }

  async #run(): Promise<void> {
    while (this.#pending.size > 0 && !this.#stopped) {
      const lives = this.#nextLives();
      const limit = Math.ceil(REAP_KEYS_MAX / lives.length);
      const batch = this.#database.batch();
      try {
        const found = await Promise.all(lives.map(([number, upTo]) => this.#keysOf(number, upTo, limit)));
        for (const [index, [number, upTo]] of lives.entries()) {
          const { keys, all } = found[index]!;
          for (const key of keys) batch.del(key);
          if (all && this.#pending.get(number) === upTo) {
            this.#pending.delete(number);
            batch.del(reapKey(number));
          }
        }
        await batch.write({ sync: true });
      } catch (error) {
        await batch.close();
        throw error;
      }
    }
  }

  /** Those that wait longest. */
  #nextLives(): (readonly [number: number, upTo: number])[] {
    const lives: (readonly [number, number])[] = [];
    for (const life of this.#pending) {
      lives.push(life);
      if (lives.length === REAP_LIVES_MAX) break;
    }
    return lives;
  }

  /** Keys that are to go, the first `limit` of them, and whether that is all. */
  async #keysOf(number: number, upTo: number, limit: number): Promise<{ keys: Buffer[]; all: boolean }> {
    // The last record that begins at or before `upTo` may hold it, or the newest state: it stays.
    const kept = upTo === NO_ENTRY ? 0 : 1;
    const range = { gte: recordKey(number, 0), lte: recordKey(number, upTo), limit: limit + kept };
    const keys = await this.#database.keys(range).all();
    return { keys: keys.slice(0, keys.length - kept), all: keys.length < limit + kept };
  }
}
