// Runs a mixed load for minutes and looks whether anything grows; then purges everything and looks what is left:
// `npm run soak -- --minutes 5`. Ends with code 1 when a bound was exceeded or something was left.

import { monitorEventLoopDelay } from 'node:perf_hooks';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import type { ActorHostStatus } from '@troupe/actors';
import type { WorkflowHost } from '@troupe/workflow';
import { CountingClock } from './counting-clock.ts';
import { collectGarbage } from './garbage.ts';
import { growth, SAMPLES_MIN, type Bound, type Sample } from './growth.ts';
import { weighed } from './leftovers.ts';
import { machine } from './machine.ts';
import { leftAfterDeletion, purgeAll } from './purge.ts';
import { aligned } from './report.ts';
import { startService, storeFolder } from './service.ts';
import { SOAK_IDLE_TIMEOUT_MS, SoakLoad } from './soak-load.ts';
import { ledger, soakActivities, soakWorkflows } from './soak-workflows.ts';

const MIB = 1024 * 1024;
const SAMPLE_INTERVAL_MS = 5_000;
/** A short run has at least that many samples. */
const SAMPLES_WANTED = 4 * SAMPLES_MIN;
/** After the purge: until nothing is active. */
const QUIET_WITHIN_MS = 60_000;

/** No scenario waits for longer than calls do. */
const HUNG_AFTER_MS = 120_000;

/**
 * Timeouts that may wait for nothing any more: those of deadlines, of the due queue and of the sweep of idle activations
 * are shared by many, and come although those have gone.
 */
const EMPTY_TIMEOUTS_MAX = 3;

/** What the last fifth of the run may be above the second one. The load is random: it goes up and down. */
const BOUNDS: Readonly<Record<string, Bound>> = {
  heapBytes: { part: 0.1, plus: 8 * MIB },
  // LevelDB's buffers and V8's empty pages come and go.
  residentBytes: { part: 0.15, plus: 64 * MIB },
  // Tables are rewritten now and then: what was deleted is there until then.
  folderBytes: { part: 0.25, plus: 96 * MIB },
  instances: { part: 0.25, plus: 100 },
  activations: { part: 0.25, plus: 100 },
  wakeUps: { part: 0.25, plus: 100 },
  recovering: { part: 0, plus: 0 },
  timeouts: { part: 0.25, plus: 100 },
  listeners: { part: 0, plus: 0 },
};

const { values } = parseArgs({
  options: {
    minutes: { type: 'string', default: '30' },
    seed: { type: 'string', default: String(Date.now() % 1_000_000) },
  },
});
const durationMs = Number(values.minutes) * 60_000;
if (!(durationMs > 0)) {
  console.error('--minutes takes a number above 0');
  process.exit(2);
}
const seed = Number(values.seed);
console.log(`${values.minutes} minutes, seed ${seed}; ${JSON.stringify(machine())}`);

/** How Node names what standard output and error are. */
const STANDARD_STREAMS: ReadonlySet<string> = new Set(['PipeWrap', 'TTYWrap', 'TCPSocketWrap', 'FSReqPromise']);

const complaints: string[] = [];
const loopDelay = monitorEventLoopDelay();
loopDelay.enable();
const clock = new CountingClock();
const listenersBefore = processListeners();
const service = await startService({
  clock,
  idleTimeoutMs: SOAK_IDLE_TIMEOUT_MS,
  workflows: soakWorkflows,
  activities: soakActivities,
  actors: [ledger],
});
const { host } = service;
// What a host does once when it has started is soon done.
await sleep(500);
const before = { timeouts: clock.pending, listeners: processListeners() };

const load = new SoakLoad(host, seededRandom(seed));
const samples: Sample[] = [];
const endsAt = performance.now() + durationMs;
const intervalMs = Math.min(SAMPLE_INTERVAL_MS, durationMs / SAMPLES_WANTED);
const ended = load.run().then(
  () => 'ended',
  (error: unknown) => {
    const what = error instanceof Error ? error.stack : JSON.stringify(error);
    complaints.push(`the load failed; the event loop had stood still for up to ${stall()} ms: ${what}`);
  },
);
// A slow machine takes longer for what there is to compare.
while (performance.now() < endsAt || samples.length < SAMPLES_MIN) {
  const failed = await Promise.race([sleep(intervalMs), ended]);
  if (failed !== undefined) break;
  samples.push(await sample());
  console.log(shown(samples.at(-1)!));
}
load.stop();
await Promise.race([ended, sleep(HUNG_AFTER_MS, undefined, { ref: false })]);
if (load.running.length > 0) complaints.push(`scenarios that do not end: ${load.running.join(', ')}`);

