// `npm run chaos -- --cluster`: hosts and servers in trouble for some minutes, then quiet, then the audit. Ends with code 1
// when an invariant is broken.
//
//   --minutes N     how long there is trouble (5)
//   --workflows N   instances in flight, over all hosts (2,000)
//   --hosts N       host processes (3)
//   --servers 1|3   nats-servers; all records are on every one (3)
//   --seed N        what is drawn, and when (time tells how far it gets)
//   --scenario X    instead of all kinds of trouble: rolling, freeze, kills or away

import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { SeededRandom } from '@troupe/actors/testing';
import { findNatsServer } from '../../../../scripts/nats-server.mjs';
import { Plan } from './plan.ts';
import { freeze, kills, rollingRestart, serversAway, type Check } from './scenarios.ts';
import { report, Stage } from './stage.ts';

const KILLS = 6;
const CALLERS = 16;
const ACTORS = 200;
const PAUSE_MS = 100;
const PACE_MS = 15_000;

const { values } = parseArgs({
  options: {
    minutes: { type: 'string', default: '5' },
    workflows: { type: 'string', default: '2000' },
    hosts: { type: 'string', default: '3' },
    servers: { type: 'string', default: '3' },
    seed: { type: 'string', default: String(Math.floor(Math.random() * 2 ** 31)) },
    scenario: { type: 'string' },
  },
});

/** The number that an option gives. */
function number(name: 'minutes' | 'workflows' | 'hosts' | 'seed', least: number): number {
  const value = Number(values[name]);
  if (!(value >= least)) throw new RangeError(`--${name} is a number of at least ${least}, got ${values[name]}`);
  return value;
}

const scenarios: Record<string, (stage: Stage) => Promise<Check>> = {
  rolling: rollingRestart,
  freeze,
  kills: (stage) => kills(stage, KILLS),
  away: (stage) => serversAway(stage),
};

async function main(): Promise<void> {
  const minutes = number('minutes', 0);
  const hosts = number('hosts', 1);
  const seed = number('seed', 0);
  const instances = Math.ceil(number('workflows', 0) / hosts);
  const servers = values.servers === '1' ? 1 : values.servers === '3' ? 3 : undefined;
  if (servers === undefined) throw new RangeError(`--servers is 1 or 3, got ${values.servers}`);
  const scenario = values.scenario === undefined ? undefined : scenarios[values.scenario];
  if (values.scenario !== undefined && scenario === undefined)
    throw new RangeError(`--scenario is one of ${Object.keys(scenarios).join(', ')}, got ${values.scenario}`);

  const program = await findNatsServer();
  console.log(`seed ${seed}: ${hosts} hosts, ${servers} servers, ${hosts * instances} instances in flight`);
  const load = { callers: CALLERS, actors: ACTORS, pauseMs: PAUSE_MS, instances, paceMs: PACE_MS };
  const stage = await Stage.start({ program, servers, hosts, load, seed });
  const say = (line: string): void => console.log(`${(stage.elapsedMs / 1_000).toFixed(1).padStart(7)} s  ${line}`);
  const keep = async (): Promise<void> => {
    const kept = fileURLToPath(new URL(`../../../../.cache/chaos/${seed}-${process.pid}`, import.meta.url));
    await stage.hosts.keep(kept);
    console.log(`the ledger and the logs are kept in ${kept}`);
  };
  try {
    await stage.startLoads();
    await stage.waitForProgress();
    let check: Check = () => ({});
    if (scenario === undefined) await new Plan(stage, new SeededRandom(seed), say).run(minutes * 60_000);
    else {
      say(values.scenario!);
      check = await scenario(stage);
    }
    say('quiet');
    const verdict = await stage.finish();
    say('audited');
    const whole = { ...verdict, broken: { ...check(stage.hosts.lines()), ...verdict.broken } };
    console.log(report(whole));
    if (Object.keys(whole.broken).length > 0) {
      process.exitCode = 1;
      await keep();
    }
  } catch (error) {
    await keep();
    throw error;
  } finally {
    await stage.end();
  }
}

await main().catch((error: unknown) => {
  console.error(error);
  process.exitCode = 1;
});
