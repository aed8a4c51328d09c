// Ticks of a schedule: `cron({ schedule: '0 9 * * MON-FRI', timeZone: 'Europe/Berlin' })`.

import { CronReader, isoTime, type CronRule } from './cron/cron-reader.ts';
import { OVERLAPS, type Overlap } from './cron/progress.ts';
import { Schedule } from './cron/schedule.ts';
import { SourceError } from './errors.ts';
import { CATCH_UP_MS_DEFAULT, CATCH_UP_MS_MAX, CATCH_UP_MS_MIN } from './limits.ts';
import type { Source } from './source.ts';

export type { Overlap } from './cron/progress.ts';

/** When a trigger ticks. */
export interface CronOptions {
  /**
   * Cron patterns of five fields, or six with seconds in front; several tick whenever one of them does. Days of the month and
   * of the week are alternatives when both are given. `L`, `W` and `#` are understood, and `@daily` and its like.
   */
  readonly schedule: string | readonly string[];
  /** A name of the IANA database. Default `'UTC'`. */
  readonly timeZone?: string | undefined;
  /** Ticks that nobody could fire are fired late if they are no older than this; what is older is dropped. Default a day. */
  readonly catchUpMs?: number | undefined;
  /**
   * What happens at a tick while the instance that an earlier tick started is running. `skip` (default): the tick is dropped.
   * `buffer-one`: it waits for the end, unless one waits already. `buffer-all`: it waits, with at most 1,000. `cancel-other`:
   * what runs is terminated with its undos, and then the newest tick starts. `terminate-other`: the same without undos.
   * `allow-all`: it starts.
   */
  readonly overlap?: Overlap | undefined;
  /** Each tick is fired later by up to this, before the next one; by the same on each host. Default 0. */
  readonly jitterMs?: number | undefined;
}

/** The data of a tick. */
export interface CronTick {
  /** The time that the schedule says: RFC 3339 in UTC, with milliseconds. */
  readonly scheduledAt: string;
  readonly timeZone: string;
  /** As it was configured. */
  readonly schedule: string | readonly string[];
}

/**
 * Ticks of a schedule, read by one host of the cluster. Each tick is an event `cron.tick` of the source `cron:<trigger>`; its
 * id is the scheduled time, so that a tick starts one instance, whoever fires it.
 *
 * @throws {TypeError} when there is no such schedule, it never fires, or there is no such time zone
 */
export function cron(options: CronOptions): Source {
  const rule = checkedRule(options);
  return {
    kind: 'cron',
    runsOn: 'one-host',
    open(context) {
      const { cursor } = context;
      if (cursor === undefined) throw new SourceError('a cron source needs a cursor: it is read by one host');
      return Promise.resolve(new CronReader(rule, context, cursor));
    },
  };
}

function checkedRule({ schedule, timeZone = 'UTC', overlap = 'skip', ...options }: CronOptions): CronRule {
  const { catchUpMs = CATCH_UP_MS_DEFAULT, jitterMs = 0 } = options;
  const patterns = typeof schedule === 'string' ? [schedule] : schedule;
  if (!Array.isArray(patterns))
    throw new TypeError(`schedule is a cron pattern, as "0 9 * * MON-FRI", or a list of them, got ${typeof schedule}`);
  if (!OVERLAPS.includes(overlap))
    throw new TypeError(`overlap is one of ${OVERLAPS.join(', ')}, got ${JSON.stringify(overlap)}`);
  checkMs('catchUpMs', catchUpMs, CATCH_UP_MS_MIN, CATCH_UP_MS_MAX);
  checkMs('jitterMs', jitterMs, 0, CATCH_UP_MS_MAX);
  return {
    schedule: new Schedule(patterns, timeZone),
    overlap,
    catchUpMs,
    jitterMs,
    eventOf(source, tickMs) {
      const scheduledAt = isoTime(tickMs);
      const data: CronTick = { scheduledAt, timeZone, schedule };
      return {
        source,
        id: scheduledAt,
        type: 'cron.tick',
        time: scheduledAt,
        extensions: {},
        headers: {},
        data,
      };
    },
  };
}

function checkMs(name: string, value: number, min: number, max: number): void {
  if (!Number.isSafeInteger(value) || value < min || value > max)
    throw new TypeError(`${name} is a whole number of milliseconds from ${min} to ${max}, got ${String(value)}`);
}
