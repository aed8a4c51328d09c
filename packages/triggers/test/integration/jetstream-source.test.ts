import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { jetstream as jetstreamClient, jetstreamManager, type JetStreamManager } from '@nats-io/jetstream';
import { connect, headers, type NatsConnection } from '@nats-io/transport-node';
import { describeWithNats, natsServerProgram } from '../../../nats/test/integration/needs-server.ts';
import { NatsServers, type NatsServer } from '../../../nats/test/integration/nats-servers.ts';
import { eventually } from '../../../nats/test/integration/eventually.ts';
import { SourceError } from '../../src/errors.ts';
import { jetstream, type JetStreamOptions } from '../../src/jetstream.ts';
import type { SourceReader } from '../../src/source.ts';
import { TestSourceContext } from '../source-context.ts';

describeWithNats('the source jetstream', () => {
  let servers: NatsServers;
  let server: NatsServer;
  let connection: NatsConnection;
  let manager: JetStreamManager;
  const readers: SourceReader[] = [];
  let streams = 0;

  beforeAll(async () => {
    servers = await NatsServers.start(1, { program: natsServerProgram() });
    server = servers.servers[0]!;
    connection = await connect({ servers: server.url, maxReconnectAttempts: -1, reconnectTimeWait: 50 });
    manager = await jetstreamManager(connection);
  });

  afterEach(async () => {
    await Promise.all(readers.splice(0).map((reader) => reader.close()));
  });

  afterAll(async () => {
    await connection.close();
    await servers.end();
  });

  async function stream(): Promise<string> {
    const name = `S${++streams}`;
    await manager.streams.add({ name, subjects: [`${name}.>`] });
    return name;
  }

  async function publish(name: string, from: number, to: number): Promise<void> {
    const client = jetstreamClient(connection);
    for (let number = from; number <= to; number++) await client.publish(`${name}.created`, String(number));
  }

  /** The test is connected again too. */
  async function restarted(): Promise<void> {
    await server.start();
    await eventually('JetStream answers', async () => (await manager.getAccountInfo()) !== undefined);
  }

  async function open(context: TestSourceContext, options: Omit<JetStreamOptions, 'servers'>): Promise<SourceReader> {
    const reader = await jetstream({ servers: server.url, ...options }).open(context);
    readers.push(reader);
    return reader;
  }

  const numbers = (from: number, to: number): string[] =>
    Array.from({ length: to - from + 1 }, (_, index) => String(from + index));

  async function ackPending(name: string): Promise<number> {
    const { num_pending, num_ack_pending } = await manager.consumers.info(name, 'troupe-shop-orders');
    return num_pending + num_ack_pending;
  }

  test('hands over what is there and what comes, and acknowledges what was settled', async () => {
    const name = await stream();
    await publish(name, 1, 3);
    const context = new TestSourceContext();
    const reader = await open(context, { stream: name });
    await eventually('three came', () => context.handedOver.length === 3);
    expect(await reader.lag!()).toBe(3);
    await publish(name, 4, 5);
    await eventually('five came', () => context.handedOver.length === 5);
    for (const [index, one] of context.handedOver.entries()) one.settle(index === 0 ? 'dead-lettered' : 'started');
    await eventually('all is acknowledged', async () => (await reader.lag!()) === 0);
    expect(context.texts).toEqual(numbers(1, 5));
    expect(context.failure).toBeUndefined();
  });

  test('names an event by the stream, its sequence and its time, or by its own id', async () => {
    const name = await stream();
    const client = jetstreamClient(connection);
    const own = headers();
    own.set('Nats-Msg-Id', 'order-7');
    own.set('traceparent', '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01');
    own.set('Content-Type', 'application/json');
    await client.publish(`${name}.created`, '{}');
    await client.publish(`${name}.changed`, '{}', { headers: own });
    const cloudEvent = headers();
    cloudEvent.set('ce-specversion', '1.0');
    cloudEvent.set('ce-id', 'a%20b');
    cloudEvent.set('ce-source', '/shop');
    await client.publish(`${name}.created`, '{}', { headers: cloudEvent });
    const context = new TestSourceContext({ settleAs: 'started' });
    await open(context, { stream: name });
    await eventually('three came', () => context.handedOver.length === 3);
    const [plain, named, event] = context.raws;
    const stored = await manager.streams.getMessage(name, { seq: 1 });
    expect(plain!.plain).toEqual({
      source: `jetstream:${name}`,
      id: `1-${stored!.time.getTime()}`,
      type: `${name}.created`,
      time: stored!.time.toISOString(),
    });
    expect(named!.plain).toMatchObject({ source: `jetstream:${name}`, id: 'order-7', type: `${name}.changed` });
    expect(named!.contentType).toBe('application/json');
    expect(named!.headers['traceparent']).toBe('00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01');
    expect(event!.attributes).toEqual({ specversion: '1.0', id: 'a b', source: '/shop' });
  });

  test('fetches no more than there is room for, and nothing while it is paused', async () => {
    const name = await stream();
    await publish(name, 1, 20);
    const context = new TestSourceContext({ concurrency: 4 });
    context.pause(true);
    await open(context, { stream: name });
    expect((await manager.consumers.info(name, 'troupe-shop-orders')).num_ack_pending).toBe(0);
    context.pause(false);
    await eventually('four came', () => context.handedOver.length === 4);
    expect((await manager.consumers.info(name, 'troupe-shop-orders')).num_ack_pending).toBe(4);
    for (let next = 0; next < 20; next++) {
      await eventually(`${next + 1} came`, () => context.handedOver.length > next);
      context.handedOver[next]!.settle('started');
    }
    await eventually('all is acknowledged', async () => (await ackPending(name)) === 0);
    expect(context.outMax).toBe(4);
    expect(context.texts).toEqual(numbers(1, 20));
  });

  test('a message that is worked at for longer than the ack wait comes once', async () => {
    const name = await stream();
    const context = new TestSourceContext();
    await open(context, { stream: name, ackWaitMs: 1_000 });
    await publish(name, 1, 1);
    await eventually('it was extended for three waits', () => (context.handedOver[0]?.extended ?? 0) >= 9);
    context.handedOver[0]!.settle('started');
    await eventually('it is acknowledged', async () => (await ackPending(name)) === 0);
    expect(context.handedOver).toHaveLength(1);
  });

  test('what was released comes again, and what a reader did not settle comes to the next one', async () => {
    const name = await stream();
    const first = new TestSourceContext();
    const reader = await open(first, { stream: name, ackWaitMs: 2_000 });
    await publish(name, 1, 2);
    await eventually('both came', () => first.handedOver.length === 2);
    first.stop();
    await reader.drain();
    first.handedOver[0]!.settle('released');
    await reader.close();
    const second = new TestSourceContext({ settleAs: 'duplicate' });
    await open(second, { stream: name });
    await eventually('both came again', () => second.handedOver.length === 2);
    expect(second.texts).toEqual(['1', '2']);
  });

  test('two readers share the messages', async () => {
    const name = await stream();
    const contexts = [new TestSourceContext({ settleAs: 'started' }), new TestSourceContext({ settleAs: 'started' })];
    for (const context of contexts) await open(context, { stream: name });
    await publish(name, 1, 200);
    const all = (): string[] => contexts.flatMap(({ texts }) => texts);
    await eventually('all came', () => all().length >= 200);
    expect(all().sort((a, b) => Number(a) - Number(b))).toEqual(numbers(1, 200));
    for (const context of contexts) expect(context.handedOver.length).toBeGreaterThan(0);
  });

  test('goes on after the server was killed, over the same consumer', async () => {
    const name = await stream();
    const context = new TestSourceContext();
    const reader = await open(context, { stream: name, ackWaitMs: 2_000 });
    await publish(name, 1, 2);
    await eventually('both came', () => context.handedOver.length === 2);
    await server.kill();
    await eventually('it is failing', () => context.failure !== undefined);
    // Its acknowledgement is lost with the connection: it comes again.
    context.handedOver[0]!.settle('started');
    context.settleAs = 'duplicate';
    await restarted();
    await eventually('it works', () => context.failure === undefined);
    await publish(name, 3, 3);
    await eventually('the third came', () => context.texts.includes('3'));
    context.handedOver[1]!.settle('started');
    await eventually('all is acknowledged', async () => (await reader.lag!()) === 0);
    expect(String(context.failures[0])).toContain('was lost');
  });

  test('waits for a server and for a stream that are not there yet', async () => {
    await server.kill();
    const name = `S${++streams}`;
    const context = new TestSourceContext({ settleAs: 'started' });
    await open(context, { stream: name });
    expect(String(context.failure)).toContain('no connection to NATS');
    await restarted();
    await eventually('it misses the stream', () => String(context.failure).includes('stream not found'));
    await manager.streams.add({ name, subjects: [`${name}.>`] });
    await publish(name, 1, 1);
    await eventually('it came', () => context.handedOver.length === 1);
    expect(context.failure).toBeUndefined();
  });

  test('a consumer that is deleted is created again where all was acknowledged', async () => {
    const name = await stream();
    await publish(name, 1, 5);
    const context = new TestSourceContext();
    const reader = await open(context, { stream: name, startFrom: { sequence: 2 } });
    await eventually('four came', () => context.handedOver.length === 4);
    for (const one of context.handedOver.slice(0, 2)) one.settle('started');
    await eventually('two are acknowledged', async () => (await reader.lag!()) === 2);
    await manager.consumers.delete(name, 'troupe-shop-orders');
    context.settleAs = 'duplicate';
    await publish(name, 6, 6);
    await eventually('the sixth came', () => context.texts.includes('6'));
    expect(context.texts).toEqual(['2', '3', '4', '5', '4', '5', '6']);
    await eventually('it works', () => context.failure === undefined);
  });

  test('a stream that is deleted and created again is read from its beginning, and repeats no id', async () => {
    const name = await stream();
    const context = new TestSourceContext({ settleAs: 'started' });
    const reader = await open(context, { stream: name });
    await publish(name, 1, 3);
    await eventually('all is acknowledged', async () => context.handedOver.length === 3 && (await reader.lag!()) === 0);
    await manager.streams.delete(name);
    await manager.streams.add({ name, subjects: [`${name}.>`] });
    await publish(name, 4, 6);
    await eventually('six came', () => context.handedOver.length === 6);
    expect(new Set(context.raws.map(({ plain }) => plain.id)).size).toBe(6);
  });

  test('begins where it is told, and only with what it filters', async () => {
    const name = await stream();
    await publish(name, 1, 2);
    const onlyNew = new TestSourceContext({ trigger: 'new', settleAs: 'started' });
    await open(onlyNew, { stream: name, startFrom: 'new', filter: [`${name}.created`, `${name}.changed`] });
    await jetstreamClient(connection).publish(`${name}.other`, 'other');
    await publish(name, 3, 3);
    await eventually('the third came', () => onlyNew.handedOver.length > 0);
    expect(onlyNew.texts).toEqual(['3']);
    const third = await manager.streams.getMessage(name, { seq: 4 });
    const sinceThen = new TestSourceContext({ trigger: 'since', settleAs: 'started' });
    await open(sinceThen, { stream: name, startFrom: { time: third!.time.toISOString() }, filter: `${name}.created` });
    await eventually('the third came', () => sinceThen.handedOver.length > 0);
    expect(sinceThen.texts).toEqual(['3']);
  });

  test.each([
    ['another filter', { filter_subject: 'X.created' }, /filters X\.created, not nothing/],
    ['another ack policy', { ack_policy: 'all' as const }, /ack policy is all/],
    ['a number of deliveries', { max_deliver: 3 }, /after 3 deliveries/],
    ['a subject that it pushes to', { deliver_subject: 'push' }, /pushes to a subject/],
    ['another ack wait', { ack_wait: 9_000_000_000 }, /ack wait is 9000 ms, not 30000/],
  ])('refuses a consumer with %s', async (_, config, message) => {
    const name = await stream();
    const own = Object.fromEntries(
      Object.entries(config).map(([key, value]) => [
        key,
        typeof value === 'string' ? value.replace(/^X\./, `${name}.`) : value,
      ]),
    );
    await manager.consumers.add(name, { durable_name: 'mine', ack_policy: 'explicit', ...own });
    const opening = jetstream({ servers: server.url, stream: name, durable: 'mine', ackWaitMs: 30_000 }).open(
      new TestSourceContext(),
    );
    await expect(opening).rejects.toThrow(SourceError);
    await expect(opening).rejects.toThrow(new RegExp(message.source.replace('X', name)));
  });

  test('readers that open at once share one consumer', async () => {
    const name = await stream();
    const contexts = Array.from({ length: 5 }, () => new TestSourceContext({ settleAs: 'started' }));
    await Promise.all(contexts.map((context) => open(context, { stream: name })));
    await publish(name, 1, 10);
    await eventually('all came', () => contexts.flatMap(({ texts }) => texts).length === 10);
    for (const context of contexts) expect(context.failures).toEqual([]);
  });

  test('says nothing of the password', async () => {
    const context = new TestSourceContext();
    const reader = await jetstream({ servers: 'nats://me:secret@127.0.0.1:1', stream: 'S' }).open(context);
    readers.push(reader);
    await eventually('it is failing', () => context.failure !== undefined);
    expect(String(context.failure)).toContain('nats://127.0.0.1:1');
    expect(String(context.failure)).not.toContain('secret');
    expect(await reader.lag!()).toBeUndefined();
  });

  test('10,000 messages with four at once', async () => {
    const name = await stream();
    const client = jetstreamClient(connection);
    const sent: Promise<unknown>[] = [];
    for (let number = 1; number <= 10_000; number++) sent.push(client.publish(`${name}.created`, String(number)));
    await Promise.all(sent);
    const context = new TestSourceContext({ concurrency: 4, settleAs: 'started' });
    await open(context, { stream: name });
    await eventually('all came', () => context.handedOver.length >= 10_000);
    await eventually('all is acknowledged', async () => (await ackPending(name)) === 0);
    expect(context.handedOver).toHaveLength(10_000);
    expect(context.outMax).toBeLessThanOrEqual(4);
  });
});
