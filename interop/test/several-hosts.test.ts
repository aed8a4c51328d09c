// Two hosts over NATS: a worker and a client are each connected to one, whichever owns the instance.

import { expect, onTestFinished, test } from 'vitest';
import { nats } from '@troupe/nats';
import { eventually } from '../../packages/nats/test/integration/eventually.ts';
import { NatsServers } from '../../packages/nats/test/integration/nats-servers.ts';
import { describeWithNats, natsServerProgram } from '../../packages/nats/test/integration/needs-server.ts';
import { SdkProcess, SDKS, type Sdk } from './sdk-process.ts';
import { Service } from './service.ts';

const INSTANCES = 20;

async function twoHosts(): Promise<readonly [Service, Service]> {
  const servers = await NatsServers.start(1, { program: natsServerProgram(), syncInterval: 'always' });
  onTestFinished(() => servers.end());
  const start = async (): Promise<Service> => {
    const service = await Service.start(() => ({ cluster: nats({ servers: servers.urls, replicas: 1 }) }));
    onTestFinished(() => service.stop());
    return service;
  };
  return [await start(), await start()];
}

async function peerOf(sdk: Sdk, { address }: Service): Promise<SdkProcess> {
  const peer = await SdkProcess.start(sdk, address);
  onTestFinished(() => peer.kill());
  return peer;
}

describeWithNats('of two hosts', () => {
  test.each(SDKS)('one has the client of %s, the other the worker', async (sdk) => {
    const [one, other] = await twoHosts();
    const [client, worker] = [await peerOf(sdk, one), await peerOf(sdk, other)];
    await worker.ask.work();
    await other.workers(1);
    // Enough of them that both hosts own some.
    const ids = await Promise.all(Array.from({ length: INSTANCES }, () => client.ask.start('withChildren', [1, 2])));
    for (const id of ids) expect(await client.ask.ended(id)).toMatchObject({ status: 'COMPLETED', output: '[11,12]' });
    expect(worker.runs('plusOne')).toBe(INSTANCES * 2 * 10);

    const waiting = await client.ask.start('eventsInTurn', ['a']);
    expect(await client.ask.started(waiting)).toMatchObject({ status: 'RUNNING' });
    await client.ask.suspend(waiting);
    expect(await client.ask.state(waiting)).toMatchObject({ status: 'SUSPENDED' });
    await client.ask.resume(waiting);
    await client.ask.raise(waiting, 'a', 1);
    expect(await client.ask.ended(waiting)).toMatchObject({ output: '[1]' });
  });

  test('both have a worker, each of another dialect, and each works for both', async () => {
    const [one, other] = await twoHosts();
    const [dapr, microsoft] = [await peerOf('dapr', one), await peerOf('microsoft', other)];
    await dapr.ask.work();
    await microsoft.ask.work();
    await one.workers(1);
    await other.workers(1);
    const started = [dapr, microsoft].flatMap((peer) =>
      Array.from({ length: INSTANCES }, async () => await peer.ask.ended(await peer.ask.start('sequence', 1))),
    );
    for (const state of await Promise.all(started)) expect(state).toMatchObject({ status: 'COMPLETED' });
    expect(dapr.runs('plusOne') + microsoft.runs('plusOne')).toBe(2 * INSTANCES * 10);
  });

  test('one loses its worker while it works, and the worker of the other goes on', async () => {
    const [one, other] = await twoHosts();
    const [first, second] = [await peerOf('durabletask', one), await peerOf('durabletask', other)];
    await first.ask.work();
    const ids = await Promise.all(Array.from({ length: INSTANCES }, () => second.ask.start('sequence', 1)));
    await eventually('it is busy', () => first.runs('plusOne') >= 20);
    await second.ask.work();
    await first.kill();
    for (const id of ids) expect(await second.ask.ended(id)).toMatchObject({ status: 'COMPLETED' });
  });
});
