// The service that the workloads run against: activities that do nothing, so that the engine is what is measured.

import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { AnyActorDefinition, Clock } from '@troupe/actors';
import { levelStore } from '@troupe/level';
import { activity, startHost, workflow, type AnyActivity, type AnyWorkflow, type WorkflowHost } from '@troupe/workflow';
import { countingStore } from './counting-store.ts';
import type { Counts } from './meter.ts';

/** Does nothing. */
export const nothing = activity('nothing', () => undefined);

/** So many activities, one after another. */
export const sequence = workflow('sequence', async (ctx, steps: number) => {
  for (let step = 0; step < steps; step++) await ctx.callActivity(nothing);
  return steps;
});

/** So many activities at once. */
export const fanOut = workflow('fanOut', async (ctx, width: number) => {
  await Promise.all(Array.from({ length: width }, () => ctx.callActivity(nothing)));
  return width;
});

/** Waits for one event. */
export const parked = workflow('parked', async (ctx) => {
  const payload = await ctx.waitForExternalEvent<number>('go');
  return payload;
});

/** Waits for a time and says how many milliseconds later it was when its code went on. */
export const alarm = workflow('alarm', async (ctx, dueAtMs: number) => {
  await ctx.createTimer(new Date(dueAtMs));
  return Date.now() - dueAtMs;
});

export interface Service {
  readonly host: WorkflowHost;
  /** Of its own; the store is in `data` below. */
  readonly folder: string;
  readonly counts: Counts;
  stopHost(): Promise<void>;
  /** Starts another host on the same folder. */
  startHost(settings?: HostSettings): Promise<void>;
  /** Removes what a stopped host has left. */
  remove(): Promise<void>;
  /** Stops and removes. */
  stop(): Promise<void>;
}

/** What some workloads need otherwise than everybody. */
export interface HostSettings {
  /** Beside those of the workloads. */
  readonly workflows?: readonly AnyWorkflow[];
  readonly activities?: readonly AnyActivity[];
  readonly actors?: readonly AnyActorDefinition[];
  readonly clock?: Clock;
  readonly idleTimeoutMs?: number;
  readonly activationCountMax?: number;
}

/** A host on an empty folder of its own. */
export async function startService(options: HostSettings = {}): Promise<Service> {
  const folder = await mkdtemp(join(process.env['TROUPE_BENCH_FOLDER'] ?? tmpdir(), 'troupe-bench-'));
  const { store, counts } = countingStore(levelStore(storeFolder(folder)));
  const start = (settings: HostSettings): Promise<WorkflowHost> =>
    startHost({
      ...settings,
      store,
      workflows: [sequence, fanOut, parked, alarm, ...(settings.workflows ?? [])],
      activities: [nothing, ...(settings.activities ?? [])],
    });
  let host = await start(options);
  return {
    get host() {
      return host;
    },
    folder,
    counts,
    stopHost: () => host.stop(),
    async startHost(settings = {}) {
      host = await start(settings);
    },
    remove: () => rm(folder, { recursive: true }),
    async stop() {
      await host.stop();
      await rm(folder, { recursive: true });
    },
  };
}

/** Where the store of a service lies. */
export function storeFolder(folder: string): string {
  return join(folder, 'data');
}

/** Starts one sequence and waits for its result. */
export async function runSequence({ host }: Service, steps: number): Promise<void> {
  const instance = await host.workflows.start(sequence, { input: steps });
  await instance.result();
}
