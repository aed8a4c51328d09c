// W10: hosts on NATS, each in a process of its own, beside the floor of one conditional publish per record.

import { fork, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { NatsServers } from '../packages/nats/test/integration/nats-servers.ts';
import type { Line, Settings } from './line.ts';
import { medianLine } from './line.ts';
import type { HostFigures, HostMessage, HostSetup, HostTask } from './nats-host.ts';
import { profileTable } from './report.ts';
import { percentile } from './statistics.ts';

const STEPS = 5;
const SLICES = 3;
const HOST_COUNTS = [1, 2, 3];
const START_TIMEOUT_MS = 120_000;

class BenchHost {
  readonly #child: ChildProcess;
  readonly #waiting = new Map<number, { resolve: (figures: HostFigures) => void; reject: (error: Error) => void }>();
  #ids = 0;

  private constructor(child: ChildProcess) {
    this.#child = child;
    child.on('message', (message: HostMessage) => {
      if ('failed' in message) this.#failAll(new Error(message.failed));
      else if ('id' in message) {
        this.#waiting.get(message.id)?.resolve(message.figures);
        this.#waiting.delete(message.id);
      }
    });
    child.on('exit', (code, signal) => this.#failAll(new Error(`a host ended: ${signal ?? code}`)));
  }

  static async start(setup: HostSetup): Promise<BenchHost> {
    const child = fork(new URL('nats-host.mjs', import.meta.url), { stdio: ['ignore', 'ignore', 'inherit', 'ipc'] });
    child.send(setup);
    const signal = AbortSignal.timeout(START_TIMEOUT_MS);
    const [first] = (await once(child, 'message', { signal })) as [HostMessage];
    if (!('ready' in first)) throw new Error(JSON.stringify(first));
    return new BenchHost(child);
  }

  run(task: HostTask): Promise<HostFigures> {
    const id = ++this.#ids;
    const figures = new Promise<HostFigures>((resolve, reject) => this.#waiting.set(id, { resolve, reject }));
    this.#child.send({ id, task });
    return figures;
  }

  async kill(): Promise<void> {
    const ended = once(this.#child, 'exit');
    this.#child.kill('SIGKILL');
    await ended;
  }

  #failAll(error: Error): void {
    for (const { reject } of this.#waiting.values()) reject(error);
    this.#waiting.clear();
  }
}

/** Servers and hosts, and what they take of the machine. */
class Bench {
  readonly hosts: BenchHost[] = [];
  readonly #servers: NatsServers;
  readonly #setup: HostSetup;

  private constructor(servers: NatsServers, setup: HostSetup) {
    this.#servers = servers;
    this.#setup = setup;
  }

  static async start(program: string, replicas: 1 | 3, profile: boolean): Promise<Bench> {
    const servers = await NatsServers.start(replicas, { program });
    if (replicas > 1) await servers.waitForLeader();
    return new Bench(servers, { servers: servers.urls, replicas, profile });
  }

  async grow(count: number): Promise<void> {
    while (this.hosts.length < count) this.hosts.push(await BenchHost.start(this.#setup));
  }

  /** What all hosts do at once, as if they were one. */
  async all(task: HostTask) {
    const servers = this.#serverCpuMs();
    const figures = await Promise.all(this.hosts.map((host) => host.run(task)));
    const sum = (of: (one: HostFigures) => number): number => figures.reduce((total, one) => total + of(one), 0);
    return {
      perSecond: sum(({ rounds, totalMs }) => (rounds / totalMs) * 1_000),
      rounds: sum(({ rounds }) => rounds),
      totalMs: Math.max(...figures.map(({ totalMs }) => totalMs)),
      hostCpuMs: sum(({ cpuMs }) => cpuMs),
      serverCpuMs: this.#serverCpuMs() - servers,
      p50Ms: percentile(
        figures.map(({ p50Ms }) => p50Ms),
        0.5,
      ),
      p99Ms: Math.max(...figures.map(({ p99Ms }) => p99Ms)),
      profile: figures[0]!.profile,
    };
  }

  #serverCpuMs(): number {
    let ticks = 0;
    for (const { pid } of this.#servers.servers) {
      const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ').at(-1)!.split(' ');
      ticks += Number(fields[11]) + Number(fields[12]);
    }
    // A tick is a hundredth of a second on every Linux (proc(5), sysconf(_SC_CLK_TCK)).
    return ticks * 10;
  }

  async stop(): Promise<void> {
    for (const host of this.hosts) await host.kill();
    await this.#servers.end();
  }
}

/** One to three hosts, one and three replicas. */
export async function* w10(settings: Settings): AsyncGenerator<Line> {
  // The script that bundles this has looked for one, and has said so if there is none.
  const program = process.env['NATS_SERVER'];
  if (program === undefined) return;
  for (const replicas of [1, 3] as const) {
    const bench = await Bench.start(program, replicas, settings.profile !== undefined);
    try {
      for (const hosts of HOST_COUNTS) {
        await bench.grow(hosts);
        for (const inFlight of [64, 256]) yield await sequences(bench, replicas, inFlight, settings);
        if (hosts === 1) yield* alone(bench, replicas, settings);
        yield await single(bench, replicas, 'fan-out of 1,000', 1_000, { kind: 'fanOut', width: 1_000 }, settings);
        if (hosts === 2) yield await calls(bench, replicas, settings);
      }
    } finally {
      await bench.stop();
    }
  }
}

/** Where the records of W10 and W11 are. */
export const ON_NATS = { store: 'nats', durability: 'JetStream, synced every two minutes' };

function lineOf(runs: readonly Readonly<Record<string, string | number>>[], figure: string): Line {
  return { ...medianLine('W10', runs, figure), ...ON_NATS };
}

/** W1 on all hosts at once: `inFlight` workflows on each. */
async function sequences(bench: Bench, replicas: number, inFlight: number, settings: Settings): Promise<Line> {
  const durationMs = settings.durationMs / SLICES;
  await bench.all({ kind: 'sequences', steps: STEPS, inFlight, durationMs });
  const runs = [];
  for (let run = 0; run < settings.runs * SLICES; run++) {
    const floor = await bench.all({ kind: 'publishes', inFlight, durationMs });
    const work = await bench.all({ kind: 'sequences', steps: STEPS, inFlight, durationMs });
    if (work.profile.length > 0) console.error(profileTable(`W1 on one of ${bench.hosts.length}`, work.profile));
    const steps = work.rounds * STEPS;
    // A workflow of n steps has to write n + 1 records.
    const floorStepsPerSecond = (floor.perSecond * STEPS) / (STEPS + 1);
    const stepsPerSecond = work.perSecond * STEPS;
    runs.push({
      what: 'W1',
      hosts: bench.hosts.length,
      replicas,
      inFlight,
      stepsPerSecond,
      p50Ms: work.p50Ms,
      p99Ms: work.p99Ms,
      hostCpuUsPerStep: (work.hostCpuMs / steps) * 1_000,
      serverCpuUsPerStep: (work.serverCpuMs / steps) * 1_000,
      floorStepsPerSecond,
      ratioToFloor: stepsPerSecond / floorStepsPerSecond,
    });
  }
  return lineOf(runs, 'ratioToFloor');
}

/** What is done once, by one host, beside so many publishes one after another. */
async function single(
  bench: Bench,
  replicas: number,
  what: string,
  steps: number,
  task: HostTask,
  { runs: count }: Settings,
): Promise<Line> {
  const [host] = bench.hosts;
  await host!.run(task);
  const runs = [];
  for (let run = 0; run < count; run++) {
    const { p50Ms: publishP50Ms } = await host!.run({ kind: 'publishes', inFlight: 1, durationMs: 200 });
    const { totalMs } = await host!.run(task);
    runs.push({
      what,
      hosts: bench.hosts.length,
      replicas,
      totalMs,
      msPerStep: totalMs / steps,
      publishP50Ms,
      ratioToFloor: totalMs / steps / publishP50Ms,
    });
  }
  return lineOf(runs, 'ratioToFloor');
}

async function* alone(bench: Bench, replicas: number, settings: Settings): AsyncGenerator<Line> {
  const long = 1_000 * settings.scale;
  const parked: HostTask = { kind: 'parked', instances: 1_000, senders: 64 };
  yield await oneByOne(bench, replicas, settings);
  yield await single(bench, replicas, 'W3', long, { kind: 'sequence', steps: long }, settings);
  yield await single(bench, replicas, 'W5', 1_000, parked, settings);
}

/** W2: workflows of one step, one after another. */
async function oneByOne(bench: Bench, replicas: number, { durationMs, runs: count }: Settings): Promise<Line> {
  const [host] = bench.hosts;
  const loop = { inFlight: 1, durationMs: durationMs / SLICES };
  await host!.run({ kind: 'sequences', steps: 1, ...loop });
  const runs = [];
  for (let run = 0; run < count; run++) {
    const publishes = await host!.run({ kind: 'publishes', ...loop });
    const { p50Ms, p99Ms } = await host!.run({ kind: 'sequences', steps: 1, ...loop });
    const ratioToFloor = p50Ms / publishes.p50Ms;
    runs.push({ what: 'W2', hosts: 1, replicas, p50Ms, p99Ms, publishP50Ms: publishes.p50Ms, ratioToFloor });
  }
  return lineOf(runs, 'ratioToFloor');
}

/** W6 across processes. */
async function calls(bench: Bench, replicas: number, { durationMs, runs: count }: Settings): Promise<Line> {
  const [host] = bench.hosts;
  const inFlight = 512;
  const runs = [];
  await host!.run({ kind: 'calls', inFlight, durationMs: durationMs / SLICES });
  for (let run = 0; run < count; run++) {
    const { rounds, totalMs, p50Ms, p99Ms } = await host!.run({
      kind: 'calls',
      inFlight,
      durationMs: durationMs / SLICES,
    });
    runs.push({
      what: 'W6 across processes',
      hosts: bench.hosts.length,
      replicas,
      inFlight,
      callsPerSecond: (rounds / totalMs) * 1_000,
      p50Ms,
      p99Ms,
    });
  }
  return lineOf(runs, 'callsPerSecond');
}
