// W13: W1 whose code runs on a worker in a process of its own, over gRPC, beside W1 in this process.

import { fork, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { serveGrpc } from '@troupe/gateway/grpc';
import { closedLoop, RoundsTogether } from './closed-loop.ts';
import { FloorFile } from './floor.ts';
import { medianLine, type Line, type Settings } from './line.ts';
import { Meter } from './meter.ts';
import { runSequence, startService, type Service } from './service.ts';
import { percentile } from './statistics.ts';
import type { WorkerFigures, WorkerKind } from './worker-process.ts';

const STEPS = 5;
const SLICES = 5;
const SETTLE_MS = 100;
const CONNECT_POLL_MS = 20;

/** Workflows of five steps on a worker: the published SDK, and one that does no more than it must. */
export async function* w13(settings: Settings): AsyncGenerator<Line> {
  for (const kind of ['sdk', 'bare'] as const) {
    for (const inFlight of [1, 64, 256]) {
      const runs = [];
      for (let run = 0; run < settings.runs; run++) runs.push(await oneRun(kind, inFlight, settings));
      yield { ...medianLine('W13', runs, 'ratioToLocal'), worker: kind };
    }
  }
}

/** The same number of workflows in flight there, here, and as many writers that do nothing but persist. */
async function oneRun(kind: WorkerKind, inFlight: number, { durationMs, profile }: Settings) {
  const service = await startService();
  const server = await serveGrpc(service.host, { port: 0 });
  const worker = await WorkerProcess.start(service, server.port, kind);
  const remoteRound = (done: () => void): void => void runRemote(service).then(done);
  const localRound = (done: () => void): void => void runSequence(service, STEPS).then(done);
  const file = new FloorFile(service.folder);
  await closedLoop(inFlight, durationMs / 5, remoteRound);
  await closedLoop(inFlight, durationMs / 10, localRound);
  const meter = new Meter(service.counts, profile);
  const remote = new RoundsTogether();
  const local = new RoundsTogether();
  const floor = new RoundsTogether();
  let workerCpuMs = 0;
  for (let slice = 0; slice < SLICES; slice++) {
    await worker.cpuMs();
    remote.add(await meter.measure(() => closedLoop(inFlight, durationMs / SLICES, remoteRound)));
    workerCpuMs += await worker.cpuMs();
    await sleep(SETTLE_MS);
    local.add(await closedLoop(inFlight, durationMs / SLICES, localRound));
    floor.add(await file.writers(inFlight, durationMs / SLICES));
    await sleep(SETTLE_MS);
  }
  file.close();
  await worker.stop();
  await server.stop();
  await service.stop();
  const steps = remote.rounds * STEPS;
  const figures = meter.figures(steps);
  const localStepsPerSecond = local.perSecond * STEPS;
  return {
    inFlight,
    ...figures,
    workerCpuMsPerStep: workerCpuMs / steps,
    p50Ms: percentile(remote.latenciesMs, 0.5),
    p99Ms: percentile(remote.latenciesMs, 0.99),
    localStepsPerSecond,
    localP50Ms: percentile(local.latenciesMs, 0.5),
    floorStepsPerSecond: (floor.perSecond * STEPS) / (STEPS + 1),
    ratioToLocal: figures.stepsPerSecond / localStepsPerSecond,
  };
}

async function runRemote({ host }: Service): Promise<void> {
  const instance = await host.workflows.start('remoteSequence', { input: STEPS });
  await instance.result();
}

/** The process that the code runs in. */
class WorkerProcess {
  readonly #child: ChildProcess;
  readonly #ended: Promise<void>;

  private constructor(port: number, kind: WorkerKind) {
    // What the SDK logs of each item is not what is measured.
    this.#child = fork(new URL('./worker-process.mjs', import.meta.url), [`127.0.0.1:${port}`, kind], {
      stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
    });
    this.#ended = once(this.#child, 'exit').then(() => undefined);
  }

  static async start({ host }: Service, port: number, kind: WorkerKind): Promise<WorkerProcess> {
    const worker = new WorkerProcess(port, kind);
    while (host.workers.connected === 0) {
      if (worker.#child.exitCode !== null) throw new Error('the worker has ended before it was connected');
      await sleep(CONNECT_POLL_MS);
    }
    return worker;
  }

  /** Used since it was asked the last time. */
  async cpuMs(): Promise<number> {
    const answered = once(this.#child, 'message') as Promise<[WorkerFigures]>;
    this.#child.send('cpu');
    const answer = await Promise.race([answered, this.#ended]);
    if (answer === undefined) throw new Error('the worker has ended');
    return answer[0].cpuMs;
  }

  async stop(): Promise<void> {
    this.#child.disconnect();
    await this.#ended;
  }
}
