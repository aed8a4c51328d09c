// W11: what a killed or stopped host, and a killed server, cost those who call. Three host processes under load; the
// scenarios and their audit are those of `npm run chaos -- --cluster`.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { text } from 'node:stream/consumers';
import type { Verdict } from '../packages/nats/test/cluster/stage.ts';
import type { Line, Settings } from './line.ts';
import { ON_NATS } from './nats-hosts.ts';
import { percentile } from './statistics.ts';

const CHAOS = 'packages/nats/test/cluster/chaos.ts';
const WORKFLOWS = 90;
const CASES = [
  { scenario: 'kills', servers: 1 },
  { scenario: 'kills', servers: 3 },
  { scenario: 'rolling', servers: 1 },
  { scenario: 'leader', servers: 3 },
] as const;

/** Each scenario once: it lasts a minute or two, and has many partitions in it. */
export async function* w11(_settings: Settings): AsyncGenerator<Line> {
  if (process.env['NATS_SERVER'] === undefined) return;
  for (const { scenario, servers } of CASES) {
    const { broken, calls, takeoverMs } = await play(scenario, servers);
    yield {
      workload: 'W11',
      what: scenario,
      hosts: 3,
      replicas: servers,
      inFlight: WORKFLOWS,
      ...(takeoverMs.length === 0
        ? {}
        : {
            takenOver: takeoverMs.length,
            takeoverP50Ms: percentile(takeoverMs, 0.5),
            takeoverP99Ms: percentile(takeoverMs, 0.99),
          }),
      callsDone: calls.done,
      callsUnknown: calls.unknown,
      callsNotExecuted: calls['not-executed'],
      invariantsBroken: Object.keys(broken).length,
      runs: 1,
      ...ON_NATS,
    };
  }
}

async function play(scenario: string, servers: number): Promise<Verdict> {
  const options = ['--scenario', scenario, '--servers', String(servers), '--workflows', String(WORKFLOWS), '--json'];
  const child = spawn(process.execPath, ['--import', 'tsx', '--conditions=@troupe/source', CHAOS, ...options], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const [output] = await Promise.all([text(child.stdout), once(child, 'exit')]);
  return JSON.parse(output.trim().split('\n').at(-1) ?? '') as Verdict;
}
