// An eternal workflow begins again with an empty history, so that it never grows: continue-as-new. Events that nobody has
// taken yet are kept.

import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { levelStore } from '@troupe/level';
import { event, startHost, workflow } from '@troupe/workflow';

interface Till {
  readonly day: number;
  readonly total: number;
}

const till = workflow('till', { events: { paid: event<number>() } }, async (ctx, { day, total }: Till) => {
  ctx.setCustomStatus({ day, total });
  let today = 0;
  for (let sale = 0; sale < 3; sale++) today += await ctx.waitForExternalEvent('paid');
  console.log(`  day ${day}: ${today}`);
  ctx.continueAsNew({ day: day + 1, total: total + today });
});

const folder = await mkdtemp(join(tmpdir(), 'troupe-eternal-'));
console.log(`state is kept in ${folder}`);
await using host = await startHost({ store: levelStore(folder), workflows: [till] });

const instance = await host.workflows.start(till, { instanceId: 'till-1', input: { day: 1, total: 0 } });
for (let amount = 1; amount <= 12; amount++) await instance.raiseEvent('paid', amount);

const status = async () => (await instance.get())?.customStatus as Till | undefined;
while ((await status())?.day !== 5) await sleep(20);
console.log(`total ${(await status())?.total} after four days`);
console.log(`events in its history now: ${(await instance.history()).events.length}`);

await instance.terminate({ output: 'closed for good' });
console.log(`it is ${(await instance.get())?.runtimeStatus}`);
