// The servers of tests themselves: each takes something from its client, keeps it when it is killed (or says that it does not),
// and nothing of it is left when its user is killed.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { jetstream, jetstreamManager } from '@nats-io/jetstream';
import { connect as connectNats } from '@nats-io/transport-node';
import { connect as connectAmqp } from 'amqplib';
import { Kafka, logLevel } from 'kafkajs';
import { connect as connectMqtt, connectAsync, type IClientOptions } from 'mqtt';
import { Client } from 'pg';
import { createClient } from 'redis';
import { afterEach, expect, test, vi } from 'vitest';
import { childProgram } from '../../../../scripts/bundled.mjs';
import type { ServerName } from '../../../../scripts/servers.mjs';
import { isAlive } from '../../../../scripts/lock.mjs';
import { eventually } from '../../../nats/test/integration/eventually.ts';
import { KafkaServer } from '../servers/kafka.ts';
import { MosquittoServer } from '../servers/mosquitto.ts';
import { JetStreamServer } from '../servers/nats.ts';
import { describeWithServer } from '../servers/needs-servers.ts';
import { PostgresServer } from '../servers/postgres.ts';
import { RabbitServer } from '../servers/rabbitmq.ts';
import { RedisServer } from '../servers/redis.ts';
import { thorough } from './thorough.ts';

// Servers start, and more than once.
vi.setConfig({ testTimeout: 5 * 60_000 });

const closing: (() => unknown)[] = [];

afterEach(async () => {
  for (const close of closing.splice(0).toReversed()) await close();
});

/** Ends it after the test. */
function ending<T extends { end(): Promise<void> }>(server: T): T {
  closing.push(() => server.end());
  return server;
}

/** That it comes back at the same port, twice: after a SIGKILL, and as an operator restarts it. */
async function killAndRestart(server: {
  readonly port: number;
  readonly running: boolean;
  kill(): Promise<void>;
  start(): Promise<void>;
  restart(): Promise<void>;
}): Promise<void> {
  const { port } = server;
  await server.kill();
  expect(server.running).toBe(false);
  await server.start();
  await server.restart();
  expect(server.running).toBe(true);
  expect(server.port).toBe(port);
}

