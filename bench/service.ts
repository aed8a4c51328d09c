// The service that the workloads run against: activities that do nothing, so that the engine is what is measured.

import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { levelStore } from '@troupe/level';
import { activity, startHost, workflow, type WorkflowHost } from '@troupe/workflow';
import { countingStore } from './counting-store.ts';

const nothing = activity('nothing', () => undefined);

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

export interface Service {
  readonly host: WorkflowHost;
  readonly folder: string;
  readonly counts: { commits: number; syncs: number };
  stop(): Promise<void>;
}

/** A host on an empty folder of its own. */
export async function startService(): Promise<Service> {
  const folder = await mkdtemp(join(process.env['TROUPE_BENCH_FOLDER'] ?? tmpdir(), 'troupe-bench-'));
  const { store, counts } = countingStore(levelStore(join(folder, 'data')));
  const host = await startHost({ store, workflows: [sequence, fanOut, parked], activities: [nothing] });
  return {
    host,
    folder,
    counts,
    async stop() {
      await host.stop();
      await rm(folder, { recursive: true });
    },
  };
}
