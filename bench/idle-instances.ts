// W7: instances that wait: what one costs in memory, what it costs on disk, and what many do to a start.

import { setTimeout as sleep } from 'node:timers/promises';
import { systemClock, type CancelTimeout, type Clock } from '@troupe/actors';
import { ClassicLevel } from 'classic-level';
import { forEachIndex } from './closed-loop.ts';
import { collectGarbage } from './garbage.ts';
import { weighed } from './leftovers.ts';
import { medianLine, type Line, type Settings } from './line.ts';
import { Meter } from './meter.ts';
import { parked, startService, storeFolder, type Service } from './service.ts';

const PARKED = 100_000;
const STORED = 1_000_000;
const STARTERS = 512;
const IDLE_TIMEOUT_MS = 1_000;
/** Of the host that makes the stored ones: it is to hold few of them. */
const ACTIVATIONS_WHILE_STORING = 5_000;

/** Parked instances in memory, active and deactivated, and stored ones before which a host starts. */
export async function* w7(settings: Settings): AsyncGenerator<Line> {
  yield await inMemory(Math.ceil(PARKED * settings.scale));
  yield await stored(Math.ceil(STORED * settings.scale), settings);
}

/** One run: what is measured are averages over all instances. */
async function inMemory(instances: number): Promise<Line> {
  const clock = new HeldClock();
  const service = await startService({ clock, idleTimeoutMs: IDLE_TIMEOUT_MS });
  await park(service, 'warm', 1_000);
  const before = await memory();
  await park(service, 'parked', instances);
  const live = await memory();
  clock.release();
  while (service.host.status().activeInstances > 0) await sleep(100);
  const deactivated = await memory();
  await service.stop();
  return {
    workload: 'W7',
    kind: 'in memory',
    instances,
    bytesPerLive: (live.bytes - before.bytes) / instances,
    bytesPerDeactivated: (deactivated.bytes - before.bytes) / instances,
    residentBytesPerLive: (live.resident - before.resident) / instances,
    runs: 1,
  };
}

/** One store, opened several times. */
async function stored(instances: number, { runs, profile }: Settings): Promise<Line> {
  const service = await startService({ activationCountMax: ACTIVATIONS_WHILE_STORING });
  const making = new Meter(service.counts, profile);
  await making.measure(() => park(service, 'stored', instances));
  await service.stopHost();
  const diskBytes = (await weighed(storeFolder(service.folder))).bytes;
  const taken = [];
  for (let run = 0; run < runs; run++) {
    const cpu = process.cpuUsage();
    const startedAt = performance.now();
    await service.startHost();
    const openedAt = performance.now();
    await service.host.workflows.start(parked, { instanceId: `first-${run}` });
    const firstStartMs = performance.now() - openedAt;
    await untilQuiet();
    const { user, system } = process.cpuUsage(cpu);
    taken.push({ openMs: openedAt - startedAt, firstStartMs, cpuMsUntilQuiet: (user + system) / 1_000 });
    await service.stopHost();
  }
  const floorOpenMs = await bareOpenMs(storeFolder(service.folder));
  await service.remove();
  const line = medianLine('W7', taken, 'openMs');
  const { stepsPerSecond, ...figures } = making.figures(instances);
  return {
    ...line,
    kind: 'stored',
    instances,
    bytesOnDiskPerInstance: diskBytes / instances,
    floorOpenMs,
    ratioToFloor: Number(line['openMs']) / floorOpenMs,
    startsPerSecond: stepsPerSecond,
    ...figures,
  };
}

/** Last, because the store would find its files changed. */
async function bareOpenMs(folder: string): Promise<number> {
  const startedAt = performance.now();
  const database = new ClassicLevel(folder);
  await database.open();
  const tookMs = performance.now() - startedAt;
  await database.close();
  return tookMs;
}

async function park({ host }: Service, prefix: string, count: number): Promise<void> {
  await forEachIndex(count, STARTERS, (index) => host.workflows.start(parked, { instanceId: `${prefix}-${index}` }));
}

async function memory(): Promise<{ readonly bytes: number; readonly resident: number }> {
  await collectGarbage();
  const { heapUsed, external, rss } = process.memoryUsage();
  return { bytes: heapUsed + external, resident: rss };
}

/** Resolves when the process does next to nothing: what a start left to the background is done. */
async function untilQuiet(): Promise<void> {
  for (;;) {
    const cpu = process.cpuUsage();
    await sleep(200);
    const { user, system } = process.cpuUsage(cpu);
    if (user + system < 10_000) return;
  }
}

/** Time that stands still until it is released: nothing is idle for long before. */
class HeldClock implements Clock {
  #heldAtMs: number | undefined = Date.now();

  nowMs(): number {
    return this.#heldAtMs ?? systemClock.nowMs();
  }

  setTimeout(callback: () => void, delayMs: number): CancelTimeout {
    return systemClock.setTimeout(callback, delayMs);
  }

  release(): void {
    this.#heldAtMs = undefined;
  }
}
