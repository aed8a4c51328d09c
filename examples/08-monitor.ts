// A monitor: looks, sleeps by a durable timer, looks again, and gives up in the end.

import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { levelStore } from '@troupe/level';
import { activity, startHost, workflow } from '@troupe/workflow';

interface Watch {
  readonly job: string;
  readonly intervalMs: number;
  readonly timeoutMs: number;
}

const startedAtMs = Date.now();

const isReady = activity('isReady', (_ctx, job: string) => {
  const ready = job === 'render' && Date.now() - startedAtMs > 600;
  console.log(`  ${job} is ${ready ? 'ready' : 'not ready'}`);
  return ready;
});

const watch = workflow('watch', async (ctx, { job, intervalMs, timeoutMs }: Watch) => {
  // The workflow's own time, the same in every replay.
  const deadlineMs = ctx.now().getTime() + timeoutMs;
  for (let delayMs = intervalMs; ; delayMs *= 2) {
    if (await ctx.callActivity(isReady, job)) return `${job} is ready`;
    if (ctx.now().getTime() + delayMs > deadlineMs) return `gave up on ${job}`;
    await ctx.createTimer(delayMs);
  }
});

const folder = await mkdtemp(join(tmpdir(), 'troupe-monitor-'));
console.log(`state is kept in ${folder}`);
await using host = await startHost({ store: levelStore(folder), workflows: [watch], activities: [isReady] });

const render = await host.workflows.start(watch, { input: { job: 'render', intervalMs: 100, timeoutMs: 10_000 } });
const backup = await host.workflows.start(watch, { input: { job: 'backup', intervalMs: 100, timeoutMs: 500 } });
console.log(await render.result());
console.log(await backup.result());
