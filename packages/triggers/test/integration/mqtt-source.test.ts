import { connectAsync, type IClientPublishOptions, type MqttClient } from 'mqtt';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { eventually } from '../../../nats/test/integration/eventually.ts';
import { StaleReaderError } from '../../src/errors.ts';
import { WAITING_MAX } from '../../src/limits.ts';
import { mqtt, type MqttOptions } from '../../src/mqtt.ts';
import type { SourceReader } from '../../src/source.ts';
import { MosquittoServer } from '../servers/mosquitto.ts';
import { describeWithServer } from '../servers/needs-servers.ts';
import { TestCursor, TestSourceContext, type TestContextOptions } from '../source-context.ts';

await describeWithServer('mosquitto', 'the source mqtt', () => {
  let server: MosquittoServer;
  let publisher: MqttClient;
  const readers: SourceReader[] = [];
  let topics = 0;

  beforeAll(async () => {
    server = await MosquittoServer.start();
    publisher = await connectAsync(server.url, { protocolVersion: 5, reconnectPeriod: 50 });
  });

  afterEach(async () => {
    await Promise.all(readers.splice(0).map((reader) => reader.close()));
  });

  afterAll(async () => {
    await publisher.endAsync(true);
    await server.end();
  });

  const topic = (): string => `t${++topics}`;
  const numbers = (from: number, to: number): string[] =>
    Array.from({ length: to - from + 1 }, (_, index) => String(from + index));

  async function publish(to: string, texts: readonly string[], options: IClientPublishOptions = {}): Promise<void> {
    await Promise.all(texts.map((text) => publisher.publishAsync(to, text, { qos: 1, ...options })));
  }

  /** Resolves when it is subscribed: a session that is not there yet keeps nothing. */
  async function open(
    options: Partial<MqttOptions> & { topic: string },
    how: TestContextOptions = {},
  ): Promise<{ reader: SourceReader; context: TestSourceContext }> {
    const context = new TestSourceContext({ trigger: options.topic, cursor: new TestCursor(), ...how });
    const reader = await mqtt({ url: server.url, ...options }).open(context);
    readers.push(reader);
    await eventually('it is subscribed', () => context.works > 0);
    return { reader, context };
  }

  async function stop({ reader, context }: { reader: SourceReader; context: TestSourceContext }): Promise<void> {
    context.stop();
    await reader.close();
  }

  test.each([4, 5] as const)(
    'MQTT %i: what was not settled comes again to the next host, and nothing else',
    async (version) => {
      const name = topic();
      const first = await open({ topic: name, version });
      await publish(name, numbers(1, 5));
      await eventually('all came', () => first.context.handedOver.length === 5);
      // Out of order: the fourth is settled, but may not be acknowledged before the third.
      for (const index of [1, 0, 3]) first.context.handedOver[index]!.settle('started');
      await stop(first);
      await publish(name, ['6']);
      const second = await open({ topic: name, version }, { settleAs: 'duplicate' });
      await eventually('the last came', () => second.context.texts.includes('6'));
      expect(second.context.texts).toEqual(['3', '4', '5', '6']);
      await stop(second);
      const third = await open({ topic: name, version }, { settleAs: 'started' });
      await publish(name, ['7']);
      await eventually('the next came', () => third.context.handedOver.length > 0);
      expect(third.context.texts).toEqual(['7']);
    },
  );

  test('a process that ends without a word leaves its messages to the next host', async () => {
    const name = topic();
    const first = await open({ topic: name });
    await publish(name, ['1', '2']);
    await eventually('both came', () => first.context.handedOver.length === 2);
    // The broker ends the connection of the one whose session is taken over: it has heard nothing of it before.
    const second = await open({ topic: name }, { settleAs: 'duplicate' });
    await eventually('both came', () => second.context.handedOver.length >= 2);
    expect(second.context.texts.slice(0, 2)).toEqual(['1', '2']);
  });

  test('MQTT 5: the broker sends no more than is worked at, and the rest in order', async () => {
    const name = topic();
    const { context } = await open({ topic: name }, { concurrency: 4 });
    await publish(name, numbers(1, 20));
    await eventually('four came', () => context.handedOver.length === 4);
    for (let next = 0; next < 20; next++) {
      await eventually(`${next + 1} came`, () => context.handedOver.length > next);
      context.handedOver[next]!.settle('started');
    }
    expect(context.outMax).toBe(4);
    expect(context.texts).toEqual(numbers(1, 20));
  });

  test.each([4, 5] as const)('MQTT %i: 10,000 messages with four at once', async (version) => {
    const name = topic();
    const { context } = await open({ topic: name, version }, { concurrency: 4, settleAs: 'started' });
    for (let from = 1; from <= 10_000; from += 500) await publish(name, numbers(from, from + 499));
    await eventually('all came', () => context.handedOver.length >= 10_000);
    expect(context.texts.sort((a, b) => Number(a) - Number(b))).toEqual(numbers(1, 10_000));
    expect(context.outMax).toBeLessThanOrEqual(4);
  });

  test('MQTT 3.1.1: what there is no room for is not read', async () => {
    const name = topic();
    const { context } = await open({ topic: name, version: 4 }, { concurrency: 2 });
    context.pause(true);
    await publish(name, numbers(1, 30));
    context.pause(false);
    for (let next = 0; next < 30; next++) {
      await eventually(`${next + 1} came`, () => context.handedOver.length > next);
      context.handedOver[next]!.settle('started');
    }
    expect(context.outMax).toBe(2);
    expect(context.texts).toEqual(numbers(1, 30));
  });

  test('goes on after the broker was restarted, and what was out comes again', async () => {
    const name = topic();
    const { context } = await open({ topic: name });
    await publish(name, ['1', '2']);
    await eventually('both came', () => context.handedOver.length === 2);
    context.handedOver[0]!.settle('started');
    context.settleAs = 'duplicate';
    await eventually('the first is acknowledged', async () => {
      await server.save();
      return true;
    });
    await server.restart();
    await eventually('it came again', () => context.handedOver.length > 2);
    // Settled long after its connection: nothing is said about it on the new one.
    context.handedOver[1]!.settle('started');
    await publish(name, ['3']);
    await eventually('the third came', () => context.texts.includes('3'));
    expect(context.texts).toEqual(['1', '2', '2', '3']);
    expect(context.failures.map(String).join()).toMatch(/was lost|ended the connection/);
    expect(context.failure).toBeUndefined();
  });

  test('what was released although it reads on comes again', async () => {
    const name = topic();
    const { context } = await open({ topic: name });
    await publish(name, ['1', '2']);
    await eventually('both came', () => context.handedOver.length === 2);
    context.handedOver[0]!.settle('released');
    context.handedOver[1]!.settle('started');
    await eventually('both came again', () => context.handedOver.length === 4);
    expect(context.texts).toEqual(['1', '2', '1', '2']);
  });

  test('a message says its topic and properties, and is a CloudEvent if it is one', async () => {
    const name = topic();
    const { context } = await open({ topic: `${name}/+` }, { settleAs: 'started' });
    await publish(`${name}/a`, ['{"n":1}'], {
      properties: { contentType: 'application/json', userProperties: { Tenant: 'x', id: '7', type: 't', source: 's' } },
    });
    await eventually('it came', () => context.handedOver.length === 1);
    await publish(`${name}/b`, ['{}'], {
      properties: { userProperties: { specversion: '1.0', id: '1', source: '/s', type: 't', 'x-odd': 'y' } },
    });
    await eventually('both came', () => context.handedOver.length === 2);
    const [plain, event] = context.raws;
    expect(plain).toMatchObject({
      contentType: 'application/json',
      attributes: {},
      headers: { tenant: 'x', id: '7', topic: `${name}/a` },
      plain: { source: `mqtt:${name}/a`, id: undefined, type: 'mqtt.message' },
    });
    expect(plain!.headers).not.toHaveProperty('retain');
    expect(event!.attributes).toEqual({ specversion: '1.0', id: '1', source: '/s', type: 't' });
    expect(event!.headers['x-odd']).toBe('y');
  });

  test('MQTT 3.1.1: a JSON object with a specversion is a structured CloudEvent', async () => {
    const name = topic();
    const { context } = await open({ topic: name, version: 4 }, { settleAs: 'started' });
    await publish(name, ['{"specversion":"1.0","id":"1"}', '{"data":{"specversion":"1.0"}}', '"specversion" {']);
    await eventually('all came', () => context.handedOver.length === 3);
    expect(context.raws.map(({ contentType }) => contentType)).toEqual([
      'application/cloudevents+json',
      undefined,
      undefined,
    ]);
  });

  test('a retained message comes with the first subscription of a session', async () => {
    const name = topic();
    await publish(name, ['kept'], { retain: true });
    const first = await open({ topic: name }, { settleAs: 'started' });
    await eventually('it came', () => first.context.handedOver.length === 1);
    expect(first.context.raws[0]!.headers['retain']).toBe('true');
    await stop(first);
    const second = await open({ topic: name }, { settleAs: 'started' });
    await publish(name, ['next']);
    await eventually('the next came', () => second.context.handedOver.length > 0);
    expect(second.context.texts).toEqual(['next']);
  });

  test('messages of QoS 0 are dropped when too many wait, and said to be', async () => {
    const name = topic();
    const opened = await open({ topic: name });
    const { context } = opened;
    context.pause(true);
    await publish(name, numbers(1, WAITING_MAX + 10), { qos: 0 });
    await eventually('it says so', () => context.warnings.length > 0);
    context.settleAs = 'started';
    context.pause(false);
    await eventually('the others came', () => context.handedOver.length === WAITING_MAX);
    await publish(name, ['again'], { qos: 0 });
    await eventually('the next came', () => context.texts.includes('again'));
    expect(context.warnings[1]).toMatchObject({ details: { messages: 10 } });
    context.pause(true);
    await publish(name, ['late'], { qos: 0 });
    // Both are sent over one connection, in this order.
    await publish(name, ['later']);
    await stop(opened);
    const second = await open({ topic: name }, { settleAs: 'started' });
    await eventually('the later came', () => second.context.texts.includes('later'));
    expect(second.context.texts).toEqual(['later']);
  });

  test('a trigger whose topic was changed gets no more of the former one', async () => {
    const [name, other] = [topic(), topic()];
    const cursor = new TestCursor();
    await stop(await open({ topic: name, clientId: name }, { cursor }));
    const second = await open({ topic: other, clientId: name }, { cursor, settleAs: 'started' });
    await publish(name, ['old']);
    await publish(other, ['new']);
    await eventually('one came', () => second.context.handedOver.length > 0);
    expect(second.context.texts).toEqual(['new']);
    expect(cursor.value).toEqual({ topic: other });
  });

  test('a reader that was replaced leaves the session to its successor', async () => {
    const name = topic();
    const cursor = new TestCursor();
    const first = await open({ topic: name }, { cursor });
    cursor.stale = true;
    const second = await open({ topic: name }, { settleAs: 'started' });
    await eventually('the first gives up', () => first.context.failure instanceof StaleReaderError);
    await publish(name, ['1']);
    await eventually('it came', () => second.context.handedOver.length === 1);
    await eventually('the second works', () => second.context.failure === undefined);
    expect(first.context.handedOver).toEqual([]);
  });

  test.each([4, 5] as const)(
    'MQTT %i: a shared subscription is shared by hosts with sessions of their own',
    async (version) => {
      const name = topic();
      const hosts = await Promise.all(
        ['a', 'b'].map((host) =>
          open({ topic: name, version, shared: 'g', clientId: `${name}-${host}` }, { settleAs: 'started' }),
        ),
      );
      for (const text of numbers(1, 100)) await publish(name, [text]);
      await eventually('all came', () => hosts.flatMap(({ context }) => context.texts).length >= 100);
      expect(hosts.flatMap(({ context }) => context.texts).sort((a, b) => Number(a) - Number(b))).toEqual(
        numbers(1, 100),
      );
      for (const { context } of hosts) expect(context.handedOver.length).toBeGreaterThan(0);
    },
  );

  test('says that a clientId is used twice', async () => {
    const name = topic();
    const options = { topic: name, shared: 'g', clientId: name };
    const { context } = await open(options);
    await open(options);
    await eventually('it says so', () => context.failures.some((error) => /same clientId/.test(String(error))));
  });

  test('waits for a broker that is not there, and says nothing of passwords', async () => {
    const context = new TestSourceContext();
    const reader = await mqtt({ url: 'mqtt://me:secret@127.0.0.1:1', topic: 'a', password: 'other' }).open(context);
    readers.push(reader);
    await eventually('it is failing, again and again', () => context.failures.length > 2);
    expect(context.failures.map(String).join()).toContain('ECONNREFUSED');
    expect(context.failures.map(String).join()).not.toMatch(/secret|other/);
  });

  test('refuses options that cannot be', () => {
    const good = { url: 'mqtt://h', topic: 'a' };
    expect(() => mqtt({ ...good, url: 'http://h' })).toThrow(/url is one as mqtt/);
    expect(() => mqtt({ ...good, topic: '$share/g/a' })).toThrow(/shared: 'group'/);
    expect(() => mqtt({ ...good, shared: 'g' })).toThrow(/clientId of its own/);
    expect(() => mqtt({ ...good, shared: 'a/b', clientId: 'c' })).toThrow(/without \/ \+ #/);
    expect(() => mqtt({ ...good, version: 3 as 4 })).toThrow(/version is 5/);
    expect(() => mqtt({ ...good, sessionExpiryMs: 1 })).toThrow(/sessionExpiryMs/);
  });
});
