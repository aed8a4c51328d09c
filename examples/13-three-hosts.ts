// Three host processes share the orders over NATS, and one of them is killed while they flow. The others take over what it
// had: every order is completed, and its customer is charged once.
//
// A nats-server is found or fetched (scripts/nats-server.mjs); with NATS_URL the hosts use one that runs already.

import { fork, type ChildProcess } from 'node:child_process';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { consoleLogger, NotExecutedError, OutcomeUnknownError } from '@troupe/actors';
import { nats } from '@troupe/nats';
import { activity, startHost, workflow } from '@troupe/workflow';
import { guardProcess } from '../scripts/guardian.mjs';
import { startNatsServer } from './servers/nats.ts';

const ORDERS = 300;
const PARTITIONS = 256;

const charge = activity('charge', async (ctx, amount: number) => {
  await sleep(100);
  // To the outside world. Whoever keeps the money drops what comes again under the same key.
  process.send!({ charged: ctx.idempotencyKey, amount });
});

const order = workflow('order', async (ctx, amount: number) => {
  await ctx.callActivity(charge, amount);
  await ctx.createTimer(1_000);
  return `shipped for ${amount}`;
});

/** A host: all that a program needs to take part. */
async function runHost(server: string, app: string): Promise<void> {
  const host = await startHost({
    app,
    cluster: nats({ servers: server }),
    // It warns of a single server that syncs its disk every two minutes, which is enough here.
    logger: { ...consoleLogger, warn: () => {} },
    workflows: [order],
    activities: [charge],
  });
  setInterval(() => process.send!({ partitions: host.actors.status().partitions }), 50);
  const complete = async ({ instanceId, amount }: Placed): Promise<void> => {
    for (;;) {
      try {
        // Attached to the one that is there, if it was started already: so it may be asked for as often as need be.
        const instance = await host.workflows.start(order, { instanceId, input: amount, ifExists: 'attach' });
        return void process.send!({ completed: instanceId, result: await instance.result() });
      } catch (error) {
        // Asked of the host that was killed: nobody knows whether it had started the order.
        if (!(error instanceof OutcomeUnknownError || error instanceof NotExecutedError)) throw error;
      }
    }
  };
  process.on('message', (message: Placed) => void complete(message));
  process.on('disconnect', () => process.exit());
  process.on('SIGTERM', () => void host.stop().then(() => process.exit()));
}

interface Placed {
  readonly instanceId: string;
  readonly amount: number;
}

interface Told {
  readonly partitions?: number;
  readonly charged?: string;
  readonly completed?: string;
}

/** The shop: starts the hosts, gives them orders, and looks on. */
async function runShop(): Promise<void> {
  const server = process.env['NATS_URL'] ?? (await startNatsServer());
  const app = `shop-${process.pid}`;
  const partitions = new Map<ChildProcess, number>();
  const names = new Map<ChildProcess, string>();
  const charged = new Set<string>();
  let chargedAgain = 0;
  const waiting = new Map<string, ChildProcess>();

  const place = (instanceId: string): void => {
    const alive = [...partitions.keys()];
    const host = alive[waiting.size % alive.length]!;
    waiting.set(instanceId, host);
    host.send({ instanceId, amount: 12 } satisfies Placed);
  };
  const hear = (host: ChildProcess, told: Told): void => {
    if (told.partitions !== undefined && !host.killed) partitions.set(host, told.partitions);
    if (told.completed !== undefined) waiting.delete(told.completed);
    if (told.charged === undefined) return;
    if (charged.has(told.charged)) chargedAgain++;
    charged.add(told.charged);
  };
  const owners = (): string => Array.from(partitions, ([host, count]) => `${names.get(host)} ${count}`).join(', ');
  /** Until the hosts that are left own everything, and each a part of it. */
  const spread = async (hosts: number): Promise<void> => {
    for (;;) {
      const counts = [...partitions.values()];
      const sum = counts.reduce((total, count) => total + count, 0);
      if (counts.length === hosts && sum === PARTITIONS && counts.every((count) => count > 0)) return;
      await sleep(20);
    }
  };

  for (const name of ['north', 'east', 'south']) {
    const host = fork(fileURLToPath(import.meta.url), [server, app]);
    guardProcess(host);
    names.set(host, name);
    host.on('message', (told: Told) => hear(host, told));
  }
  await spread(3);
  console.log(`partitions: ${owners()}`);

  console.log(`${ORDERS} orders come in`);
  const incoming = (async () => {
    for (let number = 1; number <= ORDERS; number++) {
      place(`order-${number}`);
      await sleep(20);
    }
  })();
  await sleep(3_000);

  const [victim] = partitions.keys();
  console.log(`${names.get(victim!)} is killed, with ${partitions.get(victim!)} partitions`);
  const killedAtMs = performance.now();
  victim!.kill('SIGKILL');
  partitions.delete(victim!);
  // Nobody waits for these any more. They go on by themselves; another host looks out for their end.
  for (const [instanceId, host] of waiting) if (host === victim) place(instanceId);
  await spread(2);
  const seconds = ((performance.now() - killedAtMs) / 1_000).toFixed(1);
  console.log(`partitions: ${owners()}, all taken over after ${seconds} s`);

  await incoming;
  while (waiting.size > 0) await sleep(50);
  console.log(`${ORDERS} orders are completed`);
  console.log(`${charged.size} charges, ${chargedAgain} of them asked for again under their key`);
  for (const host of partitions.keys()) host.kill('SIGTERM');
}

const [server, app] = process.argv.slice(2);
await (server === undefined || app === undefined ? runShop() : runHost(server, app));