function endsWithItsUser(name: ServerName): void {
  test('is gone with its folder when its user is killed', async () => {
    const program = fileURLToPath(new URL('../servers/killed-user.ts', import.meta.url));
    const user = spawn(process.execPath, [...(await childProgram(program)), name], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const [line] = (await once(user.stdout, 'data')) as [Buffer];
    const { pids, folder } = JSON.parse(line.toString()) as { pids: number[]; folder: string };
    expect(existsSync(folder)).toBe(true);
    expect(pids.length).toBeGreaterThan(0);
    expect(pids.every((pid) => isAlive({ pid }))).toBe(true);
    user.kill('SIGKILL');
    await eventually('the processes are gone', () => !pids.some((pid) => isAlive({ pid })));
    await eventually('the folder is gone', () => !existsSync(folder));
  });
}

await describeWithServer('nats-server', 'nats-server', () => {
  test('keeps what a stream holds', async () => {
    const server = ending(await JetStreamServer.start());
    const connection = await connectNats({ servers: server.url });
    await (await jetstreamManager(connection)).streams.add({ name: 'kept', subjects: ['kept.*'] });
    await jetstream(connection).publish('kept.a', 'something');
    await connection.close();

    await killAndRestart(server);

    const again = await connectNats({ servers: server.url });
    closing.push(() => again.close());
    const message = await (await jetstreamManager(again)).streams.getMessage('kept', { seq: 1 });
    expect(message?.string()).toBe('something');
  });

  endsWithItsUser('nats-server');
});

await describeWithServer('mosquitto', 'mosquitto', () => {
  test('keeps what waits for a session', async () => {
    const server = ending(await MosquittoServer.start());
    const session: IClientOptions = { clientId: 'reader', clean: false, protocolVersion: 4, reconnectPeriod: 0 };
    const reader = await connectAsync(server.url, session);
    await reader.subscribeAsync('kept/#', { qos: 1 });
    await reader.endAsync();
    const writer = await connectAsync(server.url, { reconnectPeriod: 0 });
    await writer.publishAsync('kept/a', 'something', { qos: 1 });
    await writer.endAsync();
    await server.save();

    await killAndRestart(server);

    const again = connectMqtt(server.url, session);
    closing.push(() => again.endAsync(true));
    const [topic, payload] = await new Promise<[string, Buffer]>((resolve, reject) => {
      again.once('message', (topic, payload) => resolve([topic, payload]));
      again.once('error', reject);
    });
    expect([topic, payload.toString()]).toEqual(['kept/a', 'something']);
  });

  endsWithItsUser('mosquitto');
});

await describeWithServer('redis-server', 'redis-server', () => {
  test('keeps a stream and what its group has taken', async () => {
    const server = ending(await RedisServer.start());
    const client = createClient({ url: server.url });
    await client.connect();
    await client.xGroupCreate('kept', 'readers', '0', { MKSTREAM: true });
    const id = await client.xAdd('kept', '*', { word: 'something' });
    await client.xReadGroup('readers', 'me', { key: 'kept', id: '>' }, { COUNT: 1 });
    await client.close();

    await killAndRestart(server);

    const again = createClient({ url: server.url });
    await again.connect();
    closing.push(() => again.close());
    const pending = await again.xPending('kept', 'readers');
    expect(pending).toMatchObject({ pending: 1, firstId: id });
    expect(await again.xRange('kept', '-', '+')).toMatchObject([{ id, message: { word: 'something' } }]);
  });

  endsWithItsUser('redis-server');
});

await describeWithServer('rabbitmq-server', 'rabbitmq-server', () => {
  test.runIf(thorough)('keeps what waits in a queue', async () => {
    const server = ending(await RabbitServer.start());
    const queue = 'what-is-kept';
    const connection = await connectAmqp(server.url);
    const channel = await connection.createConfirmChannel();
    await channel.assertQueue(queue, { durable: true });
    channel.sendToQueue(queue, Buffer.from('something'), { persistent: true });
    await channel.waitForConfirms();
    await connection.close();
    await server.declared(queue);

    await killAndRestart(server);

    const again = await connectAmqp(server.url);
    closing.push(() => again.close());
    const message = await (await again.createChannel()).get(queue, { noAck: true });
    expect(message === false ? undefined : message.content.toString()).toBe('something');
  });

  endsWithItsUser('rabbitmq-server');
});

await describeWithServer('postgres', 'postgres', () => {
  test('keeps what is committed', async () => {
    const server = ending(await PostgresServer.start());
    const client = new Client(server.url);
    await client.connect();
    await client.query('CREATE TABLE kept (word text)');
    await client.query("INSERT INTO kept VALUES ('something')");
    await client.end();

    await killAndRestart(server);

    const again = new Client(server.url);
    await again.connect();
    closing.push(() => again.end());
    expect((await again.query('SELECT word FROM kept')).rows).toEqual([{ word: 'something' }]);
  });

  endsWithItsUser('postgres');
});

await describeWithServer('kcat', 'a mock of Kafka', () => {
  /** A record is sent, read by a group, and committed. */
  async function roundTrip(server: KafkaServer): Promise<void> {
    const kafka = new Kafka({ clientId: 'test', brokers: [server.url], logLevel: logLevel.NOTHING });
    const producer = kafka.producer();
    await producer.connect();
    closing.push(() => producer.disconnect());
    await producer.send({ topic: 'words', messages: [{ key: 'a', value: 'something', headers: { 'ce-id': '1' } }] });

    const consumer = kafka.consumer({ groupId: 'readers', heartbeatInterval: 500, sessionTimeout: 6_000 });
    await consumer.connect();
    closing.push(() => consumer.disconnect());
    await consumer.subscribe({ topics: ['words'], fromBeginning: true });
    const read: string[] = [];
    await consumer.run({
      autoCommit: false,
      eachMessage: async ({ topic, partition, message }) => {
        await consumer.commitOffsets([{ topic, partition, offset: `${Number(message.offset) + 1}` }]);
        read.push(`${String(message.headers?.['ce-id'])} ${String(message.value)}`);
      },
    });
    await eventually('the record is read', () => read.length > 0);
    expect(read).toEqual(['1 something']);
    const admin = kafka.admin();
    await admin.connect();
    closing.push(() => admin.disconnect());
    const committed = await admin.fetchOffsets({ groupId: 'readers', topics: ['words'] });
    const offsets = committed.flatMap(({ partitions }) => partitions.map(({ offset }) => offset));
    expect(offsets.filter((offset) => offset === '1')).toHaveLength(1);
  }

  test.runIf(thorough)('takes records and gives them to a group; nothing survives its end', async () => {
    const server = ending(await KafkaServer.start());
    await roundTrip(server);
    for (const close of closing.splice(1).toReversed()) await close();

    await server.kill();
    expect(() => server.url).toThrow('does not run');
    await server.start();
    // Exactly one record again: the first is not there any more.
    await roundTrip(server);
  });

  endsWithItsUser('kcat');
});
