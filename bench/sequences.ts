// W1, W2: short workflows, many in flight or one alone.

import { setTimeout as sleep } from 'node:timers/promises';
import type { Commit } from '@troupe/actors';
import { closedLoop, RoundsTogether } from './closed-loop.ts';
import { FloorFile } from './floor.ts';
import { medianLine, type Line, type Settings } from './line.ts';
import { Meter } from './meter.ts';
import { runSequence, startService, type Service } from './service.ts';
import { percentile } from './statistics.ts';
import { StoreWriters } from './store-writers.ts';

const STEPS = 5;
/** A run is cut into so many slices, each with a slice of the floor behind it: what else the machine does meets both. */
const SLICES = 5;
const SETTLE_MS = 100;

/** Workflows of five steps, 64 and 256 in flight. */
export async function* w1(settings: Settings): AsyncGenerator<Line> {
  for (const inFlight of [64, 256]) yield await line('W1', inFlight, STEPS, settings, settings.durationMs);
}

/** One workflow of one step at a time. */
export async function* w2(settings: Settings): AsyncGenerator<Line> {
  yield await line('W2', 1, 1, settings, settings.durationMs / 2);
}

async function line(
  workload: string,
  inFlight: number,
  steps: number,
  settings: Settings,
  durationMs: number,
): Promise<Line> {
  const runs = [];
  for (let run = 0; run < settings.runs; run++) runs.push(await oneRun(inFlight, steps, settings, durationMs));
  return medianLine(workload, runs, 'ratioToFloor');
}

/** What one such workflow has the store write. */
async function commitsOf(service: Service, steps: number): Promise<Commit[]> {
  const commits: Commit[] = [];
  service.counts.onCommit = (commit) => commits.push(commit);
  await runSequence(service, steps);
  service.counts.onCommit = undefined;
  return commits;
}

/** So many workflows in flight at all times, beside so many writers that each wait for one record after the other. */
async function oneRun(inFlight: number, stepsEach: number, { profile }: Settings, durationMs: number) {
  const service = await startService();
  const round = (done: () => void): void => void runSequence(service, stepsEach).then(done);
  const file = new FloorFile(service.folder);
  const alone = await StoreWriters.start(service.folder, await commitsOf(service, stepsEach));
  await file.writers(inFlight, durationMs / 10);
  await alone.writers(inFlight, durationMs / 10);
  await closedLoop(inFlight, durationMs / 5, round);
  const meter = new Meter(service.counts, profile);
  const workflows = new RoundsTogether();
  const floor = new RoundsTogether();
  const store = new RoundsTogether();
  for (let slice = 0; slice < SLICES; slice++) {
    workflows.add(await meter.measure(() => closedLoop(inFlight, durationMs / SLICES, round)));
    // What the store has left to do must not slow the floor.
    await sleep(SETTLE_MS);
    floor.add(await file.writers(inFlight, durationMs / SLICES));
    store.add(await alone.writers(inFlight, durationMs / SLICES));
    await sleep(SETTLE_MS);
  }
  file.close();
  await alone.stop();
  await service.stop();
  const figures = meter.figures(workflows.rounds * stepsEach);
  const p50Ms = percentile(workflows.latenciesMs, 0.5);
  // Alone it is the wait that counts: for the records of the start and of each step, and one for the answer.
  const floorP50Ms = percentile(floor.latenciesMs, 0.5) * (stepsEach + 2);
  // A workflow of n steps has to write n + 1 records.
  const floorStepsPerSecond = (floor.perSecond * stepsEach) / (stepsEach + 1);
  const storeP50Ms = percentile(store.latenciesMs, 0.5);
  const storeStepsPerSecond = store.perSecond * stepsEach;
  return {
    inFlight,
    workflowsPerSecond: (workflows.rounds / meter.totalMs) * 1_000,
    ...figures,
    p50Ms,
    p99Ms: percentile(workflows.latenciesMs, 0.99),
    floorStepsPerSecond,
    floorP50Ms,
    storeStepsPerSecond,
    storeP50Ms,
    ratioToStore: inFlight === 1 ? p50Ms / storeP50Ms : figures.stepsPerSecond / storeStepsPerSecond,
    ratioToFloor: inFlight === 1 ? p50Ms / floorP50Ms : figures.stepsPerSecond / floorStepsPerSecond,
  };
}
