import { setImmediate } from 'node:timers';

// Proves that workflow code has come to rest: it has run every promise job that the last event led to.
//
// `queueMicrotask` leaves whatever phase of the event loop we are in for the microtask phase; a `process.nextTick` set from
// there runs only when the microtask queue is empty. One such round serves every workflow that was resumed before it left
// the microtask queue. One that is resumed later needs a round of its own: ticks that are due run one after another, with
// no look at promise jobs between them.

/** Something that was resumed and waits to hear that it has come to rest. */
export interface Resumed {
  atRest(): void;
}

let waiting: Resumed[] = [];
/** Rounds that have left the microtask queue, oldest first. */
const closed: Resumed[][] = [];

/** Tells it once no promise job is left that could go on with what runs now. */
export function whenQuiescent(resumed: Resumed): void {
  waiting.push(resumed);
  if (waiting.length === 1) queueMicrotask(enterTick);
}

function enterTick(): void {
  closed.push(waiting);
  waiting = [];
  process.nextTick(release);
}

let rounds = 0;
/** Rounds in a row without a look at I/O: promise jobs and ticks alone would starve it. */
const ROUNDS_MAX = 64;

function release(): void {
  rounds += 1;
  if (rounds >= ROUNDS_MAX) {
    rounds = 0;
    setImmediate(run);
  } else run();
}

/** Something was resumed since the event loop last went round. */
let recent = false;

/** Whether what happens now may be a consequence of workflow code that has just run. */
export function drainedJustNow(): boolean {
  return recent;
}

function forget(): void {
  recent = false;
  rounds = 0;
}

function run(): void {
  if (!recent) {
    recent = true;
    setImmediate(forget);
  }
  for (const resumed of closed.shift()!) resumed.atRest();
}
