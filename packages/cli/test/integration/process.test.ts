import { connect, createServer, type AddressInfo } from 'node:net';
import { expect, test } from 'vitest';
import { ServiceProcess, startService, temporaryFolder } from './harness.ts';

test('a second service on the same folder is refused, and told who has it', async () => {
  const folder = await temporaryFolder();
  const first = await startService(folder);
  const second = await new ServiceProcess(['--port', '0', '--data', folder]).exited;
  expect(second.code).toBe(1);
  expect(second.output).toContain(folder);
  expect(second.output).toMatch(/is open in process \d+/);
  expect(second.output).not.toContain('    at ');
  expect(await first.post('hello/h1/start', 'Ada')).toMatchObject({ status: 202 });
});

test.each(['--port', '--grpc-port'])(
  'a port that is taken is named, and the folder is free again: %s',
  async (flag) => {
    const folder = await temporaryFolder();
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    try {
      const { port } = server.address() as AddressInfo;
      const exit = await new ServiceProcess(['--port', '0', flag, String(port), '--data', folder]).exited;
      expect(exit.code).toBe(1);
      expect(exit.output).toContain(
        `port ${port} cannot be used: another process listens on it; name another one with ${flag}`,
      );
      expect(exit.output).not.toContain('    at ');
    } finally {
      server.close();
    }
    await startService(folder);
  },
);

test('flags that make no sense are answered with the usage', async () => {
  for (const args of [['--prot', '3500'], ['--port', '99999'], ['--port'], ['more']]) {
    const exit = await new ServiceProcess(args).exited;
    expect(exit.code).toBe(2);
    expect(exit.output).toContain('--port PORT');
  }
});

test('two services run side by side and see nothing of each other', async () => {
  const one = await startService(await temporaryFolder());
  const other = await startService(await temporaryFolder());
  expect(one.url).not.toBe(other.url);
  await one.post('hello/h1/start', 'Ada');
  await other.post('hello/h1/start', 'Grace');
  expect(JSON.stringify((await one.end('hello/h1')).output)).toContain('Ada');
  expect(JSON.stringify((await other.end('hello/h1')).output)).toContain('Grace');
  await one.kill();
  expect(await other.get('hello/h1')).toMatchObject({ status: 200 });
});

test('without the examples there is nothing to start', async () => {
  const service = await startService(await temporaryFolder(), '--no-examples', '--grpc-port', '0');
  expect(service.output).not.toContain('curl');
  expect(service.output).toMatch(/Durable Task SDKs: 127\.0\.0\.1:\d+/);
  expect(await service.post('hello/h1/start', 'Ada')).toMatchObject({ status: 404 });
});

for (const how of ['to npm alone', 'to the whole group, as Ctrl-C does']) {
  for (const signal of ['SIGTERM', 'SIGINT'] as const) {
    test(`${signal} ${how} stops gracefully and loses nothing`, async () => {
      const folder = await temporaryFolder();
      const service = await startService(folder);
      const paths = Array.from({ length: 50 }, (_, number) => `hello/h${number}`);
      const started = paths.map(async (path) => {
        const { status } = await service.post(`${path}/start`, 'Ada');
        return status === 202;
      });
      await Promise.race(started);
      if (how === 'to npm alone') service.signal(signal);
      else service.signalGroup(signal);
      // Requests that came too late were not executed.
      const outcomes = await Promise.all(started.map((one) => one.catch(() => false)));
      expect(await service.exited).toMatchObject({ code: 0, signal: null });
      expect(service.output).toContain('stopped');
      expect(outcomes).toContain(true);

      const next = await startService(folder);
      for (const [number, acknowledged] of outcomes.entries()) {
        if (acknowledged) expect(await next.end(paths[number]!)).toMatchObject({ runtimeStatus: 'COMPLETED' });
      }
    });
  }
}

test('a second signal ends a service that waits for a slow client', async () => {
  const service = await startService(await temporaryFolder());
  const { hostname, port, host } = new URL(service.url);
  const client = connect(Number(port), hostname);
  client.on('error', () => {});
  client.write(`POST /v1.0/workflows/hello/h1/start HTTP/1.1\r\nHost: ${host}\r\nContent-Length: 10\r\n\r\n"A`);
  // A request that has begun to arrive is waited for.
  await new Promise((resolve) => setTimeout(resolve, 300));
  service.signal('SIGTERM');
  await new Promise((resolve) => setTimeout(resolve, 1_000));
  expect(service.output).toContain('stopping');
  expect(service.output).not.toContain('stopped');
  service.signal('SIGTERM');
  expect(await service.exited).toMatchObject({ signal: 'SIGTERM' });
  client.destroy();
});

test('a service whose npm was killed stops by itself and frees the folder', async () => {
  const folder = await temporaryFolder();
  const service = await startService(folder);
  service.signal('SIGKILL');
  // Closed when the last process that writes to it has ended.
  await service.exited;
  await startService(folder);
});
