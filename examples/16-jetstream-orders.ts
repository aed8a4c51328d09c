// Orders come by a JetStream stream, and each starts a workflow. The host is killed at the worst moment: the workflow is
// started, and the stream has not heard of it yet. So the order comes again, and is found to be a duplicate.
//
// A nats-server is found or fetched (scripts/nats-server.mjs); with NATS_URL one is used that runs already.

import { fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { jetstream as streams, jetstreamManager } from '@nats-io/jetstream';
import { connect } from '@nats-io/transport-node';
import { levelStore } from '@troupe/level';
import { start, trigger, Triggers, type Source } from '@troupe/triggers';
import { jetstream } from '@troupe/triggers/jetstream';
import { startHost, workflow } from '@troupe/workflow';
import { guardProcess } from '../scripts/guardian.mjs';
import { startNatsServer } from './servers/nats.ts';

interface Order {
  readonly id: string;
  readonly item: string;
}

const order = workflow('order', async (ctx, { item }: Order) => {
  await ctx.createTimer(500);
  return `${item} is shipped`;
});

/** A host: all that a program needs to take part. */
async function runHost(servers: string, stream: string, folder: string, mode: string): Promise<void> {
  // Another host would have the message after a second without a word.
  const orders = jetstream({ servers, stream, ackWaitMs: 1_000 });
  const triggers = new Triggers();
  trigger<Order>(triggers, 'orders', mode === 'killed' ? killedBeforeAcknowledging(orders) : orders, {
    do: start(order, { instanceId: (event) => `order-${event.data.id}`, input: (event) => event.data }),
  });
  const host = await startHost({ store: levelStore(folder), workflows: [order], actors: triggers.actors });
  await triggers.start(host);

  for (;;) {
    const { counts, lag } = await triggers.status('orders');
    const { started = 0, duplicate = 0 } = counts;
    if (started + duplicate === 2 && lag === 0) {
      console.log(`  of two messages ${started} started a workflow, ${duplicate} was a duplicate`);
      break;
    }
    await sleep(50);
  }
  for (const { instanceId } of (await host.workflows.list()).instances) {
    console.log(`  ${instanceId}: ${String(await host.workflows.result(instanceId))}`);
  }
  await triggers.stop();
  await host.stop();
}

/** The same source in a process that has bad luck. */
function killedBeforeAcknowledging(source: Source): Source {
  return {
    ...source,
    open: (context) =>
      source.open({
        ...context,
        deliver: async (message) => {
          const settlement = await context.deliver(message);
          process.send!(`${settlement.outcome} ${settlement.instanceId}`);
          process.kill(process.pid, 'SIGKILL');
          return settlement;
        },
      }),
  };
}

/** The shop: publishes orders, and runs one host after the other. */
async function runShop(): Promise<void> {
  const servers = process.env['NATS_URL'] ?? (await startNatsServer());
  const stream = `ORDERS-${process.pid}`;
  const folder = await mkdtemp(join(tmpdir(), 'troupe-jetstream-orders-'));
  console.log(`state is kept in ${folder}`);
  const connection = await connect({ servers });
  const manager = await jetstreamManager(connection);
  await manager.streams.add({ name: stream, subjects: [`${stream}.>`] });
  const publish = (placed: Order): Promise<unknown> =>
    streams(connection).publish(`${stream}.created`, JSON.stringify(placed));

  const host = async (mode: string): Promise<void> => {
    const child = fork(fileURLToPath(import.meta.url), [servers, stream, folder, mode]);
    guardProcess(child);
    child.on('message', (said) => console.log('  %s', said));
    const [code, signal] = (await once(child, 'exit')) as [number | null, string | null];
    console.log(signal === null ? `the host ended with ${code}` : `the host is killed (${signal})`);
  };

  await publish({ id: '1', item: 'a book' });
  console.log('a host takes an order, starts its workflow …');
  await host('killed');
  const { num_ack_pending: unacknowledged } = await manager.consumers.info(stream, 'troupe-default-orders');
  console.log(`the stream waits for ${unacknowledged} acknowledgement`);

  await publish({ id: '2', item: 'a lamp' });
  console.log('another host goes on');
  await host('lives');
  await manager.streams.delete(stream);
  await connection.close();
}

const [servers, stream, folder, mode] = process.argv.slice(2);
await (mode === undefined ? runShop() : runHost(servers!, stream!, folder!, mode));
