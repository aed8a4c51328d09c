// Several hosts of one application, each started as people do, over real servers.

import { expect, onTestFinished, test } from 'vitest';
import { eventually } from '../../../nats/test/integration/eventually.ts';
import { NatsServer, NatsServers } from '../../../nats/test/integration/nats-servers.ts';
import { describeWithNats, natsServerProgram } from '../../../nats/test/integration/needs-server.ts';
import { ServiceProcess, temporaryFolder } from './harness.ts';

async function startServers(count: 1 | 3 = 1): Promise<NatsServers> {
  const servers = await NatsServers.start(count, { program: natsServerProgram(), syncInterval: 'always' });
  onTestFinished(() => servers.end());
  return servers;
}

function serviceOn(urls: readonly string[], ...args: readonly string[]): ServiceProcess {
  return new ServiceProcess(['--port', '0', '--nats', urls.join(','), ...args]);
}

const ORDER = { item: 'book', amount: 12 };
const ids = (count: number, prefix: string): string[] => Array.from({ length: count }, (_, index) => prefix + index);

async function readiness(service: ServiceProcess): Promise<number> {
  return (await fetch(`${service.url}/readyz`)).status;
}

describeWithNats('hosts of one application', () => {
  test('share their instances, and go on with those of one that is killed', async () => {
    const { urls } = await startServers();
    const one = await serviceOn(urls).ready();
    const two = await serviceOn(urls).ready();
    expect(one.output).toMatch(/application default\n +state in NATS \d\S+ at nats:\S+, replicas: 1\n/);
    expect(one.output).toContain(`another host: npm start -- --nats ${urls[0]} --port `);
    const orders = ids(20, 'order/o');
    for (const order of orders) expect(await one.post(`${order}/start`, ORDER)).toMatchObject({ status: 202 });
    expect(await two.post(`${orders[0]}/start`, ORDER)).toMatchObject({ status: 409 });
    const ended = one.end(orders[0]!);
    expect(await two.post(`${orders[0]}/raiseEvent/approved`, { by: 'Ada' })).toMatchObject({ status: 202 });
    expect(await ended).toMatchObject({ runtimeStatus: 'COMPLETED' });

    await one.kill();
    for (const order of orders.slice(1)) {
      await eventually(`${order} is approved`, async () => {
        const { status } = await two.post(`${order}/raiseEvent/approved`, { by: 'Ada' });
        // Unknown: it may have been taken. Taken twice it would be kept, and change nothing.
        return status === 202 || status === 409;
      });
      expect(await two.end(order)).toMatchObject({ runtimeStatus: 'COMPLETED' });
    }
  });

  test('lose nothing when one of them is stopped while it is used', async () => {
    const { urls } = await startServers();
    const one = await serviceOn(urls).ready();
    const two = await serviceOn(urls).ready();
    const hellos = ids(100, 'hello/h');
    const outcomes = hellos.map(async (hello) => {
      const { status } = await one.post(`${hello}/start`, 'Ada');
      return status === 202;
    });
    await Promise.race(outcomes);
    one.signal('SIGTERM');
    // Requests that came too late were not executed.
    const acknowledged = await Promise.all(outcomes.map((outcome) => outcome.catch(() => false)));
    expect(await one.exited).toMatchObject({ code: 0, signal: null });
    expect(acknowledged).toContain(true);
    for (const [index, hello] of hellos.entries())
      if (acknowledged[index]) expect(await two.end(hello)).toMatchObject({ runtimeStatus: 'COMPLETED' });
  });

  test('of different applications see nothing of each other', async () => {
    const { urls } = await startServers();
    const shop = await serviceOn(urls, '--app', 'shop').ready();
    const crm = await serviceOn(urls, '--app', 'crm').ready();
    await shop.post('hello/h1/start', 'Ada');
    await crm.post('hello/h1/start', 'Grace');
    expect(JSON.stringify((await shop.end('hello/h1')).output)).toContain('Ada');
    expect(JSON.stringify((await crm.end('hello/h1')).output)).toContain('Grace');
  });

  test('are not ready while the server is away, and go on when it is back', async () => {
    const { urls, servers } = await startServers();
    const one = await serviceOn(urls).ready();
    expect(await one.post('order/o1/start', ORDER)).toMatchObject({ status: 202 });
    await servers[0]!.kill();
    await eventually('it is not ready', async () => (await readiness(one)) === 503);
    await servers[0]!.start();
    await eventually('it is ready', async () => (await readiness(one)) === 200);
    expect(await one.post('order/o1/raiseEvent/approved', { by: 'Ada' })).toMatchObject({ status: 202 });
    expect(await one.end('order/o1')).toMatchObject({ runtimeStatus: 'COMPLETED' });
  });

  test('wait for a server that comes later', async () => {
    const server = await NatsServer.prepare('late', await temporaryFolder(), { program: natsServerProgram() });
    onTestFinished(() => server.kill());
    const service = serviceOn([server.url]);
    await eventually('it waits', () => service.output.includes('waiting for NATS and its JetStream'));
    await server.start();
    await service.ready();
    await service.post('hello/h1/start', 'Ada');
    expect(await service.end('hello/h1')).toMatchObject({ runtimeStatus: 'COMPLETED' });
  });

  test('keep three copies in a cluster of servers, and say so', async () => {
    const servers = await startServers(3);
    await servers.waitForLeader();
    const service = await serviceOn(servers.urls).ready();
    expect(service.output).toContain('replicas: 3');
    expect(service.output).toContain('the servers form the cluster');
    expect(await servers.waitForLeader('TROUPE_default_0')).toBeDefined();
  });

  test('are refused in one line when they ask for what the servers or the layout do not have', async () => {
    const { urls } = await startServers();
    const impossible = await serviceOn(urls, '--replicas', '3').exited;
    expect(impossible.code).toBe(1);
    expect(impossible.output.split('\n').filter((line) => line.startsWith('troupe: '))).toHaveLength(1);
    expect(impossible.output).toMatch(/replicas/);
    expect(impossible.output).not.toContain('    at ');
    await serviceOn(urls, '--replicas', '1').ready();
  });
});