console.log(`\n${aligned(Object.entries(load.done).map(([name, count]) => [name, String(count)]))}`);
if (samples.length >= SAMPLES_MIN) {
  const found = growth(samples, BOUNDS);
  const rows = found.map(({ figure, secondFifth, lastFifth, limit, exceeded }) => [
    figure,
    String(secondFifth),
    String(lastFifth),
    String(Math.floor(limit)),
    exceeded ? 'exceeded' : '',
  ]);
  console.log(`\n${aligned([['median of', 'second fifth', 'last fifth', 'limit', ''], ...rows])}`);
  for (const { figure, exceeded } of found) if (exceeded) complaints.push(`${figure} grows`);
}

// Then everything is purged, and nothing may be left: in memory, in the process, on the disk.
const purged = await purgeAll(host.workflows);
await quiet(() => {
  const { activations, wakeUps } = host.actors.status();
  return total(activations) === 0 && wakeUps === 0;
});
const { activations, wakeUps, recovering }: ActorHostStatus = host.actors.status();
const memoryLeft = {
  instances: await instanceCount(host),
  activations: total(activations),
  wakeUps,
  recovering,
  runningActivities: host.status().runningActivities,
  waitingActivities: host.status().waitingActivities,
  timeouts: Math.max(0, clock.pending - before.timeouts - EMPTY_TIMEOUTS_MAX),
  listeners: processListeners() - before.listeners,
};
loopDelay.disable();
const left = await leftAfterDeletion(service);
await service.remove();
await sleep(100);
const stopped = {
  'timeouts after the stop': clock.pending,
  'listeners after the stop': processListeners() - listenersBefore,
  'open handles after the stop': process.getActiveResourcesInfo().filter((name) => !STANDARD_STREAMS.has(name)).length,
};
const rowsLeft = Object.fromEntries(Object.entries(left.rows).map(([kind, count]) => [`rows: ${kind}`, count]));
const everything = { ...memoryLeft, ...stopped, ...rowsLeft };
for (const [what, count] of Object.entries(everything)) if (count > 0) complaints.push(`${count} left: ${what}`);
console.log(`\nleft after a purge of ${purged} instances; the store's own rows are ${left.ownKeys.join(', ')}`);
console.log(
  aligned(Object.entries({ rows: total(left.rows), ...everything }).map(([what, count]) => [what, String(count)])),
);

console.log(complaints.length === 0 ? '\nnothing grew, nothing is left' : `\n${complaints.join('\n')}`);
process.exitCode = complaints.length === 0 ? 0 : 1;

async function sample(): Promise<Sample> {
  await collectGarbage();
  const { heapUsed, rss } = process.memoryUsage();
  const status = host.actors.status();
  return {
    seconds: Math.round((performance.now() - endsAt + durationMs) / 1_000),
    heapBytes: heapUsed,
    residentBytes: rss,
    folderBytes: (await weighed(storeFolder(service.folder))).bytes,
    instances: await instanceCount(host),
    activations: total(status.activations),
    wakeUps: status.wakeUps,
    recovering: status.recovering,
    timeouts: clock.pending,
    listeners: processListeners(),
    stallMs: stall(),
    done: total(load.done),
  };
}

/** The longest time since the last sample that the event loop did not come round: above 30 s calls meet their deadline. */
function stall(): number {
  const ms = Math.round(loopDelay.max / 1e6);
  loopDelay.reset();
  return ms;
}

function shown(one: Sample): string {
  return Object.entries(one)
    .map(([figure, value]) =>
      figure.endsWith('Bytes') ? `${figure.slice(0, -5)} ${(value / MIB).toFixed(1)} MiB` : `${figure} ${value}`,
    )
    .join('  ');
}

async function instanceCount({ workflows }: WorkflowHost): Promise<number> {
  return total(await workflows.count());
}

function total(counts: Readonly<Record<string, number>>): number {
  return Object.values(counts).reduce((sum, count) => sum + count, 0);
}

function processListeners(): number {
  return process.eventNames().reduce((sum, name) => sum + process.listenerCount(name), 0);
}

/** Resolves when something holds, or does not for too long: what is wrong then shows in what is counted next. */
async function quiet(holds: () => boolean): Promise<void> {
  const untilMs = performance.now() + QUIET_WITHIN_MS;
  while (!holds() && performance.now() < untilMs) await sleep(100);
}

/** The same sequence for the same seed (mulberry32). */
function seededRandom(start: number): () => number {
  let state = start >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
