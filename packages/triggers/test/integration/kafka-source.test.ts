// The source against a cluster of Kafka, alone: what the suite (kafka.test.ts) cannot see.

import { connect, type Socket } from 'node:net';
import { Kafka, logLevel, type Message, type Producer } from 'kafkajs';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest';
import { kafka, type KafkaOptions } from '../../src/kafka.ts';
import type { SourceReader } from '../../src/source.ts';
import { eventually } from '../../../nats/test/integration/eventually.ts';
import { KafkaServer } from '../servers/kafka.ts';
import { describeWithServer } from '../servers/needs-servers.ts';
import { TestSourceContext } from '../source-context.ts';
import { thorough } from './thorough.ts';

test('options that can never work are refused at once', () => {
  const client = new Kafka({ brokers: ['there:9092'] });
  const refused =
    (options: unknown): (() => unknown) =>
    () =>
      kafka(options as KafkaOptions);
  expect(refused({ topics: ['orders'] })).toThrow(/"client".*new Kafka/);
  expect(refused({ client, topics: [] })).toThrow(/"topics"/);
  expect(refused({ client, topics: ['orders'], groupId: '' })).toThrow(/"groupId"/);
  expect(refused({ client, topics: ['orders'], sessionTimeoutMs: 10 })).toThrow(/"sessionTimeoutMs".*3000/);
});

