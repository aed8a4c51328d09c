// Fan-out, fan-in: many activities at once, by the promises that you know. A failed one is tried again.

import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { levelStore } from '@troupe/level';
import { activity, startHost, workflow } from '@troupe/workflow';

const countWords = activity(
  'countWords',
  async (ctx, page: number) => {
    await sleep(100, undefined, { signal: ctx.signal });
    // The network is not what it was.
    if (page % 4 === 0 && ctx.attempt === 1) throw new Error(`page ${page} could not be fetched`);
    return page * 100;
  },
  { retry: { maxAttempts: 3, initialIntervalMs: 50 } },
);

const countBook = workflow('countBook', async (ctx, pageCount: number) => {
  const pages = Array.from({ length: pageCount }, (_, index) => index + 1);
  const counts = await Promise.all(pages.map((page) => ctx.callActivity(countWords, page)));
  return counts.reduce((sum, count) => sum + count, 0);
});

const folder = await mkdtemp(join(tmpdir(), 'troupe-fan-out-'));
console.log(`state is kept in ${folder}`);
await using host = await startHost({ store: levelStore(folder), workflows: [countBook], activities: [countWords] });

const startedAtMs = performance.now();
const book = await host.workflows.start(countBook, { instanceId: 'moby-dick', input: 20 });
console.log(`${await book.result()} words on 20 pages`);
console.log(`in ${Math.round(performance.now() - startedAtMs)} ms, where one after the other takes 2,000`);
