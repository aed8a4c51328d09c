// The workloads of docs/performance.md, each measured beside its floor. W1 to W5 so far.

import { closedLoop, floorBurstMs, floorRecords, floorSequenceMs } from './floor.ts';
import { fanOut, parked, sequence, startService, type Service } from './service.ts';
import { medianRun, percentile } from './statistics.ts';

/** One line of the report: what every workload tells, and what is special to it. */
export interface Line {
  readonly workload: string;
  readonly inFlight: number;
  readonly workflowsPerSecond: number;
  readonly stepsPerSecond: number;
  /** Of one workflow from its start until its result is in hand. */
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly msPerStep: number;
  readonly totalMs: number;
  readonly cpuMsPerStep: number;
  readonly commitsPerStep: number;
  readonly syncsPerStep: number;
  readonly ratioToFloor: number;
  readonly [figure: string]: string | number;
}

export interface Settings {
  readonly runs: number;
  readonly durationMs: number;
}

export type Workload = (settings: Settings) => AsyncGenerator<Line>;

const STEPS = 5;
/** Before anything is measured the code is run for that long: it is compiled while it runs. */
const WARM_UP_MS = 1_000;

async function* w1(settings: Settings): AsyncGenerator<Line> {
  for (const inFlight of [64, 256]) {
    const runs: Line[] = [];
    for (let run = 0; run < settings.runs; run++) runs.push(await closedLoopRun('W1', inFlight, STEPS, settings));
    yield medianRun(runs, (line) => line.ratioToFloor);
  }
}

async function* w2(settings: Settings): AsyncGenerator<Line> {
  const runs: Line[] = [];
  for (let run = 0; run < settings.runs; run++) {
    const line = await closedLoopRun('W2', 1, 1, { ...settings, durationMs: settings.durationMs / 2 });
    runs.push(line);
  }
  yield medianRun(runs, (line) => line.ratioToFloor);
}

/** So many workflows in flight at all times, beside so many writers that each wait for one record after the other. */
async function closedLoopRun(
  workload: string,
  inFlight: number,
  stepsEach: number,
  { durationMs }: Settings,
): Promise<Line> {
  const service = await startService();
  const round = (done: () => void): void => void runOnce(service, stepsEach).then(done);
  await closedLoop(inFlight, durationMs / 5, round);
  const meter = new Meter(service);
  const { rounds, latenciesMs } = await closedLoop(inFlight, durationMs, round);
  const taken = meter.stop(rounds, rounds * stepsEach);
  const floor = await floorRecords(service.folder, inFlight, durationMs);
  await service.stop();
  const p50Ms = percentile(latenciesMs, 0.5);
  // Alone it is the wait that counts: for the records of the start and of each step, and one for the answer.
  const floorP50Ms = floor.p50Ms * (stepsEach + 2);
  // A workflow of n steps has to write n + 1 records.
  const floorStepsPerSecond = (floor.perSecond * stepsEach) / (stepsEach + 1);
  return {
    workload,
    inFlight,
    ...taken,
    p50Ms,
    p99Ms: percentile(latenciesMs, 0.99),
    floorStepsPerSecond,
    floorP50Ms,
    ratioToFloor: inFlight === 1 ? p50Ms / floorP50Ms : taken.stepsPerSecond / floorStepsPerSecond,
  };
}

async function runOnce(service: Service, steps: number): Promise<void> {
  const instance = await service.host.workflows.start(sequence, { input: steps });
  await instance.result();
}

async function* w3(settings: Settings): AsyncGenerator<Line> {
  for (const steps of [100, 1_000, 10_000]) {
    const line = await singleShots('W3', settings.runs, 1, steps, {
      workflow: (service) => runOnce(service, steps),
      // One record for each step and one for the start.
      floor: (folder) => floorSequenceMs(folder, steps + 1),
    });
    yield { ...line, steps, floorMsPerStep: line.floorTotalMs / (steps + 1) };
  }
}

