// A workflow waits for a person, for days if need be. Here the service is restarted while it waits.

import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { levelStore } from '@troupe/level';
import { activity, event, EventTimeoutError, startHost, workflow } from '@troupe/workflow';

const DAY_MS = 24 * 60 * 60 * 1_000;

interface Order {
  readonly item: string;
  readonly amount: number;
}

const charge = activity('charge', (ctx, order: Order) => {
  console.log(`  charging ${order.amount} for ${order.item}`);
  // The same for every attempt: with it the payment service takes the money once.
  return { receiptId: ctx.idempotencyKey };
});

const ship = activity('ship', (_ctx, order: Order) => console.log(`  shipping ${order.item}`));

const order = workflow('order', { events: { approved: event<{ by: string }>() } }, async (ctx, input: Order) => {
  const receipt = await ctx.callActivity(charge, input);
  ctx.setCustomStatus('waiting for approval');
  try {
    const approval = await ctx.waitForExternalEvent('approved', { timeoutMs: 3 * DAY_MS });
    await ctx.callActivity(ship, input);
    return { shipped: true, by: approval.by, receipt };
  } catch (error) {
    if (error instanceof EventTimeoutError) return { shipped: false, receipt };
    throw error;
  }
});

const folder = await mkdtemp(join(tmpdir(), 'troupe-order-'));
console.log(`state is kept in ${folder}`);
const start = () => startHost({ store: levelStore(folder), workflows: [order], activities: [charge, ship] });

{
  await using host = await start();
  await host.workflows.start(order, { instanceId: 'order-42', input: { item: 'a book', amount: 12 } });
  const get = () => host.workflows.get('order-42');
  while ((await get())?.customStatus === undefined) await sleep(20);
  const metadata = await get();
  console.log(`order-42 is ${metadata?.runtimeStatus}: ${String(metadata?.customStatus)}`);
}

console.log('the service restarts');
await using host = await start();
const instance = host.workflows.instance('order-42', order);
await instance.raiseEvent('approved', { by: 'Ada' });
const result = await instance.result();
console.log(result.shipped ? `shipped, approved by ${result.by}` : 'nobody approved it');
