// W12: workflows over HTTP. The load comes from a process of its own, so that its CPU time is not counted.

import { fork, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { serveHttp } from '@troupe/gateway/http';
import type { HttpLoad, HttpLoadResult } from './http-load.ts';
import { medianLine, type Line, type Settings } from './line.ts';
import { Meter } from './meter.ts';
import { startService } from './service.ts';
import { percentile } from './statistics.ts';

const CONNECTIONS = 64;
const SLICES = 5;
/** Of a start, then a wait for the end. */
const REQUESTS_PER_WORKFLOW = 2;
const STEPS = 1;

/** A start and a long poll to the end, one after the other on each of the connections, which stay open. */
export async function* w12(settings: Settings): AsyncGenerator<Line> {
  const load = new LoadProcess();
  const runs = [];
  for (let run = 0; run < settings.runs; run++) runs.push(await oneRun(settings, load));
  await load.stop();
  yield medianLine('W12', runs, 'ratioToFloor');
}

async function oneRun({ durationMs, profile }: Settings, load: LoadProcess) {
  const service = await startService();
  const gateway = await serveHttp(service.host, { port: 0 });
  const bare = await bareServer();
  const workflows = (ms: number): Promise<HttpLoadResult> =>
    load.run({
      port: gateway.port,
      connections: CONNECTIONS,
      durationMs: ms,
      startPath: '/v1.0/workflows/sequence/start',
      body: String(STEPS),
      resultPath: '/v1.0/workflows/sequence/{id}?wait=20s',
    });
  const nothing = (ms: number): Promise<HttpLoadResult> =>
    load.run({
      port: bare.port,
      connections: CONNECTIONS,
      durationMs: ms,
      startPath: '/start',
      body: String(STEPS),
      resultPath: '/result?wait=20s',
    });

  const example = await workflows(durationMs / 5);
  // The floor answers as many bytes.
  bare.answers = example.examples;
  await nothing(durationMs / 5);
  const meter = new Meter(service.counts, profile);
  const floorMeter = new Meter(service.counts, undefined);
  const taken = [];
  const floor = [];
  for (let slice = 0; slice < SLICES; slice++) {
    taken.push(await meter.measure(() => workflows(durationMs / SLICES)));
    floor.push(await floorMeter.measure(() => nothing(durationMs / SLICES)));
  }
  await bare.stop();
  await gateway.stop();
  await service.stop();
  const latenciesMs = taken.flatMap((result) => result.latenciesMs);
  const requestsPerSecond = perSecond(taken);
  const floorRequestsPerSecond = perSecond(floor);
  return {
    connections: CONNECTIONS,
    requestsPerSecond,
    workflowsPerSecond: requestsPerSecond / REQUESTS_PER_WORKFLOW,
    p50Ms: percentile(latenciesMs, 0.5),
    p99Ms: percentile(latenciesMs, 0.99),
    ...meter.figures(latenciesMs.length * STEPS),
    floorRequestsPerSecond,
    floorP99Ms: percentile(
      floor.flatMap((result) => result.latenciesMs),
      0.99,
    ),
    ratioToFloor: requestsPerSecond / floorRequestsPerSecond,
  };
}

function perSecond(results: readonly HttpLoadResult[]): number {
  const workflows = results.reduce((sum, result) => sum + result.latenciesMs.length, 0);
  const totalMs = results.reduce((sum, result) => sum + result.totalMs, 0);
  return ((workflows * REQUESTS_PER_WORKFLOW) / totalMs) * 1_000;
}

/** The process that asks. */
class LoadProcess {
  readonly #child: ChildProcess;
  readonly #ended: Promise<void>;

  constructor() {
    this.#child = fork(new URL('./http-load.mjs', import.meta.url));
    this.#ended = once(this.#child, 'exit').then(() => undefined);
  }

  async run(load: HttpLoad): Promise<HttpLoadResult> {
    const answered = once(this.#child, 'message') as Promise<[HttpLoadResult]>;
    this.#child.send(load);
    const answer = await Promise.race([answered, this.#ended]);
    if (answer === undefined) throw new Error('the process that makes the load has ended');
    return answer[0];
  }

  async stop(): Promise<void> {
    this.#child.disconnect();
    await this.#ended;
  }
}

/** A server that answers at once, in this process. */
async function bareServer() {
  const server = createServer((request, response) => {
    request
      .on('data', () => {})
      .on('end', () => {
        const start = request.method === 'POST';
        response.writeHead(start ? 202 : 200, { 'content-type': 'application/json' });
        response.end(start ? bare.answers.start : bare.answers.result);
      });
  });
  const bare = {
    answers: { start: '', result: '' },
    port: 0,
    async stop() {
      server.close();
      server.closeAllConnections();
      await once(server, 'close');
    },
  };
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  bare.port = (server.address() as AddressInfo).port;
  return bare;
}
