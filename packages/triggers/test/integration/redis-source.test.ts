// The source against Redis, alone: what the suite (redis.test.ts) cannot see.

import { createClient } from 'redis';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest';
import type { WorkflowHost } from '@troupe/workflow';
import { redisStream, type RedisStreamOptions } from '../../src/redis.ts';
import type { SourceReader } from '../../src/source.ts';
import { eventually } from '../../../nats/test/integration/eventually.ts';
import { describeWithServer } from '../servers/needs-servers.ts';
import { RedisServer } from '../servers/redis.ts';
import { TestSourceContext, type TestContextOptions } from '../source-context.ts';
import { thorough } from './thorough.ts';

const GROUP = 'troupe-shop-orders';
const IDLE_MS = 1_000;

/** Its host has an id, which is the name of the consumer. */
class HostContext extends TestSourceContext {
  readonly #hostId: string;

  constructor(hostId: string, options: TestContextOptions = {}) {
    super(options);
    this.#hostId = hostId;
  }

  override get host(): WorkflowHost {
    return { actors: { hostId: this.#hostId } } as WorkflowHost;
  }
}

test('options that can never work are refused at once, without their secrets', () => {
  const refused =
    (options: unknown): (() => unknown) =>
    () =>
      redisStream(options as RedisStreamOptions);
  expect(refused({ url: 'http://user:secret@there', stream: 's' })).toThrow(/redis:\/\/user:password@host/);
  expect(refused({ url: 'redis://user:secret@there:port', stream: 's' })).toThrow(/^(?!.*secret).*$/);
  expect(refused({ url: 'redis://there' })).toThrow(/"stream"/);
  expect(refused({ url: 'redis://there', stream: 's', group: '' })).toThrow(/"group"/);
  expect(refused({ url: 'redis://there', stream: 's', idleMs: 10 })).toThrow(/"idleMs".*1000/);
});

await describeWithServer('redis-server', 'redisStream', () => {
  let server: RedisServer;
  let client: ReturnType<typeof createClient>;
  let stream: string;
  let streams = 0;
  const readers: SourceReader[] = [];

  beforeAll(async () => {
    server = await RedisServer.start();
    client = createClient({ url: server.url, RESP: 2, disableOfflineQueue: true }) as unknown as typeof client;
    client.on('error', () => {});
    await client.connect();
  });
  afterAll(async () => {
    client?.destroy();
    await server?.end();
  });
  beforeEach(() => {
    stream = `stream-${++streams}`;
  });
  afterEach(async () => {
    for (const reader of readers.splice(0)) await reader.close();
  });

  async function open(context: TestSourceContext, options: Partial<RedisStreamOptions> = {}): Promise<SourceReader> {
    const reader = await redisStream({ url: server.url, stream, idleMs: IDLE_MS, ...options }).open(context);
    readers.push(reader);
    return reader;
  }

  async function add(data: string, more: Record<string, string> = {}): Promise<string> {
    return (await client.sendCommand([
      'XADD',
      stream,
      '*',
      'data',
      data,
      ...Object.entries(more).flat(),
    ])) as unknown as string;
  }

  async function pending(): Promise<number> {
    const [count] = (await client.sendCommand(['XPENDING', stream, GROUP])) as unknown as [number];
    return count;
  }

  async function consumers(): Promise<string[]> {
    const all = (await client.sendCommand(['XINFO', 'CONSUMERS', stream, GROUP])) as unknown as string[][];
    return all.map((fields) => fields[1]!).sort();
  }

  test('an entry is handed over with all that it says, and acknowledged when it is settled', async () => {
    const id = await add('{"n":1}', {
      ce_specversion: '1.0',
      ce_ID: 'e-1',
      'content-type': 'application/json',
      Traceparent: 't',
    });
    const plain = await client.sendCommand(['XADD', stream, '*', 'sku', 'a', 'Count', '2']);
    const context = new HostContext('one');
    const reader = await open(context);
    await eventually('both are here', () => context.handedOver.length === 2);
    const [first, second] = context.raws;
    expect(first).toEqual({
      body: Buffer.from('{"n":1}'),
      contentType: 'application/json',
      attributes: { specversion: '1.0', id: 'e-1' },
      headers: { 'content-type': 'application/json', traceparent: 't', stream },
      plain: {
        source: `redis:${stream}`,
        id,
        type: 'redis.message',
        time: new Date(Number(id.split('-')[0])).toISOString(),
      },
    });
    expect(second).toMatchObject({ contentType: 'application/json', plain: { id: plain } });
    expect(context.texts[1]).toBe('{"sku":"a","Count":"2"}');
    expect(await pending()).toBe(2);
    for (const one of context.handedOver) one.settle('started');
    await eventually('both are acknowledged', async () => (await pending()) === 0);
    expect(await reader.lag!()).toBe(0);
    await reader.close();
    // Its consumer has gone with it.
    expect(await consumers()).toEqual([]);
  });

  test('bytes come as they are', async () => {
    const bytes = Buffer.from([0xff, 0, 0x80, 0x0a]);
    await client.sendCommand(['XADD', stream, '*', 'data', bytes]);
    const context = new HostContext('one', { settleAs: 'started' });
    await open(context);
    await eventually('it is here', () => context.handedOver.length === 1);
    expect(Buffer.from(context.raws[0]!.body)).toEqual(bytes);
  });

  test('it takes no more than there is room for, and says how many wait', async () => {
    for (let number = 0; number < 50; number++) await add(String(number));
    const context = new HostContext('one', { concurrency: 3 });
    const reader = await open(context);
    await eventually('as many as there is room for', () => context.handedOver.length === 3);
    expect(await reader.lag!()).toBe(47);
    context.settleAs = 'started';
    for (const one of [...context.handedOver]) one.settle('started');
    await eventually('all came', () => context.handedOver.length === 50);
    expect(context.outMax).toBe(3);
    expect(context.texts).toEqual(Array.from({ length: 50 }, (_, number) => String(number)));
    await eventually('all are acknowledged', async () => (await pending()) === 0);
  });

  test('what is held stays, what a dead consumer had is taken over, and the consumer is removed', async () => {
    await add('left');
    await client.sendCommand(['XGROUP', 'CREATE', stream, GROUP, '0']);
    await client.sendCommand(['XREADGROUP', 'GROUP', GROUP, 'dead', 'STREAMS', stream, '>']);
    await add('held');
    const holder = new HostContext('holder');
    await open(holder);
    await eventually('it is held', () => holder.texts.includes('held'));
    const other = new HostContext('other', { settleAs: 'started' });
    await open(other);
    await eventually('it is taken over', () => [...holder.texts, ...other.texts].includes('left'));
    for (const one of holder.handedOver) if (one.text === 'left') one.settle('started');
    // Redis makes a consumer with its first entry: the other one may have had none.
    await eventually('the dead one is removed', async () => !(await consumers()).includes('dead'));
    expect(await consumers()).toContain('holder');
    // Several times the idle time has passed.
    expect(holder.texts.filter((text) => text === 'held')).toEqual(['held']);
    expect(other.texts).not.toContain('held');
    const held = holder.handedOver.find(({ text }) => text === 'held')!;
    expect(held.extended).toBeGreaterThan(3);
    held.settle('started');
    await eventually('all is acknowledged', async () => (await pending()) === 0);
  });

  test('a consumer by its own name goes on with what it had', async () => {
    await add('a');
    await add('b');
    await client.sendCommand(['XGROUP', 'CREATE', stream, GROUP, '0']);
    await client.sendCommand(['XREADGROUP', 'GROUP', GROUP, 'mine', 'COUNT', '1', 'STREAMS', stream, '>']);
    const context = new HostContext('one', { settleAs: 'started', concurrency: 1 });
    const reader = await open(context, { consumer: 'mine', idleMs: 600_000 });
    await eventually('both are here', () => context.handedOver.length === 2);
    expect(context.texts).toEqual(['a', 'b']);
    await eventually('both are acknowledged', async () => (await pending()) === 0);
    await reader.close();
    expect(await consumers()).toEqual(['mine']);
  });

  test('what is released goes to another at once', async () => {
    const idleMs = 60_000;
    await add('a');
    const [first, second] = [new HostContext('one'), new HostContext('two', { settleAs: 'started' })];
    const reader = await open(first, { idleMs });
    await eventually('it is out', () => first.handedOver.length === 1);
    await reader.drain();
    first.handedOver[0]!.settle('released');
    await reader.close();
    expect(await consumers()).toEqual(['one']);
    await open(second, { idleMs });
    await eventually('it came', () => second.texts.includes('a'));
    await eventually('it is acknowledged', async () => (await pending()) === 0);
  });

  test('entries that were deleted while they were pending are let go of, and told of', async () => {
    const [id] = [await add('gone'), await add('there')];
    await client.sendCommand(['XGROUP', 'CREATE', stream, GROUP, '0']);
    await client.sendCommand(['XREADGROUP', 'GROUP', GROUP, 'mine', 'STREAMS', stream, '>']);
    await client.sendCommand(['XDEL', stream, id]);
    const context = new HostContext('one', { settleAs: 'started' });
    await open(context, { consumer: 'mine' });
    await eventually('nothing is pending', async () => (await pending()) === 0);
    expect(context.texts).toEqual(['there']);
    expect(context.warnings).toMatchObject([{ details: { count: 1, stream } }]);
  });

  test('a stream that is deleted, and all of Redis flushed, is read from its new beginning', async () => {
    const context = new HostContext('one', { settleAs: 'started' });
    await open(context);
    await add('before');
    await eventually('it came', () => context.texts.includes('before'));
    await client.sendCommand(['DEL', stream]);
    await add('after');
    await eventually('it came', () => context.texts.includes('after'));
    await client.sendCommand(['FLUSHALL']);
    await add('after all');
    await eventually('it came', () => context.texts.includes('after all'));
    expect(context.failures).toEqual([]);
  });

  test('what is settled while Redis is away is acknowledged afterwards, and comes once', async () => {
    const context = new HostContext('one', { concurrency: 4 });
    for (let number = 0; number < 4; number++) await add(String(number));
    await open(context, { idleMs: 60_000 });
    await eventually('all are out', () => context.handedOver.length === 4);
    await server.kill();
    await eventually('it fails', () => context.failure !== undefined);
    context.settleAs = 'started';
    for (const one of [...context.handedOver]) one.settle('started');
    await server.start();
    await eventually('it works', () => context.failure === undefined);
    await eventually('all are acknowledged', async () => (await pending()) === 0);
    await add('more');
    await eventually('it goes on', () => context.texts.includes('more'));
    expect(context.texts).toEqual(['0', '1', '2', '3', 'more']);
  });

  test.runIf(thorough)(
    'a Redis that says nothing is left, and closing does not wait for it',
    { timeout: 120_000 },
    async () => {
      const context = new HostContext('one');
      const reader = await open(context);
      await eventually('it works', () => context.works > 0);
      server.freeze();
      await eventually('it fails', () => context.failure !== undefined);
      context.stop();
      await reader.close();
      server.thaw();
    },
  );
});
