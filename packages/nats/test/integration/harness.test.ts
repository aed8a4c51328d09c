// The harness itself: that its verbs do what they say, and that nothing is left when a test is killed.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { connect, type NatsConnection } from '@nats-io/transport-node';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { childProgram } from '../../../../scripts/bundled.mjs';
import { eventually } from './eventually.ts';
import { Link } from './link.ts';
import { NatsServers } from './nats-servers.ts';
import { describeWithNats, natsServerProgram } from './needs-server.ts';

const closing: (() => Promise<void>)[] = [];

afterEach(async () => {
  for (const close of closing.splice(0).toReversed()) await close();
});

async function start(count: 1 | 3): Promise<NatsServers> {
  const servers = await NatsServers.start(count, { program: natsServerProgram(), syncInterval: 'always' });
  closing.push(() => servers.end());
  return servers;
}

async function client(servers: string | string[]): Promise<NatsConnection> {
  const connection = await connect({ servers, reconnectTimeWait: 50, maxReconnectAttempts: -1, pingInterval: 600_000 });
  closing.push(() => connection.close());
  return connection;
}

/** Asks JetStream for something. */
async function ask(connection: NatsConnection, subject: string, body: object = {}): Promise<Record<string, unknown>> {
  const reply = await connection.request(`$JS.API.${subject}`, JSON.stringify(body), { timeout: 5_000 });
  const answer = reply.json<Record<string, unknown>>();
  if (answer['error'] !== undefined) throw new Error(JSON.stringify(answer['error']));
  return answer;
}

describeWithNats('one server', () => {
  test('keeps its port and what is stored over kill and restart', async () => {
    const servers = await start(1);
    const [server] = servers.servers;
    const connection = await client(servers.urls);
    await ask(connection, 'STREAM.CREATE.kept', { name: 'kept', subjects: ['kept.*'] });
    await connection.request('kept.a', 'something');

    await server!.kill();
    expect(server!.running).toBe(false);
    await server!.start();
    await server!.restart();

    const info = await eventually('the client is back', () => ask(connection, 'STREAM.INFO.kept'));
    expect(info['state']).toMatchObject({ messages: 1 });
  });

  test('answers nothing while it is frozen, and everything afterwards', async () => {
    const servers = await start(1);
    const [server] = servers.servers;
    const connection = await client(servers.urls);
    server!.freeze();
    // The signal takes effect when the system gets to it: what is asked before may be answered.
    let answered = true;
    let flushed: Promise<void> | undefined;
    for (let tries = 0; answered && tries < 50; tries++) {
      answered = false;
      flushed = connection.flush().then(() => {
        answered = true;
      });
      await new Promise((resolve) => setTimeout(resolve, 200));
    }
    expect(answered).toBe(false);
    server!.thaw();
    await flushed;
  });

  test('says why it does not start', async () => {
    const options = { program: natsServerProgram(), configuration: 'nonsense {' };
    await expect(NatsServers.start(1, options)).rejects.toThrow(/n1 did not start/);
  });
});

describeWithNats('a cluster of three', () => {
  test('elects another leader when the one of a stream is killed', async () => {
    const servers = await start(3);
    await servers.waitForLeader();
    const connection = await client(servers.urls);
    await eventually('the stream is made', () =>
      ask(connection, 'STREAM.CREATE.three', { name: 'three', subjects: ['three.*'], num_replicas: 3 }),
    );
    const first = await servers.waitForLeader('three');
    await first.kill();
    const second = await servers.waitForLeader('three');
    expect(second.name).not.toBe(first.name);
    await first.start();
    await eventually('the stream takes a message', async () => {
      const reply = await connection.request('three.a', 'x', { timeout: 2_000 });
      return reply.json<{ seq?: number }>().seq;
    });
  });
});

describeWithNats('a link', () => {
  let link: Link;
  let connection: NatsConnection;
  let direct: NatsConnection;

  beforeEach(async () => {
    const servers = await start(1);
    link = await Link.to(servers.servers[0]!.port);
    closing.push(() => link.close());
    connection = await client(link.url);
    direct = await client(servers.urls);
  });

  test('that is cut holds back what is sent, and lets it through when it is healed', async () => {
    link.cut();
    let flushed = false;
    const flush = connection.flush().then(() => {
      flushed = true;
    });
    await direct.flush();
    expect(flushed).toBe(false);
    link.heal();
    await flush;
  });

  test('that is cut one way lets the other through', async () => {
    const heard: string[] = [];
    direct.subscribe('word', { callback: (_, message) => void heard.push(message.string()) });
    await direct.flush();
    link.cut('toClient');
    connection.publish('word', 'still sent');
    let flushed = false;
    const flush = connection.flush().then(() => {
      flushed = true;
    });
    await eventually('it is heard', () => heard.includes('still sent'));
    expect(flushed).toBe(false);
    link.heal();
    await flush;
  });

  test('that delays is slow', async () => {
    link.delay(100);
    const beginMs = performance.now();
    await connection.flush();
    // There and back; never sooner, however busy the machine is.
    expect(performance.now() - beginMs).toBeGreaterThan(190);
  });

  test('that is reset loses the connection, and takes the next', async () => {
    const statuses: string[] = [];
    void (async () => {
      for await (const { type } of connection.status()) statuses.push(type);
    })();
    link.reset();
    await eventually('the client is back', () => statuses.includes('reconnect'));
    await connection.flush();
  });
});

describeWithNats('what is left of a test that is killed', () => {
  test('is nothing: no server, no folder', async () => {
    const program = fileURLToPath(new URL('killed-user.ts', import.meta.url));
    const user = spawn(process.execPath, [...(await childProgram(program)), natsServerProgram()], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const [line] = (await once(user.stdout, 'data')) as [Buffer];
    const { url, folder } = JSON.parse(line.toString()) as { url: string; folder: string };
    expect(existsSync(folder)).toBe(true);
    const connection = await connect({ servers: url, reconnect: false });
    user.kill('SIGKILL');
    await connection.closed();
    await eventually('the folder is gone', () => !existsSync(folder));
  });
});
