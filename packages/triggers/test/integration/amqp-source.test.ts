// The source against RabbitMQ, alone: what the suite (amqp.test.ts) cannot see.

import { connect, type ChannelModel, type ConfirmChannel } from 'amqplib';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest';
import { amqp, type AmqpOptions } from '../../src/amqp.ts';
import type { SourceReader } from '../../src/source.ts';
import { eventually } from '../../../nats/test/integration/eventually.ts';
import { describeWithServer } from '../servers/needs-servers.ts';
import { RabbitServer } from '../servers/rabbitmq.ts';
import { TestSourceContext } from '../source-context.ts';
import { thorough } from './thorough.ts';

test('options that can never work are refused at once, without their secrets', () => {
  const refused =
    (options: unknown): (() => unknown) =>
    () =>
      amqp(options as AmqpOptions);
  expect(refused({ url: 'http://user:secret@there', queue: 'orders' })).toThrow(/amqp:\/\/user:password@host/);
  expect(refused({ url: 'amqp://user:secret@there:port', queue: 'orders' })).toThrow(/^(?!.*secret).*$/);
  expect(refused({ url: 'amqp://there' })).toThrow(/"queue"/);
  expect(refused({ url: 'amqp://there', queue: 'orders', declare: { bindings: [{}] } })).toThrow(/binding/);
});

