// W9: the load of W1 three times without a restart, then a purge of everything: what is slower, and what is left.

import { closedLoop } from './closed-loop.ts';
import { medianLine, type Line, type Settings } from './line.ts';
import { Meter } from './meter.ts';
import { leftAfterDeletion, purgeAll } from './purge.ts';
import { runSequence, startService } from './service.ts';

const STEPS = 5;
const IN_FLIGHT = 64;
const REPEATS = 3;

/** The rate of the third stretch by that of the first, in one process on one folder. */
export async function* w9(settings: Settings): AsyncGenerator<Line> {
  const runs = [];
  for (let run = 0; run < settings.runs; run++) runs.push(await oneRun(settings));
  yield medianLine('W9', runs, 'thirdToFirst');
}

async function oneRun({ durationMs, profile }: Settings) {
  const service = await startService();
  const round = (done: () => void): void => void runSequence(service, STEPS).then(done);
  await closedLoop(IN_FLIGHT, durationMs / 2, round);
  const meter = new Meter(service.counts, profile);
  const rates: number[] = [];
  let workflows = 0;
  for (let repeat = 0; repeat < REPEATS; repeat++) {
    const { rounds, totalMs } = await meter.measure(() => closedLoop(IN_FLIGHT, durationMs, round));
    rates.push((rounds / totalMs) * 1_000);
    workflows += rounds;
  }
  const purgeMeter = new Meter(service.counts, undefined);
  const purged = await purgeMeter.measure(() => purgeAll(service.host.workflows));
  const { activations, wakeUps, recovering } = service.host.actors.status();
  const left = await leftAfterDeletion(service);
  await service.remove();
  return {
    inFlight: IN_FLIGHT,
    firstWorkflowsPerSecond: rates[0]!,
    thirdWorkflowsPerSecond: rates[2]!,
    thirdToFirst: rates[2]! / rates[0]!,
    ...meter.figures(workflows * STEPS),
    purged,
    purgesPerSecond: (purged / purgeMeter.totalMs) * 1_000,
    rowsLeft: Object.values(left.rows).reduce((sum, count) => sum + count, 0),
    ownRows: left.ownKeys.length,
    filesLeft: left.files,
    bytesLeft: left.bytes,
    compactedBytesLeft: left.compactedBytes,
    activationsLeft: Object.values(activations).reduce((sum, count) => sum + count, 0),
    wakeUpsLeft: wakeUps,
    recoveringLeft: recovering,
  };
}