async function* w4(settings: Settings): AsyncGenerator<Line> {
  for (const width of [1_000, 10_000]) {
    const line = await singleShots('W4', settings.runs, 1, width, {
      workflow: async (service) => {
        const instance = await service.host.workflows.start(fanOut, { input: width });
        await instance.result();
      },
      floor: (folder) => floorBurstMs(folder, width),
    });
    yield { ...line, width };
  }
}

async function* w5(settings: Settings): AsyncGenerator<Line> {
  const instances = 1_000;
  const senders = 64;
  const id = (run: number, index: number): string => `parked-${run}-${index}`;
  const line = await singleShots('W5', settings.runs, instances, instances, {
    prepare: async ({ host }, run) => {
      const indexes = Array.from({ length: instances }, (_, index) => index);
      await Promise.all(indexes.map((index) => host.workflows.start(parked, { instanceId: id(run, index) })));
    },
    workflow: async ({ host }, run) => {
      const results = Array.from({ length: instances }, (_, index) => host.workflows.result(id(run, index)));
      let next = 0;
      const send = async (): Promise<void> => {
        while (next < instances) await host.workflows.raiseEvent(id(run, next++), 'go', 1);
      };
      await Promise.all(Array.from({ length: senders }, send));
      await Promise.all(results);
    },
    // Each event is one record, and so many senders wait for theirs.
    floor: async (folder) => (instances / (await floorRecords(folder, senders, 500)).perSecond) * 1_000,
  });
  yield { ...line, inFlight: senders, instances };
}

interface SingleShot {
  readonly prepare?: (service: Service, run: number) => Promise<void>;
  readonly workflow: (service: Service, run: number) => Promise<void>;
  readonly floor: (folder: string) => Promise<number>;
}

/** Does something several times, warmed up, each time beside its floor; the median by the ratio of the two. */
async function singleShots(
  workload: string,
  runs: number,
  workflows: number,
  steps: number,
  shot: SingleShot,
): Promise<Line & { readonly floorTotalMs: number }> {
  const service = await startService();
  const warmUntil = performance.now() + WARM_UP_MS;
  for (let run = -1; run === -1 || performance.now() < warmUntil; run--) {
    await shot.prepare?.(service, run);
    await shot.workflow(service, run);
  }
  const taken = [];
  for (let run = 0; run < runs; run++) {
    await shot.prepare?.(service, run);
    const meter = new Meter(service);
    await shot.workflow(service, run);
    const figures = meter.stop(workflows, steps);
    const floorTotalMs = await shot.floor(service.folder);
    taken.push({ ...figures, floorTotalMs, ratioToFloor: figures.totalMs / floorTotalMs });
  }
  await service.stop();
  const totals = taken.map(({ totalMs }) => totalMs);
  return {
    workload,
    inFlight: 1,
    ...medianRun(taken, (run) => run.ratioToFloor),
    p50Ms: percentile(totals, 0.5),
    p99Ms: percentile(totals, 0.99),
  };
}

/** What a stretch of work takes: time, CPU time of the whole process, commits and the writes they were put into. */
class Meter {
  readonly #service: Service;
  readonly #counts: Service['counts'];
  readonly #cpu = process.cpuUsage();
  readonly #startedAt = performance.now();

  constructor(service: Service) {
    this.#service = service;
    this.#counts = { ...service.counts };
  }

  stop(workflows: number, steps: number) {
    const totalMs = performance.now() - this.#startedAt;
    const cpu = process.cpuUsage(this.#cpu);
    const { commits, syncs } = this.#service.counts;
    return {
      workflowsPerSecond: (workflows / totalMs) * 1_000,
      stepsPerSecond: (steps / totalMs) * 1_000,
      msPerStep: totalMs / steps,
      totalMs,
      cpuMsPerStep: (cpu.user + cpu.system) / 1_000 / steps,
      commitsPerStep: (commits - this.#counts.commits) / steps,
      syncsPerStep: (syncs - this.#counts.syncs) / steps,
    };
  }
}

export const WORKLOADS: Readonly<Record<string, Workload>> = { W1: w1, W2: w2, W3: w3, W4: w4, W5: w5 };
