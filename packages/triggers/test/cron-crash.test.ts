// Random schedules, jobs and crashes: whatever the store was doing when the process died, the ticks that have started
// something are those of a course of events that can be told without any of the machinery.

import { assert, asyncProperty, constantFrom, integer, record, uniqueArray } from 'fast-check';
import { expect, test } from 'vitest';
import type { StoreFault } from '@troupe/actors';
import { OVERLAPS } from '../src/cron/progress.ts';
import { startedTicks, type Course, type Outage } from './cron-oracle.ts';
import { CronStage, MIDNIGHT_MS, MINUTE_MS, RISE_MS } from './cron-stage.ts';

const LENGTH_MS = 12 * MINUTE_MS;
const DEAD: StoreFault = { silent: true, fail: 'before-write' };

/** A crash at a store operation, counted from the start of the process. */
interface Crash {
  readonly operation: number;
  readonly took: boolean;
  readonly downMs: number;
}

const scenarios = record({
  overlap: constantFrom(...OVERLAPS),
  /** Ticks come at these minutes. */
  minutes: uniqueArray(integer({ min: 1, max: 10 }), { minLength: 3, maxLength: 10 }),
  // Nothing ends in the moment in which something else begins.
  durationMs: constantFrom(7_013, 45_013, 85_013, 205_013),
  catchUpMs: constantFrom(60_007, 150_007, 24 * 60 * MINUTE_MS),
  crashes: uniqueArray(
    record({
      operation: integer({ min: 1, max: 60 }),
      took: constantFrom(true, false),
      downMs: integer({ min: RISE_MS + 1, max: 4 * MINUTE_MS }).map((ms) => ms + (ms % 1_000 === 0 ? 1 : 0)),
    }),
    { minLength: 1, maxLength: 2, selector: ({ operation }) => operation },
  ),
});

test('the ticks that were started are those that an oracle names, each once', async () => {
  let crashed = 0;
  await assert(
    asyncProperty(scenarios, async ({ minutes, overlap, catchUpMs, durationMs, crashes }) => {
      const schedule = `${minutes.toSorted((a, b) => a - b).join(',')} * * * *`;
      await using stage = await CronStage.begin({ schedule, overlap, catchUpMs }, durationMs);
      const outages: { fromMs: number; untilMs: number }[] = [];
      for (const crash of crashes) {
        const outage = await liveThrough(stage, crash);
        if (outage !== undefined) outages.push(outage);
      }
      crashed += outages.length;
      stage.faults = undefined;
      await stage.advance(Math.max(0, MIDNIGHT_MS + LENGTH_MS - stage.nowMs));
      const course: Omit<Course, 'outages'> = {
        ticks: minutes.toSorted((a, b) => a - b).map((minute) => MIDNIGHT_MS + minute * MINUTE_MS),
        overlap,
        catchUpMs,
        durationMs,
        untilMs: stage.nowMs,
      };
      const started = (await stage.started()).map((time) => Date.parse(`2030-01-01T${time}:00Z`));
      const possible = coursesOf(outages).map((ones) =>
        startedTicks({ ...course, outages: ones }).toSorted((a, b) => a - b),
      );
      expect(possible).toContainEqual(started);
    }),
    { numRuns: 120 },
  );
  // It would be worth little otherwise.
  expect(crashed).toBeGreaterThan(60);
}, 240_000);

/** Runs until the crash has come, and through the outage; undefined when it does not come in time. */
async function liveThrough(
  stage: CronStage,
  { operation, took, downMs }: Crash,
): Promise<{ fromMs: number; untilMs: number } | undefined> {
  let operations = 0;
  const died: { atMs?: number } = {};
  stage.faults = (kind) => {
    if (died.atMs !== undefined) return DEAD;
    if (kind === 'due' || kind === 'list' || kind === 'count' || ++operations < operation) return undefined;
    died.atMs = stage.nowMs;
    return took ? { silent: true } : DEAD;
  };
  while (died.atMs === undefined && stage.nowMs < MIDNIGHT_MS + LENGTH_MS - 4 * MINUTE_MS) await stage.advance(5_000);
  const { atMs: fromMs } = died;
  if (fromMs === undefined) return undefined;
  await stage.outage(Math.max(RISE_MS, fromMs + downMs - stage.nowMs));
  return { fromMs, untilMs: stage.nowMs };
}

/** What may have happened in the moment of each crash: something of it, or all; and its job had begun, or not. */
function coursesOf(outages: readonly { fromMs: number; untilMs: number }[]): Outage[][] {
  const [first, ...rest] = outages;
  if (first === undefined) return [[]];
  const firsts: Outage[] = [];
  for (let steps = 0; steps < 8; steps++)
    firsts.push({ ...first, steps }, { ...first, steps, beginsAgainMs: first.untilMs - RISE_MS });
  return coursesOf(rest).flatMap((others) => firsts.map((one) => [one, ...others]));
}
