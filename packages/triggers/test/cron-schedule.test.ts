// Times of schedules: named cases of the calendar, and an oracle that knows no more than what clocks on the wall show.

import { assert, constantFrom, integer, option, property, record, uniqueArray } from 'fast-check';
import { describe, expect, test } from 'vitest';
import { Schedule } from '../src/cron/schedule.ts';
import { cron } from '../src/cron.ts';

/** The first ticks after a time. */
function ticks(pattern: string | readonly string[], timeZone: string, after: string, count: number): string[] {
  const schedule = new Schedule(typeof pattern === 'string' ? [pattern] : pattern, timeZone);
  const found: string[] = [];
  for (let atMs = Date.parse(after); found.length < count; found.push(new Date(atMs).toISOString().slice(0, 19)))
    atMs = schedule.next(atMs);
  return found;
}

describe('an hour that is skipped and one that comes twice', () => {
  const cases: readonly (readonly [title: string, pattern: string, zone: string, after: string, ticks: string[]])[] = [
    // A job of a fixed time that does not exist runs as soon as the clocks have been set.
    [
      'Berlin, spring',
      '30 2 * * *',
      'Europe/Berlin',
      '2026-03-27T12:00Z',
      ['2026-03-28T01:30:00', '2026-03-29T01:00:00', '2026-03-30T00:30:00'],
    ],
    [
      'Berlin, autumn',
      '30 2 * * *',
      'Europe/Berlin',
      '2026-10-23T12:00Z',
      ['2026-10-24T00:30:00', '2026-10-25T00:30:00', '2026-10-26T01:30:00'],
    ],
    [
      'Berlin, two hours of which one does not exist',
      '30 2,14 * * *',
      'Europe/Berlin',
      '2026-03-28T14:00Z',
      ['2026-03-29T01:00:00', '2026-03-29T12:30:00'],
    ],
    [
      'Berlin, every half hour through spring',
      '*/30 * * * *',
      'Europe/Berlin',
      '2026-03-29T00:00Z',
      ['2026-03-29T00:30:00', '2026-03-29T01:00:00', '2026-03-29T01:30:00'],
    ],
    [
      'Berlin, every half hour through autumn',
      '*/30 * * * *',
      'Europe/Berlin',
      '2026-10-25T00:00Z',
      ['2026-10-25T00:30:00', '2026-10-25T01:00:00', '2026-10-25T01:30:00', '2026-10-25T02:00:00'],
    ],
    [
      'Berlin, in steps within the hour that is skipped',
      '*/15 2 * * *',
      'Europe/Berlin',
      '2026-03-28T02:00Z',
      ['2026-03-30T00:00:00'],
    ],
    [
      'New York, spring',
      '30 2 * * *',
      'America/New_York',
      '2026-03-07T12:00Z',
      ['2026-03-08T07:00:00', '2026-03-09T06:30:00'],
    ],
    [
      'New York, autumn',
      '30 1 * * *',
      'America/New_York',
      '2026-10-31T12:00Z',
      ['2026-11-01T05:30:00', '2026-11-02T06:30:00'],
    ],
    [
      'Lord Howe, half an hour is skipped',
      '15 2 * * *',
      'Australia/Lord_Howe',
      '2026-10-02T16:00Z',
      ['2026-10-03T15:30:00', '2026-10-04T15:15:00'],
    ],
    [
      'Lord Howe, half an hour comes twice',
      '45 1 * * *',
      'Australia/Lord_Howe',
      '2026-04-03T15:00Z',
      ['2026-04-04T14:45:00', '2026-04-05T15:15:00'],
    ],
    [
      'Lord Howe, quarters through the half hour',
      '*/15 * * * *',
      'Australia/Lord_Howe',
      '2026-04-04T14:30Z',
      ['2026-04-04T14:45:00', '2026-04-04T15:00:00', '2026-04-04T15:15:00'],
    ],
    [
      'São Paulo in 2018, where midnight was skipped',
      '0 0 * * *',
      'America/Sao_Paulo',
      '2018-11-02T12:00Z',
      ['2018-11-03T03:00:00', '2018-11-04T03:00:00', '2018-11-05T02:00:00'],
    ],
    [
      'São Paulo in 2026, without summer time',
      '0 0 * * *',
      'America/Sao_Paulo',
      '2026-11-01T12:00Z',
      ['2026-11-02T03:00:00', '2026-11-03T03:00:00'],
    ],
    [
      'Apia in 2011, where a day was skipped',
      '0 12 * * *',
      'Pacific/Apia',
      '2011-12-28T22:30Z',
      ['2011-12-29T22:00:00', '2011-12-30T22:00:00', '2011-12-31T22:00:00'],
    ],
  ];
  test.each(cases)('%s', (_, pattern, zone, after, expected) => {
    expect(ticks(pattern, zone, after, expected.length)).toEqual(expected);
  });
});

