// A workflow is an async function whose progress is kept. Activities do what has effects; their results are recorded.

import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { levelStore } from '@troupe/level';
import { activity, startHost, workflow } from '@troupe/workflow';

const greet = activity('greet', (_ctx, city: string) => {
  console.log(`  greeting ${city}`);
  return `Hello, ${city}!`;
});

const hello = workflow('hello', async (ctx, cities: string[]) => {
  const greetings: string[] = [];
  for (const city of cities) greetings.push(await ctx.callActivity(greet, city));
  return greetings;
});

const folder = await mkdtemp(join(tmpdir(), 'troupe-hello-'));
console.log(`state is kept in ${folder}`);
await using host = await startHost({ store: levelStore(folder), workflows: [hello], activities: [greet] });

const instance = await host.workflows.start(hello, { input: ['Tokyo', 'Seattle', 'London'] });
console.log(`started ${instance.instanceId}`);
console.log(await instance.result());

// What happened is the instance's history: one event for each thing that was decided or learned.
const { events } = await instance.history();
for (const event of events) console.log(`  ${event.number} ${event.type}`);
