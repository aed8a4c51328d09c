// `npm start -- --nats …` against real servers: what it waits for, and what it is refused.

import { createServer, type AddressInfo } from 'node:net';
import { expect, onTestFinished, test } from 'vitest';
import { Child } from '../../../nats/test/integration/child.ts';
import { eventually } from '../../../nats/test/integration/eventually.ts';
import { freePort } from '../../../nats/test/integration/free-port.ts';
import { NatsServers } from '../../../nats/test/integration/nats-servers.ts';
import { describeWithNats, natsServerProgram } from '../../../nats/test/integration/needs-server.ts';
import { ServiceProcess, temporaryFolder, type Exit } from './harness.ts';

async function startServer(configuration = ''): Promise<string> {
  const servers = await NatsServers.start(1, { program: natsServerProgram(), configuration });
  onTestFinished(() => servers.end());
  return servers.urls[0]!;
}

/** What a service says that does not start: one line of ours, and no stack. */
async function refusal(url: string, environment: Readonly<Record<string, string>> = {}): Promise<string> {
  const exit: Exit = await new ServiceProcess(['--port', '0', '--nats', url], environment).exited;
  expect(exit).toMatchObject({ code: 1, signal: null });
  const lines = exit.output.split('\n').filter((line) => line.startsWith('troupe: '));
  expect(lines).toHaveLength(1);
  expect(exit.output).not.toContain('    at ');
  return lines[0]!;
}

test('without a server it says what it waits for, and a signal ends it', async () => {
  const url = `nats://127.0.0.1:${await freePort()}`;
  const service = new ServiceProcess(['--port', '0', '--nats', url]);
  await eventually('it waits', () => service.output.includes('waiting for NATS and its JetStream'));
  expect(service.output).toContain(url);
  expect(service.output).toContain('connection refused');
  // To npm alone: it hands on what its group was sent too, and that may meet a process that is ending.
  service.signal('SIGINT');
  expect(await service.exited).toMatchObject({ code: 0, signal: null });
  expect(service.output).toContain('stopping before it has served');
  expect(service.output).not.toContain('it would not have served');
});

test('what is there and is no NATS is told at once', async () => {
  const server = createServer((socket) => {
    socket.on('error', () => {});
    socket.end('HTTP/1.1 400 Bad Request\r\n\r\n');
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => void server.close());
  const url = `nats://127.0.0.1:${(server.address() as AddressInfo).port}`;
  expect(await refusal(url)).toContain(`NATS at ${url} cannot be used: unexpected response`);
});

test('a folder and servers exclude each other', async () => {
  const exit = await new ServiceProcess(['--nats', 'nats://127.0.0.1:1', '--data', await temporaryFolder()]).exited;
  expect(exit.code).toBe(2);
  expect(exit.output).toContain('--nats and --data exclude each other');
});

describeWithNats('with a server', () => {
  const USERS = `accounts {
  APP { jetstream: enabled, users: [
    { user: ada, password: right },
    { user: bob, password: bobs, permissions: { publish: ["tr.>"] } } ] }
  BARE { users: [{ user: eve, password: eves }] }
}`;

  test('a wrong user, one who may not use JetStream and an account without it are told apart', async () => {
    const url = await startServer(USERS);
    expect(await refusal(url)).toContain('Authorization Violation');
    const wrong = await refusal(url, { NATS_USER: 'ada', NATS_PASSWORD: 'wrong-secret' });
    expect(wrong).toContain('Authorization Violation');
    expect(wrong).not.toContain('wrong-secret');
    expect(await refusal(url, { NATS_USER: 'bob', NATS_PASSWORD: 'bobs' })).toContain('Permissions Violation');
    expect(await refusal(url, { NATS_USER: 'eve', NATS_PASSWORD: 'eves' })).toMatch(/JetStream.*cannot be used/i);
  });

  test('one without JetStream is told how to have it', async () => {
    const port = await freePort();
    const server = new Child(natsServerProgram(), ['-a', '127.0.0.1', '-p', String(port)], { stdio: 'ignore' });
    onTestFinished(() => server.kill());
    const url = `nats://127.0.0.1:${port}`;
    // It may wait a moment until the server listens.
    expect(await refusal(url)).toContain('JetStream is off at');
  });
});