await describeWithServer('rabbitmq-server', 'amqp', () => {
  let server: RabbitServer;
  let connection: ChannelModel;
  let channel: ConfirmChannel;
  let queue: string;
  let queues = 0;
  const readers: SourceReader[] = [];

  beforeAll(async () => {
    server = await RabbitServer.start();
  }, 120_000);
  afterAll(async () => {
    await server?.end();
  });
  beforeEach(async () => {
    queue = `orders-${++queues}`;
    await connectAgain();
    await channel.assertQueue(queue, { durable: true });
  });
  afterEach(async () => {
    for (const reader of readers.splice(0)) await reader.close();
    await connection.close().catch(() => {});
  });

  async function connectAgain(): Promise<void> {
    connection = await connect(server.url);
    connection.on('error', () => {});
    channel = await connection.createConfirmChannel();
    channel.on('error', () => {});
  }

  async function open(context: TestSourceContext, options: Partial<AmqpOptions> = {}): Promise<SourceReader> {
    const reader = await amqp({ url: server.url, queue, ...options }).open(context);
    readers.push(reader);
    return reader;
  }

  /** Messages that wait, and after the readers have gone those that they had. */
  async function count(): Promise<number> {
    return (await channel.checkQueue(queue)).messageCount;
  }

  test('a message is handed over with all that it says of itself, and acknowledged when it is settled', async () => {
    const context = new TestSourceContext();
    const reader = await open(context);
    channel.sendToQueue(queue, Buffer.from('{"n":1}'), {
      appId: 'shop',
      messageId: 'm-1',
      type: 'order.created',
      contentType: 'application/json',
      correlationId: 'c-1',
      timestamp: 1_700_000_000,
      headers: { traceparent: '00-1-2-01', Count: 3, 'cloudEvents:partitionkey': 'k', nested: { a: [1] } },
    });
    channel.sendToQueue(queue, Buffer.from('plain'));
    await eventually('both are here', () => context.handedOver.length === 2);
    const [first, second] = context.raws;
    expect(first).toEqual({
      body: Buffer.from('{"n":1}'),
      contentType: 'application/json',
      attributes: { partitionkey: 'k' },
      headers: {
        traceparent: '00-1-2-01',
        count: '3',
        nested: '{"a":[1]}',
        exchange: '',
        'routing-key': queue,
        redelivered: 'false',
        'correlation-id': 'c-1',
      },
      plain: { source: 'shop', id: 'm-1', type: 'order.created', time: '2023-11-14T22:13:20.000Z' },
    });
    expect(second!.plain).toEqual({ source: `amqp:${queue}`, id: undefined, type: queue });

    context.handedOver[0]!.settle('started');
    await reader.drain();
    context.handedOver[1]!.settle('released');
    await reader.close();
    expect(await count()).toBe(1);
    const left = await channel.get(queue, { noAck: true });
    expect(left && [left.content.toString(), left.fields.redelivered]).toEqual(['plain', true]);
  });

  test('it takes no more than there is room for, and says how many wait', async () => {
    const context = new TestSourceContext({ concurrency: 3 });
    const reader = await open(context);
    for (let number = 0; number < 50; number++) channel.sendToQueue(queue, Buffer.from(String(number)));
    await eventually('as many as there is room for', () => context.handedOver.length === 3);
    expect(await eventually('the rest waits', async () => (await reader.lag!()) === 47 && 47)).toBe(47);
    context.settleAs = 'started';
    for (const one of [...context.handedOver]) one.settle('started');
    await eventually('all came', () => context.handedOver.length === 50);
    expect(context.outMax).toBe(3);
    expect(new Set(context.texts).size).toBe(50);
    await reader.close();
    expect(await count()).toBe(0);
  });

  test.runIf(thorough)('messages that find no room for long go to another reader', async () => {
    const [paused, other] = [new TestSourceContext(), new TestSourceContext({ settleAs: 'started' })];
    await open(paused);
    await eventually('it reads', () => paused.works > 0);
    paused.pause(true);
    for (let number = 0; number < 8; number++) channel.sendToQueue(queue, Buffer.from(String(number)));
    await eventually('the paused one has them', async () => (await count()) === 0);
    await open(other);
    await eventually('the other gets them', () => other.handedOver.length === 8);
    paused.pause(false);
    await eventually('it reads again', () => paused.works > 1);
    channel.sendToQueue(queue, Buffer.from('more'));
    await eventually('somebody gets it', () => other.handedOver.length + paused.handedOver.length === 9);
    for (const one of paused.handedOver) one.settle('started');
  });

  test('a queue that is not there is a failure until it is, and one that is deleted again', async () => {
    queue = `later-${queues}`;
    const context = new TestSourceContext({ settleAs: 'started' });
    await open(context);
    await eventually('it fails', () => String(context.failure).includes('NOT_FOUND'));
    expect(String(context.failure)).not.toContain('guest:guest');
    await channel.assertQueue(queue, { durable: true });
    await eventually('it works', () => context.failure === undefined && context.works > 0);
    await channel.deleteQueue(queue);
    await eventually('it fails again', () => context.failure !== undefined);
    await channel.assertQueue(queue, { durable: true });
    channel.sendToQueue(queue, Buffer.from('after'));
    await eventually('it reads again', () => context.texts.includes('after'));
  });

  test('a queue is declared and bound if that is asked for', async () => {
    await channel.assertExchange('events', 'topic', { durable: true });
    queue = `declared-${queues}`;
    const context = new TestSourceContext({ settleAs: 'started' });
    const bindings = [{ exchange: 'events', routingKey: 'orders.*' }];
    await open(context, { declare: { bindings, arguments: { 'x-queue-type': 'quorum' } }, source: 'urn:shop' });
    await eventually('it works', () => context.works > 0);
    channel.publish('events', 'orders.created', Buffer.from('{}'), { appId: 'other' });
    await eventually('it came', () => context.handedOver.length === 1);
    expect(context.raws[0]).toMatchObject({
      headers: { exchange: 'events', 'routing-key': 'orders.created' },
      plain: { source: 'urn:shop', type: 'orders.created' },
    });
  });

  test('what is out when the broker is killed comes again, and a late settlement harms nothing', async () => {
    const context = new TestSourceContext({ concurrency: 4 });
    await open(context);
    for (let number = 0; number < 4; number++) {
      channel.sendToQueue(queue, Buffer.from(String(number)), { persistent: true });
    }
    await channel.waitForConfirms();
    await eventually('all are out', () => context.handedOver.length === 4);
    await server.kill();
    await eventually('it fails', () => context.failure !== undefined);
    for (const one of context.handedOver.slice(0, 2)) one.settle('started');
    context.settleAs = 'duplicate';
    await server.start();
    await connectAgain();
    for (const one of context.handedOver.slice(2, 4)) one.settle('started');
    await eventually('all came again', () => context.handedOver.length >= 8);
    expect(new Set(context.texts.slice(4))).toEqual(new Set(['0', '1', '2', '3']));
    expect(context.raws.slice(4).map(({ headers }) => headers['redelivered'])).toEqual(Array(4).fill('true'));
    await eventually('all is acknowledged', async () => (await count()) === 0);
  }, 120_000);

  test('it is closed while the broker is away', async () => {
    await connection.close();
    await server.kill();
    const context = new TestSourceContext();
    const reader = await open(context);
    await eventually('it fails', () => context.failure !== undefined);
    context.stop();
    await reader.drain();
    await reader.close();
    await server.start();
  }, 120_000);
});
