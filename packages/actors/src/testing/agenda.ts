// The one scheduler of a simulation: everything that can happen waits here, and the seed says what happens next.
//
// G1  One thing happens at a time. The next begins when everything that the last one led to has come to rest: promise
//     jobs, ticks and immediates. That is proved, not waited for (`#rest`).
// G2  Virtual time moves only here and never backwards. What happens at one instant happens in an order that the seed
//     draws, but for the timers of one process, which keep theirs, and messages of one pair that are to stay in order.
// G3  Of a killed process nothing happens any more. What comes due for a paused one is held until it goes on.
// G4  The same seed gives the same trace.

import TinyQueue from 'tinyqueue';
import { mixed, type SeededRandom } from './seeded-random.ts';

/** Whose events they are: one life of one simulated process. */
export class SimulatedProcess {
  readonly id: string;
  state: 'running' | 'paused' | 'dead' = 'running';
  /** What its clock is ahead of true time. */
  clockAheadMs = 0;
  /** Orders what happens to it at one instant against what happens to others. */
  readonly tieSeed: number;
  readonly held: Happening[] = [];
  readonly #whenDead: (() => void)[] = [];

  constructor(id: string, random: SeededRandom) {
    this.id = id;
    this.tieSeed = random.integer(0, 2 ** 32 - 1);
  }

  /** Runs the callback when it is killed; now, if it is dead already. */
  whenDead(callback: () => void): void {
    if (this.state === 'dead') callback();
    else this.#whenDead.push(callback);
  }

  /** @internal */
  die(): void {
    this.state = 'dead';
    this.held.length = 0;
    for (const callback of this.#whenDead.splice(0)) callback();
  }
}

/** Something that will happen. */
interface Happening {
  atMs: number;
  /** Between those of one instant: the lower one first, then the one that was due first, then the older one. */
  tie: number;
  readonly dueAtMs: number;
  readonly order: number;
  /** Those of one stream keep their order. */
  readonly stream: number | undefined;
  readonly process: SimulatedProcess | undefined;
  readonly label: string;
  run: (() => void) | undefined;
  /** Happens instead when its process is dead by then. */
  readonly orphaned: (() => void) | undefined;
}

/** How something is put on the agenda. */
export interface HappeningOptions {
  /** What has the same number keeps its order among itself; absent: the seed orders what happens at one instant. */
  readonly stream?: number;
  /** Happens instead when its process is dead by then. */
  readonly orphaned?: () => void;
}

const before = (a: Happening, b: Happening): number =>
  a.atMs - b.atMs || a.tie - b.tie || a.dueAtMs - b.dueAtMs || a.order - b.order;

/** Rounds of the event loop after which something is said never to come to rest. */
const ROUNDS_MAX = 100_000;

/** What will happen in a simulation, and its virtual time. */
export class Agenda {
  /** Milliseconds since the epoch. */
  nowMs: number;
  /** Nothing happens any more: hosts are only freed. */
  over = false;
  /** Told before each happening whose it is and what, for a test that strikes at one certain moment. */
  beforeHappening: ((processId: string | undefined, label: string) => void) | undefined;
  /** What has happened, a line each. */
  readonly trace: string[] = [];
  readonly #random: SeededRandom;
  readonly #queue = new TinyQueue<Happening>([], before);
  readonly #happeningsMax: number;
  #order = 0;
  #digest = 0;

  constructor(random: SeededRandom, startMs: number, happeningsMax: number) {
    this.#random = random;
    this.nowMs = startMs;
    this.#happeningsMax = happeningsMax;
  }

  /** A number that stands for the whole trace so far. */
  get digest(): string {
    return (this.#digest >>> 0).toString(16).padStart(8, '0');
  }

  /**
   * Puts something on the agenda; the result takes it off. `process`: whose it is; absent: of nobody who could be paused
   * or killed.
   */
  add(
    process: SimulatedProcess | undefined,
    delayMs: number,
    label: string,
    run: () => void,
    { stream, orphaned }: HappeningOptions = {},
  ): () => void {
    const atMs = this.nowMs + Math.max(0, Math.ceil(delayMs));
    const tie = this.#tie(stream, atMs);
    const happening: Happening = {
      atMs,
      tie,
      dueAtMs: atMs,
      order: this.#order++,
      stream,
      process,
      label,
      run,
      orphaned,
    };
    this.#queue.push(happening);
    return () => {
      happening.run = undefined;
    };
  }

  #tie(stream: number | undefined, atMs: number): number {
    return stream === undefined ? this.#random.integer(0, 2 ** 32 - 1) : mixed(stream ^ mixed(atMs));
  }

  pause(process: SimulatedProcess): void {
    if (process.state === 'running') process.state = 'paused';
  }

  /** What was held happens now. */
  thaw(process: SimulatedProcess): void {
    if (process.state !== 'paused') return;
    process.state = 'running';
    for (const happening of process.held.splice(0)) {
      happening.atMs = this.nowMs;
      happening.tie = this.#tie(happening.stream, this.nowMs);
      this.#queue.push(happening);
    }
  }

  /** Notes something that is not on the agenda itself. */
  note(line: string): void {
    if (this.over) return;
    const entry = `${this.nowMs} ${line}`;
    this.trace.push(entry);
    let digest = this.#digest;
    for (let index = 0; index < entry.length; index++) digest = Math.imul(digest ^ entry.charCodeAt(index), 0x01000193);
    this.#digest = mixed(digest);
  }

  /** Lets one thing after another happen until the promise has settled, and gives what it gave. */
  async runUntil<T>(promise: Promise<T>): Promise<T> {
    const scenario = { settled: false };
    const settle = (): void => {
      scenario.settled = true;
    };
    promise.then(settle, settle);
    await rest();
    while (!scenario.settled) {
      const next = this.#queue.pop();
      if (next === undefined) throw new Error('nothing is left that could happen, and the scenario has not ended');
      if (next.run === undefined) continue;
      this.beforeHappening?.(next.process?.id, next.label);
      if (next.process?.state === 'paused') {
        next.process.held.push(next);
        continue;
      }
      const run = next.process?.state === 'dead' ? next.orphaned : next.run;
      if (run === undefined) continue;
      if (this.trace.length >= this.#happeningsMax)
        throw new Error(`the scenario has not ended after ${this.trace.length} happenings`);
      this.nowMs = Math.max(this.nowMs, next.atMs);
      this.note(next.label);
      run();
      await rest();
    }
    return promise;
  }
}

/**
 * Comes back when nothing is left that runs without time or I/O. An immediate runs after all promise jobs and ticks; if
 * then no other immediate is pending, there was nothing that could have set one.
 */
async function rest(): Promise<void> {
  for (let round = 0; round < ROUNDS_MAX; round++) {
    await new Promise((resolve) => setImmediate(resolve));
    if (!process.getActiveResourcesInfo().includes('Immediate')) return;
  }
  throw new Error(`something goes on without time passing: no rest after ${ROUNDS_MAX} rounds of the event loop`);
}