await describeWithServer('kcat', 'kafka', () => {
  let server: KafkaServer;
  let client: Kafka;
  let producer: Producer;
  let topic: string;
  let topics = 0;
  const readers: SourceReader[] = [];

  beforeAll(async () => {
    server = await KafkaServer.start();
    client = new Kafka({ brokers: [server.url], logLevel: logLevel.NOTHING });
    producer = client.producer();
    await producer.connect();
  });
  afterAll(async () => {
    await producer?.disconnect();
    await server?.end();
  });
  beforeEach(async () => {
    topic = `orders-${++topics}`;
    // Topics of the mock are there once they were asked for.
    await producer.send({ topic, messages: [{ partition: 3, value: 'first' }] });
  });
  afterEach(async () => {
    for (const reader of readers.splice(0)) await reader.close();
  });

  async function open(context: TestSourceContext, options: Partial<KafkaOptions> = {}): Promise<SourceReader> {
    const reader = await kafka({ client, topics: [topic], groupId: topic, sessionTimeoutMs: 6_000, ...options }).open(
      context,
    );
    readers.push(reader);
    return reader;
  }

  async function send(...messages: (Message | string)[]): Promise<void> {
    const all = messages.map((message) => (typeof message === 'string' ? { value: message } : message));
    await producer.send({ topic, messages: all.map((message) => ({ partition: 0, ...message })) });
  }

  /** What the group has committed of a partition. */
  async function committed(partition = 0): Promise<number> {
    const admin = client.admin();
    await admin.connect();
    try {
      const [offsets] = await admin.fetchOffsets({ groupId: topic, topics: [topic] });
      return Number(offsets!.partitions.find((of) => of.partition === partition)?.offset ?? -1);
    } finally {
      await admin.disconnect();
    }
  }

  test('a message is handed over with all that it says of itself', async () => {
    const context = new TestSourceContext();
    await open(context);
    const headers = { ce_specversion: '1.0', CE_id: 'e-1', 'content-type': 'application/json', Traceparent: 't' };
    await send({ key: 'k', value: '{"n":1}', timestamp: '1700000000000', headers }, { value: null });
    await eventually('they are here', () => context.handedOver.length === 3);
    const [first, second] = context.raws.filter(({ headers }) => headers['partition'] === '0');
    expect(first).toEqual({
      body: Buffer.from('{"n":1}'),
      contentType: 'application/json',
      attributes: { specversion: '1.0', id: 'e-1' },
      headers: {
        'content-type': 'application/json',
        traceparent: 't',
        topic,
        partition: '0',
        offset: '0',
        timestamp: '1700000000000',
        key: 'k',
      },
      plain: {
        source: `kafka:${topic}`,
        id: '0-0',
        type: 'kafka.message',
        subject: 'k',
        time: '2023-11-14T22:13:20.000Z',
      },
    });
    expect(second).toMatchObject({ plain: { id: '0-1' } });
    expect(second!.body).toHaveLength(0);
    for (const one of context.handedOver) one.settle('started');
    await eventually('all is committed', async () => (await committed()) === 2);
  });

  test('offsets are committed up to the first message that is not settled', async () => {
    await send('0', '1', '2', '3', '4');
    const context = new TestSourceContext();
    const reader = await open(context);
    await eventually('all are here', () => context.handedOver.length === 6);
    const byText = new Map(context.handedOver.map((one) => [one.text, one]));
    for (const text of ['first', '0', '2', '3', '4']) byText.get(text)!.settle('started');
    await eventually('one is committed', async () => (await committed()) === 1);
    expect(await reader.lag!()).toBe(4);
    await reader.drain();
    byText.get('1')!.settle('released');
    await reader.close();
    expect(await committed()).toBe(1);

    const next = new TestSourceContext({ settleAs: 'started' });
    await open(next);
    await eventually('the rest came again', () => next.handedOver.length === 4);
    expect(next.texts).toEqual(['1', '2', '3', '4']);
    await eventually('all is committed', async () => (await committed()) === 5);
  });

  test('a message that is released comes again, and no other', async () => {
    await send('0', '1', '2');
    const context = new TestSourceContext();
    await open(context);
    await eventually('all are here', () => context.handedOver.length === 4);
    const byText = new Map(context.handedOver.map((one) => [one.text, one]));
    byText.get('2')!.settle('started');
    byText.get('0')!.settle('released');
    await eventually('it came again', () => context.handedOver.length === 5);
    expect(context.texts[4]).toBe('0');
    await send('3');
    await eventually('it goes on', () => context.texts.includes('3'));
    expect(context.handedOver).toHaveLength(6);
    for (const one of context.handedOver.slice(4)) one.settle('started');
    byText.get('1')!.settle('started');
    await eventually('all is committed', async () => (await committed()) === 4);
  });

  test('it takes no more than there is room for, and stays in its group while there is none', async () => {
    await send(...Array.from({ length: 50 }, (_, number) => String(number)));
    const context = new TestSourceContext({ concurrency: 3 });
    await open(context);
    await eventually('as many as there is room for', () => context.handedOver.length === 3);
    context.settleAs = 'started';
    for (const one of [...context.handedOver]) one.settle('started');
    await eventually('all came', () => context.handedOver.length === 51);
    expect(context.outMax).toBe(3);
    await eventually('all is committed', async () => (await committed()) === 50);
    expect(context.works).toBe(1);
  });

  test.runIf(thorough)(
    'partitions are shared out anew while messages are out, and all of them are settled',
    { timeout: 120_000 },
    async () => {
      const [first, second] = [new TestSourceContext(), new TestSourceContext({ settleAs: 'started' })];
      const messages = [0, 1, 2, 3].map((partition) => ({ partition, value: `out ${partition}` }));
      await send(...messages);
      await open(first);
      await eventually('all are out', () => first.handedOver.length === 5);
      await open(second);
      await eventually('partitions are shared', () => second.works > 0 && first.works > 1);
      await eventually('what was out comes again to the second', () => second.handedOver.length > 0);
      first.settleAs = 'duplicate';
      for (const one of [...first.handedOver]) one.settle('started');
      await send(...[0, 1, 2, 3].map((partition) => ({ partition, value: `more ${partition}` })));
      await eventually('both go on', () => {
        const more = [...first.texts, ...second.texts].filter((text) => text.startsWith('more'));
        return new Set(more).size === 4 && first.texts.some((text) => text.startsWith('more'));
      });
      // What the first one kept came to it once.
      for (const text of new Set(first.texts)) expect(first.texts.filter((other) => other === text)).toEqual([text]);
      for (const partition of [0, 1, 2]) {
        await eventually('all is committed', async () => (await committed(partition)) === 2);
      }
      await eventually('all is committed', async () => (await committed(3)) === 3);
    },
  );

  test.runIf(thorough)(
    'a group that begins after the newest message keeps its beginning',
    { timeout: 120_000 },
    async () => {
      await send('before');
      const context = new TestSourceContext({ settleAs: 'started' });
      const reader = await open(context, { fromBeginning: false });
      await eventually('the beginning is committed', async () => (await committed()) === 1);
      await reader.close();
      await send('while nobody read');
      const next = new TestSourceContext({ settleAs: 'started' });
      await open(next, { fromBeginning: false });
      await eventually('it came', () => next.handedOver.length === 1);
      expect([...context.texts, ...next.texts]).toEqual(['while nobody read']);
    },
  );

  test.runIf(thorough)(
    'brokers that cannot be reached are a failure, and afterwards it goes on',
    { timeout: 180_000 },
    async () => {
      const sockets = new Set<Socket>();
      let cut = false;
      const through = new Kafka({
        brokers: [server.url],
        logLevel: logLevel.NOTHING,
        retry: { retries: 1 },
        socketFactory: ({ host, port, onConnect }) => {
          // Nobody listens there.
          const socket = connect(cut ? { host, port: 1 } : { host, port }, onConnect);
          sockets.add(socket);
          return socket;
        },
      });
      await send('0', '1');
      const context = new TestSourceContext();
      await open(context, { client: through });
      await eventually('all are here', () => context.handedOver.length === 3);
      cut = true;
      for (const socket of sockets) socket.destroy(new Error('the network is cut'));
      await eventually('it fails', () => context.failure !== undefined);
      for (const one of context.handedOver) one.settle('started');
      await send('2');
      cut = false;
      await eventually('it goes on', () => context.texts.includes('2'));
      context.handedOver.at(-1)!.settle('started');
      await eventually('all is committed', async () => (await committed()) === 3);
      expect(context.texts.toSorted()).toEqual(['0', '1', '2', 'first']);
    },
  );
});