describe('the calendar', () => {
  const cases: readonly (readonly [title: string, pattern: string | string[], after: string, ticks: string[]])[] = [
    ['leap days', '0 0 29 2 *', '2026-01-01T00:00Z', ['2028-02-29T00:00:00', '2032-02-29T00:00:00']],
    ['the leap day that 2100 has not', '0 0 29 2 *', '2096-03-01T00:00Z', ['2104-02-29T00:00:00']],
    [
      'the 31st',
      '0 0 31 * *',
      '2026-01-01T00:00Z',
      ['2026-01-31T00:00:00', '2026-03-31T00:00:00', '2026-05-31T00:00:00'],
    ],
    ['the last day of a month', '0 0 L * *', '2028-01-01T00:00Z', ['2028-01-31T00:00:00', '2028-02-29T00:00:00']],
    ['the turn of a year', '59 23 31 12 *', '2026-01-01T00:00Z', ['2026-12-31T23:59:00', '2027-12-31T23:59:00']],
    ['working days', '0 9 * * MON-FRI', '2026-11-27T09:00Z', ['2026-11-30T09:00:00', '2026-12-01T09:00:00']],
    ['the 13th or a Friday', '0 0 13 * FRI', '2026-11-07T00:00Z', ['2026-11-13T00:00:00', '2026-11-20T00:00:00']],
    [
      'seconds',
      '*/20 59 23 31 12 *',
      '2026-12-31T23:58:59Z',
      ['2026-12-31T23:59:00', '2026-12-31T23:59:20', '2026-12-31T23:59:40', '2027-12-31T23:59:00'],
    ],
    ['a nickname', '@weekly', '2026-11-25T00:00Z', ['2026-11-29T00:00:00']],
    [
      'several schedules, one of whose ticks both have',
      ['0 12 * * *', '0 */6 * * *'],
      '2026-01-01T05:00Z',
      ['2026-01-01T06:00:00', '2026-01-01T12:00:00', '2026-01-01T18:00:00'],
    ],
  ];
  test.each(cases)('%s', (_, pattern, after, expected) => {
    expect(ticks(pattern, 'UTC', after, expected.length)).toEqual(expected);
  });

  test('a tick comes after the time that is asked with, to the millisecond', () => {
    const schedule = new Schedule(['0 * * * *'], 'UTC');
    const tickMs = Date.UTC(2026, 0, 1, 5);
    expect(schedule.next(tickMs - 1)).toBe(tickMs);
    expect(schedule.next(tickMs)).toBe(tickMs + 3_600_000);
    expect(schedule.next(tickMs + 1)).toBe(tickMs + 3_600_000);
  });
});

interface Reading {
  readonly hour: number;
  readonly minute: number;
  readonly weekday: number;
  /** As if it were UTC. */
  readonly asMs: number;
}

/** What the clocks on the wall show, minute by minute. */
class Wall {
  readonly #format: Intl.DateTimeFormat;
  readonly #seen = new Map<number, Reading>();

