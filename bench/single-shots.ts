import { medianLine, type Line, type Settings } from './line.ts';
import { Meter } from './meter.ts';
import { startService, type Service } from './service.ts';
import { percentile } from './statistics.ts';

/** Before anything is measured the code is run for that long: it is compiled while it runs. */
const WARM_UP_MS = 1_000;

/** Something that is done once, how often it is repeated inside, and its floor. */
export interface SingleShot {
  readonly workflows: number;
  readonly steps: number;
  /** Not measured. */
  readonly prepare?: (service: Service, run: number) => Promise<void>;
  readonly work: (service: Service, run: number) => Promise<unknown>;
  /** How long it takes a program that only persists. */
  readonly floorMs: (folder: string) => Promise<number>;
}

/** Does something several times, warmed up, each time beside its floor; the median by the ratio of the two. */
export async function singleShots(
  workload: string,
  { runs, durationMs, profile }: Settings,
  shot: SingleShot,
): Promise<Line & { readonly floorTotalMs: number }> {
  const service = await startService();
  const warmUntil = performance.now() + Math.min(WARM_UP_MS, durationMs);
  for (let run = -1; run === -1 || performance.now() < warmUntil; run--) {
    await shot.prepare?.(service, run);
    await shot.work(service, run);
  }
  const taken = [];
  for (let run = 0; run < runs; run++) {
    await shot.prepare?.(service, run);
    const meter = new Meter(service.counts, profile);
    await meter.measure(() => shot.work(service, run));
    const floorTotalMs = await shot.floorMs(service.folder);
    taken.push({
      inFlight: 1,
      workflowsPerSecond: (shot.workflows / meter.totalMs) * 1_000,
      ...meter.figures(shot.steps),
      floorTotalMs,
      ratioToFloor: meter.totalMs / floorTotalMs,
    });
  }
  await service.stop();
  const totals = taken.map(({ totalMs }) => totalMs);
  return {
    ...medianLine(workload, taken, 'ratioToFloor'),
    p50Ms: percentile(totals, 0.5),
    p99Ms: percentile(totals, 0.99),
  } as unknown as Line & { readonly floorTotalMs: number };
}
