// W6: calls of actors in one process. A step is a call.
//
// Beside volatile actors runs the loop itself around an async function; beside durable ones, writers that each wait for
// one record. Calls across processes are part of W10.

import { setTimeout as sleep } from 'node:timers/promises';
import { actor, type ActorHost } from '@troupe/actors';
import { closedLoop, RoundsTogether } from './closed-loop.ts';
import { FloorFile } from './floor.ts';
import { medianLine, type Line, type Settings } from './line.ts';
import { Meter } from './meter.ts';
import { startService } from './service.ts';
import { percentile } from './statistics.ts';

const volatileCounter = actor('volatile', {
  methods: {
    add: () => ++volatileCount,
  },
});
let volatileCount = 0;

const durableCounter = actor('durable', {
  state: () => ({ count: 0 }),
  methods: {
    add: (ctx) => ++ctx.state.count,
  },
});

const CASES = [
  { kind: 'volatile', definition: volatileCounter, actors: 1, inFlight: 64 },
  { kind: 'volatile', definition: volatileCounter, actors: 1_000, inFlight: 1_000 },
  { kind: 'durable', definition: durableCounter, actors: 1, inFlight: 64 },
  { kind: 'durable', definition: durableCounter, actors: 1_000, inFlight: 1_000 },
] as const;
type Case = (typeof CASES)[number];

/** Workload and floor alternate that often in a run. */
const SLICES = 5;
const SETTLE_MS = 100;

/** Callers that each wait for their answer before they call again. */
export async function* w6(settings: Settings): AsyncGenerator<Line> {
  for (const one of CASES) {
    const runs = [];
    for (let run = 0; run < settings.runs; run++) runs.push(await oneRun(one, settings));
    yield medianLine('W6', runs, 'ratioToFloor');
  }
}

async function oneRun({ kind, definition, actors, inFlight }: Case, { profile, durationMs }: Settings) {
  const service = await startService({ actors: [volatileCounter, durableCounter] });
  const call = calling(service.host.actors, definition, actors);
  await closedLoop(inFlight, durationMs / 5, call);
  const meter = new Meter(service.counts, profile);
  const calls = new RoundsTogether();
  const floor = new RoundsTogether();
  const file = new FloorFile(service.folder);
  for (let slice = 0; slice < SLICES; slice++) {
    const sliceMs = durationMs / SLICES;
    calls.add(await meter.measure(() => closedLoop(inFlight, sliceMs, call)));
    // What the store has left to do must not slow the floor.
    await sleep(SETTLE_MS);
    floor.add(
      kind === 'durable' ? await file.writers(inFlight, sliceMs) : await closedLoop(inFlight, sliceMs, callNobody),
    );
  }
  file.close();
  await service.stop();
  const callsPerSecond = (calls.rounds / meter.totalMs) * 1_000;
  return {
    kind,
    actors,
    inFlight,
    callsPerSecond,
    p50Ms: percentile(calls.latenciesMs, 0.5),
    p99Ms: percentile(calls.latenciesMs, 0.99),
    ...meter.figures(calls.rounds),
    floorCallsPerSecond: floor.perSecond,
    ratioToFloor: callsPerSecond / floor.perSecond,
  };
}

/** Calls one actor after another, through references that are made once. */
function calling(host: ActorHost, definition: Case['definition'], actors: number): (done: () => void) => void {
  const references = Array.from({ length: actors }, (_, index) => host.actor(definition, `counter-${index}`));
  let next = 0;
  return (done) => {
    const reference = references[next]!;
    next = (next + 1) % actors;
    void reference.add().then(done);
  };
}

/** What the loop costs by itself. */
function callNobody(done: () => void): void {
  void addNobody().then(done);
}

async function addNobody(): Promise<number> {
  return ++volatileCount;
}