  constructor(timeZone: string) {
    const numeric = 'numeric' as const;
    this.#format = new Intl.DateTimeFormat('en-US', {
      timeZone,
      calendar: 'gregory',
      hourCycle: 'h23',
      year: numeric,
      month: numeric,
      day: numeric,
      hour: numeric,
      minute: numeric,
    });
  }

  at(timeMs: number): Reading {
    const known = this.#seen.get(timeMs) ?? this.#read(timeMs);
    this.#seen.set(timeMs, known);
    return known;
  }

  #read(timeMs: number): Reading {
    const parts = Object.fromEntries(
      this.#format.formatToParts(timeMs).map(({ type, value }) => [type, Number(value)]),
    );
    const { year, month, day, hour, minute } = parts as Record<'year' | 'month' | 'day' | 'hour' | 'minute', number>;
    return {
      hour,
      minute,
      weekday: new Date(Date.UTC(year, month - 1, day)).getUTCDay(),
      asMs: Date.UTC(year, month - 1, day, hour, minute),
    };
  }
}

interface Pattern {
  readonly minutes: readonly number[];
  readonly hours: readonly number[] | undefined;
  readonly weekdays: readonly number[] | undefined;
}

const MINUTE_MS = 60_000;

/** Ticks of an interval or of a fixed time, by looking at every minute. */
function seen(pattern: Pattern, wall: Wall, fromMs: number, untilMs: number): number[] {
  const { minutes, hours, weekdays } = pattern;
  const matches = (local: { minute: number; hour: number; weekday: number }): boolean =>
    minutes.includes(local.minute) &&
    (hours === undefined || hours.includes(local.hour)) &&
    (weekdays === undefined || weekdays.includes(local.weekday));
  const found: number[] = [];
  /** Local times that have been. */
  const been = new Set<number>();
  let beforeMs = wall.at(fromMs).asMs;
  for (let atMs = fromMs + MINUTE_MS; atMs <= untilMs; atMs += MINUTE_MS) {
    const local = wall.at(atMs);
    if (hours === undefined) {
      if (matches(local)) found.push(atMs);
    } else {
      let fires = matches(local) && !been.has(local.asMs);
      for (let skippedMs = beforeMs + MINUTE_MS; skippedMs < local.asMs; skippedMs += MINUTE_MS) {
        const skipped = new Date(skippedMs);
        fires ||= matches({
          minute: skipped.getUTCMinutes(),
          hour: skipped.getUTCHours(),
          weekday: skipped.getUTCDay(),
        });
      }
      if (fires) found.push(atMs);
      been.add(local.asMs);
    }
    beforeMs = local.asMs;
  }
  return found;
}

const ZONES = [
  'Europe/Berlin',
  'America/New_York',
  'Australia/Lord_Howe',
  'America/Santiago',
  'Africa/Casablanca',
  'UTC',
];
const listOf = (max: number, most: number) =>
  uniqueArray(integer({ min: 0, max }), { minLength: 1, maxLength: most }).map((list) =>
    list.toSorted((a, b) => a - b),
  );

test('ticks are those that an observer of the wall clock counts, through every change of it', () => {
  /** Changes of the clocks in these zones, and quiet days. */
  const days = [
    '2026-03-08',
    '2026-03-22',
    '2026-03-29',
    '2026-04-05',
    '2026-09-06',
    '2026-10-04',
    '2026-10-25',
    '2026-11-01',
    '2026-06-15',
  ];
  const walls = new Map(ZONES.map((zone) => [zone, new Wall(zone)]));
  const cases = record({
    zone: constantFrom(...ZONES),
    day: constantFrom(...days),
    minutes: listOf(59, 4),
    // With hours it is a job of fixed times, without one of an interval.
    hours: option(uniqueArray(constantFrom(0, 1, 2, 3, 4, 12, 23), { minLength: 1, maxLength: 4 }), {
      nil: undefined,
    }),
    weekdays: option(listOf(6, 5), { nil: undefined }),
  });
  assert(
    property(cases, ({ zone, day, ...pattern }) => {
      const fromMs = Date.parse(`${day}T00:00Z`) - 24 * 3_600_000;
      const untilMs = fromMs + 3 * 24 * 3_600_000;
      const { minutes, hours, weekdays } = pattern;
      const text = `${minutes.join(',')} ${hours?.join(',') ?? '*'} * * ${weekdays?.join(',') ?? '*'}`;
      const schedule = new Schedule([text], zone);
      const found: number[] = [];
      for (let atMs = schedule.next(fromMs); atMs <= untilMs; atMs = schedule.next(atMs)) found.push(atMs);
      const shown = (times: readonly number[]): string[] => times.map((atMs) => new Date(atMs).toISOString());
      expect(shown(found), `${text} in ${zone}`).toEqual(shown(seen(pattern, walls.get(zone)!, fromMs, untilMs)));
    }),
    { numRuns: 100 },
  );
}, 120_000);

