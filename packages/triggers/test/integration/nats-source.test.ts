import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { connect, headers, type NatsConnection } from '@nats-io/transport-node';
import { describeWithNats, natsServerProgram } from '../../../nats/test/integration/needs-server.ts';
import { NatsServers, type NatsServer } from '../../../nats/test/integration/nats-servers.ts';
import { eventually } from '../../../nats/test/integration/eventually.ts';
import { WAITING_MAX } from '../../src/limits.ts';
import { nats, type NatsOptions } from '../../src/nats.ts';
import type { SourceReader } from '../../src/source.ts';
import { TestSourceContext } from '../source-context.ts';

const USERS = `authorization {
  users: [
    { user: all, password: secret }
    { user: some, password: secret, permissions: { subscribe: { deny: "hidden.>" } } }
  ]
}`;

describeWithNats('the source nats', () => {
  let servers: NatsServers;
  let server: NatsServer;
  let connection: NatsConnection;
  const readers: SourceReader[] = [];
  let subjects = 0;

  beforeAll(async () => {
    servers = await NatsServers.start(1, { program: natsServerProgram(), configuration: USERS });
    server = servers.servers[0]!;
    connection = await connect({
      servers: server.url,
      user: 'all',
      pass: 'secret',
      maxReconnectAttempts: -1,
      reconnectTimeWait: 50,
    });
  });

  afterEach(async () => {
    await Promise.all(readers.splice(0).map((reader) => reader.close()));
  });

  afterAll(async () => {
    await connection.close();
    await servers.end();
  });

  async function open(
    context: TestSourceContext,
    options: Partial<NatsOptions> & { subject: string },
  ): Promise<SourceReader> {
    const reader = await nats({ servers: server.url, options: { user: 'all', pass: 'secret' }, ...options }).open(
      context,
    );
    readers.push(reader);
    // The server knows of the subscription.
    await eventually('the server has seen the subscription', async () => context.works > 0);
    return reader;
  }

  /** As an event that must not be lost: asked again until there is an answer other than `released`. */
  async function ask(subject: string, text: string): Promise<unknown> {
    return await eventually(`an answer to ${text}`, async () => {
      const message = await connection.request(subject, text, { timeout: 2_000 });
      return message.json<{ outcome: string }>();
    });
  }

  const subject = (): string => `n${++subjects}`;

  test('hands over what comes, and answers after the settlement whoever asks for it', async () => {
    const name = subject();
    const context = new TestSourceContext();
    await open(context, { subject: `${name}.*` });
    const own = headers();
    own.set('Nats-Msg-Id', 'm-1');
    let answer: unknown;
    await eventually('somebody listens', async () => {
      const asked = connection.request(`${name}.a`, 'one', { headers: own, timeout: 30_000 });
      await Promise.race([asked.catch(() => {}), eventually('it came', () => context.handedOver.length > 0, 1_000)]);
      if (context.handedOver.length === 0) return false;
      void asked.then((message) => (answer = message.json()));
      return true;
    });
    expect(answer).toBeUndefined();
    context.handedOver[0]!.settle('started', { instanceId: 'i-1' });
    await eventually('it is answered', () => answer !== undefined);
    expect(answer).toEqual({ outcome: 'started', instanceId: 'i-1' });
    expect(context.raws[0]!.plain).toEqual({ source: `nats:${name}.a`, id: 'm-1', type: `${name}.a` });
    connection.publish(`${name}.b`, 'two');
    await eventually('the second came', () => context.handedOver.length === 2);
    expect(context.raws[1]!.plain).toEqual({ source: `nats:${name}.b`, id: undefined, type: `${name}.b` });
    context.handedOver[1]!.settle('dead-lettered', { deadLetterId: 'd-1', error: new Error('no order') });
  });

  test('hosts are one queue group', async () => {
    const name = subject();
    const contexts = [new TestSourceContext({ settleAs: 'started' }), new TestSourceContext({ settleAs: 'started' })];
    for (const context of contexts) await open(context, { subject: name });
    await ask(name, '0');
    for (let number = 1; number <= 100; number++) await ask(name, String(number));
    expect(contexts.flatMap(({ texts }) => texts)).toHaveLength(101);
    for (const context of contexts) expect(context.handedOver.length).toBeGreaterThan(0);
  });

  test('drops what it cannot keep, says so, and tells those who ask', async () => {
    const name = subject();
    const context = new TestSourceContext();
    const reader = await open(context, { subject: name });
    context.pause(true);
    for (let number = 1; number <= WAITING_MAX; number++) connection.publish(name, String(number));
    await eventually('all wait', async () => (await reader.lag!()) === WAITING_MAX);
    expect(context.warnings).toEqual([]);
    connection.publish(name, 'dropped');
    const answer = await connection.request(name, 'too much', { timeout: 30_000 });
    expect(answer.json()).toEqual({ outcome: 'released', error: 'too many messages wait; ask again later' });
    expect(context.warnings).toHaveLength(1);
    context.settleAs = 'started';
    context.pause(false);
    await eventually('all came', () => context.handedOver.length === WAITING_MAX);
    await ask(name, 'again');
    expect(context.texts).not.toContain('dropped');
    expect(context.warnings[1]).toMatchObject({ details: { messages: 2 } });
  });

  test('what still waits when it stops is said to be lost, and whoever asked is told', async () => {
    const name = subject();
    const context = new TestSourceContext();
    const reader = await open(context, { subject: name });
    context.pause(true);
    const asked = eventually('an answer', async () =>
      (await connection.request(name, 'x', { timeout: 30_000 })).json(),
    );
    await eventually('it waits', async () => (await reader.lag!()) === 1);
    context.stop();
    await reader.drain();
    expect(await asked).toEqual({ outcome: 'released' });
    expect(context.warnings[0]).toMatchObject({ details: { messages: 1 } });
    expect(context.handedOver).toEqual([]);
    await expect(connection.request(name, 'x', { timeout: 30_000 })).rejects.toThrow();
  });

  test('what is worked at when it stops is still answered', async () => {
    const name = subject();
    const context = new TestSourceContext();
    const reader = await open(context, { subject: name });
    const asked = eventually('an answer', async () =>
      (await connection.request(name, 'x', { timeout: 30_000 })).json(),
    );
    await eventually('it came', () => context.handedOver.length === 1);
    context.stop();
    await reader.drain();
    context.handedOver[0]!.settle('started', { instanceId: 'i' });
    await reader.close();
    expect(await asked).toEqual({ outcome: 'started', instanceId: 'i' });
  });

  test('listens again after the server was killed', async () => {
    const name = subject();
    const context = new TestSourceContext({ settleAs: 'started' });
    await open(context, { subject: name });
    await ask(name, '1');
    await server.kill();
    await eventually('it is failing', () => context.failure !== undefined);
    await server.start();
    await ask(name, '2');
    expect(context.texts).toContain('2');
    expect(context.failure).toBeUndefined();
  });

  test('says that the server does not let it listen, and nothing of the password', async () => {
    const context = new TestSourceContext();
    const some = { user: 'some', pass: 'secret' };
    readers.push(await nats({ servers: server.url, subject: 'hidden.x', options: some }).open(context));
    await eventually('it is failing', () => context.failure !== undefined);
    expect(String(context.failure)).toMatch(/permission/i);
    const wrong = new TestSourceContext();
    readers.push(
      await nats({
        servers: server.url.replace('//', '//all:wrong@'),
        subject: 'x',
        options: { user: 'all', pass: 'guess' },
      }).open(wrong),
    );
    await eventually('it is failing', () => wrong.failure !== undefined);
    expect(String(wrong.failure)).toMatch(/no connection to NATS at nats:\/\/127\.0\.0\.1:\d+: /);
    expect(String(wrong.failure)).not.toMatch(/guess|wrong/);
  });

  test('refuses options that cannot be', () => {
    expect(() => nats({ servers: [], subject: 'a' })).toThrow(/servers is one URL/);
    expect(() => nats({ servers: 'nats://h', subject: 'a b' })).toThrow(/subject/);
    expect(() => nats({ servers: 'nats://h', subject: 'a', queue: '' })).toThrow(/queue/);
  });
});
