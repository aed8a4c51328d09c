// When something is to happen: cron patterns in a time zone, and the jitter of each tick. All of it is a pure function of
// its options, so that every host comes to the same times. croner finds the times and does nothing else here.

import { createHash } from 'node:crypto';
import { Cron } from 'croner';
import { SCHEDULES_MAX } from '../limits.ts';

/** Five or six fields, or a nickname. croner would also take single dates. */
const PATTERN_SHAPE = /^\s*(?:\S+(?:\s+\S+){4,5}|@[a-z]+)\s*$/i;
/** Any instant: no pattern has a year, so one that fires at all does so within the leap years after it. */
const SOME_TIME = new Date(Date.UTC(2000, 0, 1));

export class Schedule {
  /** Changes when, and only when, the times may change. */
  readonly fingerprint: string;
  readonly #jobs: readonly Cron[];

  /** @throws {TypeError} when there is no such schedule or time zone, or it never fires */
  constructor(patterns: readonly string[], timeZone: string) {
    if (patterns.length === 0 || patterns.length > SCHEDULES_MAX)
      throw new TypeError(`schedule is one to ${SCHEDULES_MAX} cron patterns, got ${patterns.length}`);
    checkTimeZone(timeZone);
    this.#jobs = patterns.map((pattern) => jobOf(pattern, timeZone));
    this.fingerprint = [timeZone, ...patterns.map((pattern) => pattern.trim().replace(/\s+/g, ' '))].join(' | ');
  }

  /** The first tick after this time. */
  next(afterMs: number): number {
    const after = new Date(afterMs);
    // Jobs that never fire were refused.
    return Math.min(...this.#jobs.map((job) => job.nextRun(after)!.getTime()));
  }

  /**
   * When a tick is fired: up to `jitterMs` later, but before the next tick, and the same on each host.
   *
   * @param salt tells schedules apart, so that they are not all late by the same
   */
  dueMs(tickMs: number, jitterMs: number, salt: string): number {
    if (jitterMs === 0) return tickMs;
    const bits = createHash('sha256').update(`${salt} ${tickMs}`).digest().readUIntBE(0, 6);
    return tickMs + Math.floor((bits / 2 ** 48) * Math.min(jitterMs, this.next(tickMs) - tickMs));
  }
}

function checkTimeZone(timeZone: string): void {
  try {
    Intl.DateTimeFormat('en', { timeZone });
  } catch (cause) {
    throw new TypeError(
      `timeZone is a name of the IANA database, as "Europe/Berlin" or "UTC", got ${JSON.stringify(timeZone)}`,
      { cause },
    );
  }
}

function jobOf(pattern: string, timeZone: string): Cron {
  const refuse = (why: string, cause?: unknown): never => {
    throw new TypeError(
      `schedule ${JSON.stringify(pattern)} ${why}; a pattern is "minute hour day month weekday", with seconds in front if it ` +
        'has six fields: "0 9 * * MON-FRI" is nine o\'clock from Monday to Friday',
      cause === undefined ? undefined : { cause },
    );
  };
  if (typeof pattern !== 'string' || !PATTERN_SHAPE.test(pattern)) refuse('has not five or six fields');
  // croner puts the present time in for it, which is another on each host.
  if (pattern.includes('?')) refuse('has a "?", for which "*" is to be written');
  const job = parsed(pattern, timeZone, refuse);
  if (job.nextRun(SOME_TIME) === null) refuse('never fires: there is no such day');
  return job;
}

function parsed(pattern: string, timeZone: string, refuse: (why: string, cause: unknown) => never): Cron {
  try {
    // Paused and without a function it has no timer.
    return new Cron(pattern.trim(), {
      timezone: timeZone,
      paused: true,
      mode: '5-or-6-parts',
      fixedTimeRule: 'no-wildcard',
    });
  } catch (cause) {
    return refuse(`is none (${(cause as Error).message})`, cause);
  }
}