describe('jitter', () => {
  const schedule = new Schedule(['* * * * *'], 'UTC');
  const fromMs = Date.UTC(2026, 0, 1);

  test('delays each tick by the same on every host, and no two triggers alike', () => {
    const other = new Schedule(['* * * * *'], 'UTC');
    const dues = Array.from({ length: 200 }, (_, index) => schedule.dueMs(fromMs + index * MINUTE_MS, 30_000, 'a'));
    expect(dues).toEqual(dues.map((_, index) => other.dueMs(fromMs + index * MINUTE_MS, 30_000, 'a')));
    const delays = dues.map((dueMs, index) => dueMs - fromMs - index * MINUTE_MS);
    expect(Math.min(...delays)).toBeGreaterThanOrEqual(0);
    expect(Math.max(...delays)).toBeLessThan(30_000);
    expect(new Set(delays).size).toBeGreaterThan(150);
    expect(schedule.dueMs(fromMs, 30_000, 'a')).not.toBe(schedule.dueMs(fromMs, 30_000, 'b'));
  });

  test('never moves a tick past the next', () => {
    for (let tickMs = fromMs; tickMs < fromMs + 100 * MINUTE_MS; tickMs += MINUTE_MS)
      expect(schedule.dueMs(tickMs, 24 * 3_600_000, 'a')).toBeLessThan(tickMs + MINUTE_MS);
  });
});

test.each([
  [{ schedule: '0 9 * *' }, 'five or six fields'],
  [{ schedule: '' }, 'five or six fields'],
  [{ schedule: '0 0 9 * * * 2026' }, 'five or six fields'],
  [{ schedule: '2026-03-04T00:00:00' }, 'five or six fields'],
  [{ schedule: [] }, 'one to 100'],
  [{ schedule: ['0 9 * * *', 7 as unknown as string] }, 'five or six fields'],
  [{ schedule: 7 as unknown as string }, 'cron pattern'],
  [{ schedule: '60 9 * * *' }, 'is none'],
  [{ schedule: '0 9 * * MOO' }, 'is none'],
  [{ schedule: '@reboot' }, 'is none'],
  [{ schedule: '? 9 * * *' }, '"*" is to be written'],
  [{ schedule: '0 0 30 2 *' }, 'never fires'],
  [{ schedule: ['0 0 * * *', '0 0 31 4 *'] }, 'never fires'],
  [{ schedule: '0 9 * * *', timeZone: 'Europe/Atlantis' }, 'IANA'],
  [{ schedule: '0 9 * * *', overlap: 'queue' as 'skip' }, 'overlap is one of'],
  [{ schedule: '0 9 * * *', catchUpMs: 0 }, 'catchUpMs'],
  [{ schedule: '0 9 * * *', catchUpMs: Infinity }, 'catchUpMs'],
  [{ schedule: '0 9 * * *', jitterMs: -1 }, 'jitterMs'],
] as const)('%j is refused', (options, hint) => {
  expect(() => cron(options)).toThrow(TypeError);
  expect(() => cron(options)).toThrow(hint);
});
