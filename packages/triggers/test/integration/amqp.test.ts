// What is expected of every kind, of AMQP: RabbitMQ with a durable queue.

import { connect, type ChannelModel } from 'amqplib';
import type { AmqpOptions } from '../../src/amqp.ts';
import { eventually } from '../../../nats/test/integration/eventually.ts';
import { describeWithServer } from '../servers/needs-servers.ts';
import { RabbitServer } from '../servers/rabbitmq.ts';
import type { Origin, PublishOptions, Published, SourceKit } from './source-kit.ts';
import { sourceSuite } from './source-suite.ts';

const APP = 'shop';

const kit: SourceKit<RabbitServer> = {
  kind: 'amqp',
  runsOn: 'every-host',
  server: () => RabbitServer.start(),
  async origin(server, name) {
    const options: AmqpOptions = { url: server.url, queue: name };
    await withConnection(server, async (connection) => {
      const channel = await connection.createChannel();
      await channel.assertQueue(name, { durable: true });
    });
    return {
      options,
      publish: (numbers, _hosts, more) => publish(server, name, numbers, more),
      publishAgain: async (numbers) => void (await publish(server, name, numbers)),
      unacknowledged: async () => {
        // Messages that a reader has are counted only by the one that it is: a consumer with a prefetch of all has none.
        return await withConnection(server, async (connection) => {
          const channel = await connection.createChannel();
          return (await channel.checkQueue(name)).messageCount;
        });
      },
    } satisfies Origin;
  },
};

async function withConnection<T>(server: RabbitServer, work: (connection: ChannelModel) => Promise<T>): Promise<T> {
  // It may be restarted right now.
  const connection = await eventually('RabbitMQ takes a connection', () => connect(server.url));
  connection.on('error', () => {});
  try {
    return await work(connection);
  } finally {
    await connection.close();
  }
}

async function publish(
  server: RabbitServer,
  queue: string,
  numbers: readonly number[],
  { paddingBytes, traceparent }: PublishOptions = {},
): Promise<Published[]> {
  return await withConnection(server, async (connection) => {
    const channel = await connection.createConfirmChannel();
    for (const number of numbers) {
      const data = { number, ...(paddingBytes !== undefined && { text: 'x'.repeat(paddingBytes) }) };
      channel.sendToQueue(queue, Buffer.from(JSON.stringify(data)), {
        persistent: true,
        appId: APP,
        messageId: `${queue}-${number}`,
        contentType: 'application/json',
        headers: { ...(traceparent !== undefined && { traceparent }) },
      });
    }
    await channel.waitForConfirms();
    return numbers.map((number) => ({ source: APP, id: `${queue}-${number}`, value: number }));
  });
}

await describeWithServer('rabbitmq-server', 'amqp', () => sourceSuite(kit));
