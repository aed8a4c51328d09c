// W8: many timers that are due within one minute. A step is a timer.

import { setTimeout as sleep } from 'node:timers/promises';
import { forEachIndex } from './closed-loop.ts';
import type { Line, Settings } from './line.ts';
import { Meter } from './meter.ts';
import { alarm, startService } from './service.ts';
import { percentile } from './statistics.ts';

const TIMERS = 100_000;
const MINUTE_MS = 60_000;
const STARTERS = 512;
/** Timers that are set to learn how long it takes to set all of them. */
const PROBES = 1_000;
/** The floor is taken for this part of the minute, as dense. */
const FLOOR_PART = 0.1;

/** One run, which takes more than a minute: the percentiles are those of all timers. */
export async function* w8({ scale, profile }: Settings): AsyncGenerator<Line> {
  const timers = Math.ceil(TIMERS * scale);
  const spanMs = MINUTE_MS * scale;
  const service = await startService();
  const { workflows } = service.host;
  const id = (index: number): string => `alarm-${index}`;

  const probedAt = performance.now();
  await forEachIndex(PROBES, STARTERS, async (index) => {
    const probe = await workflows.start(alarm, { instanceId: `probe-${index}`, input: Date.now() });
    await probe.result();
  });
  const msPerStart = (performance.now() - probedAt) / PROBES;
  // All are set before the first is due.
  const firstAtMs = Date.now() + 1_000 + 2 * msPerStart * timers;
  const dueAtMs = (index: number): number => Math.floor(firstAtMs + (index / timers) * spanMs);
  await forEachIndex(timers, STARTERS, (index) =>
    workflows.start(alarm, { instanceId: id(index), input: dueAtMs(index) }),
  );
  const ended = Array.from({ length: timers }, (_, index) => workflows.result(id(index)));
  await sleep(1);
  const leftMs = firstAtMs - Date.now();
  if (leftMs < 0)
    throw new Error(
      `setting ${timers} timers, and waiting for them, took ${-leftMs} ms longer than there was time for`,
    );

  await sleep(leftMs);
  const meter = new Meter(service.counts, profile);
  const latenessMs = await meter.measure(() => Promise.all(ended));
  await service.stop();

  const floorMs = await bareTimers(Math.ceil(timers * FLOOR_PART), spanMs * FLOOR_PART);
  const p99Ms = percentile(latenessMs as number[], 0.99);
  const floorP99Ms = percentile(floorMs, 0.99);
  yield {
    workload: 'W8',
    timers,
    spanMs,
    latenessP50Ms: percentile(latenessMs as number[], 0.5),
    latenessP99Ms: p99Ms,
    latenessMaxMs: percentile(latenessMs as number[], 1),
    ...meter.figures(timers),
    floorP99Ms,
    ratioToFloor: p99Ms / floorP99Ms,
    runs: 1,
  };
}

/** How late a `setTimeout` for each of them is, with nothing behind it. */
async function bareTimers(timers: number, spanMs: number): Promise<readonly number[]> {
  const firstAtMs = Date.now() + 1_000;
  return await Promise.all(
    Array.from({ length: timers }, async (_, index) => {
      const dueAtMs = Math.floor(firstAtMs + (index / timers) * spanMs);
      await sleep(dueAtMs - Date.now());
      return Date.now() - dueAtMs;
    }),
  );
}
