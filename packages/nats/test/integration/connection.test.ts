import { execFileSync } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect, nkeyAuthenticator, nkeys, type NodeConnectionOptions } from '@nats-io/transport-node';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { StoreUnavailableError, systemClock } from '@troupe/actors';
import { connectWire } from '../../src/connection.ts';
import { RequestError, ServerUnfitError } from '../../src/errors.ts';
import { InboxRequests, type RequestFailure } from '../../src/requests.ts';
import type { WireMessage, WireStatus } from '../../src/wire.ts';
import { WireHeaders } from '../../src/wire-headers.ts';
import { Child } from './child.ts';
import { eventually } from './eventually.ts';
import { freePort } from './free-port.ts';
import { NatsServers } from './nats-servers.ts';
import { describeWithNats, natsServerProgram } from './needs-server.ts';
import { ScriptedServer } from './scripted-server.ts';
import { CLIENT_KINDS, KeptLog, makeWire } from './wires.ts';

const ends: (() => Promise<void> | void)[] = [];

afterEach(async () => {
  for (const end of ends.splice(0).toReversed()) await end();
});

function context(): { clock: typeof systemClock; logger: KeptLog } {
  return { clock: systemClock, logger: new KeptLog() };
}

function bytes(text: string): Uint8Array {
  return Buffer.from(text);
}

describe('servers that are not fit', () => {
  test.each(['2.9.10', '2.10.22'])('version %s is refused at the start, and told what to do', async (version) => {
    const server = await ScriptedServer.start(version);
    ends.push(() => server.end());
    const refused = connectWire({ servers: server.url }, context());
    await expect(refused).rejects.toThrow(ServerUnfitError);
    await expect(refused).rejects.toThrow(
      new RegExp(`version ${version.replaceAll('.', '\\.')}; .*2\\.10\\.23.*4320.*Install a newer`),
    );
    await expect(refused).rejects.toMatchObject({ code: 'server_unfit' });
  });

  test('an old server after a reconnect is not used, and left as soon as there is another', async () => {
    const server = await ScriptedServer.start('2.15.1');
    ends.push(() => server.end());
    const { logger, clock } = context();
    const wire = await connectWire({ servers: server.url }, { logger, clock });
    ends.push(() => wire.close());
    const seen: WireStatus[] = [];
    wire.onStatus((status) => seen.push(status));
    wire.publish('before', bytes('x'));
    await wire.flush();
    server.version = '2.9.10';
    server.cut();
    await eventually('the old one is noticed', () => logger.has('error', '2.9.10'));
    expect(wire.status).toBe('disconnected');
    expect(wire.info.version).toBe('2.9.10');
    wire.publish('while-it-is-old', bytes('x'));
    await expect(wire.flush()).rejects.toThrow(StoreUnavailableError);
    server.version = '2.10.23';
    await eventually('it is used again', () => wire.status === 'connected');
    wire.publish('after', bytes('x'));
    await wire.flush();
    expect(seen).toEqual(['disconnected', 'connected']);
    const published = server.lines.filter((line) => line.startsWith('PUB')).map((line) => line.split(' ')[1]);
    expect(published).toEqual(['before', 'after']);
  });
});

test('no server: the error says where it looked, without passwords', async () => {
  const servers = `nats://user:secret@127.0.0.1:${await freePort()}`;
  const failed = await connectWire({ servers }, context()).catch((error: unknown) => error);
  expect(failed).toBeInstanceOf(StoreUnavailableError);
  expect(String(failed)).toContain('127.0.0.1:');
  expect(String(failed)).not.toContain('secret');
});

describeWithNats('a server without JetStream', () => {
  test('is refused, and told what to do', async () => {
    const port = await freePort();
    const child = new Child(natsServerProgram(), ['-a', '127.0.0.1', '-p', String(port)], { stdio: 'ignore' });
    ends.push(() => child.kill());
    const failure = await eventually('an answer of the server', async () => {
      const error = await connectWire({ servers: `127.0.0.1:${port}` }, context()).catch((thrown: unknown) => thrown);
      return error instanceof StoreUnavailableError ? undefined : error;
    });
    expect(failure).toBeInstanceOf(ServerUnfitError);
    expect(String(failure)).toContain('-js');
  });
});

describeWithNats('a wire', () => {
  let servers: NatsServers;

  beforeAll(async () => {
    servers = await NatsServers.start(1, { program: natsServerProgram() });
  });

  afterAll(() => servers.end());

  for (const kind of CLIENT_KINDS) {
    describe(`over ${kind}`, () => {
      test('messages come as they were published, with headers, and after an end no more', async () => {
        const made = await makeWire(kind, { servers: servers.urls });
        ends.push(made.end);
        const { wire } = made;
        expect(wire.info).toMatchObject({ serverName: 'n1', jetstream: true, payloadBytesMax: 1024 * 1024 });
        const got: WireMessage[] = [];
        const end = wire.subscribe('things.*', (message) => got.push(message));
        wire.publish('things.1', bytes('one'));
        wire.publish('things.2', bytes('two'), {
          reply: 'back',
          headers: new WireHeaders({ 'Troupe-A': 'é: b', 'Troupe-B': '' }),
        });
        await wire.flush();
        expect(got.map(({ subject, data }) => [subject, Buffer.from(data).toString()])).toEqual([
          ['things.1', 'one'],
          ['things.2', 'two'],
        ]);
        expect(got.map(({ reply, status }) => [reply, status])).toEqual([
          [undefined, 0],
          ['back', 0],
        ]);
        expect(got[1]!.header('Troupe-A')).toBe('é: b');
        expect(got[1]!.header('Troupe-B')).toBe('');
        expect(got[1]!.header('Troupe-C')).toBeUndefined();
        expect(got[0]!.header('Troupe-A')).toBeUndefined();
        end();
        end();
        wire.publish('things.3', bytes('three'));
        await wire.flush();
        expect(got.length).toBe(2);
      });

      test('a callback that throws is logged, and the next message comes', async () => {
        const made = await makeWire(kind, { servers: servers.urls });
        ends.push(made.end);
        let count = 0;
        made.wire.subscribe('bad', () => {
          if (++count === 1) throw new Error('oops');
        });
        made.wire.publish('bad', bytes(''));
        made.wire.publish('bad', bytes(''));
        await made.wire.flush();
        await expect.poll(() => count).toBe(2);
        expect(made.log.has('error', 'could not be handled')).toBe(true);
      });

      test('a message that is too large is refused and the connection lives on', async () => {
        const made = await makeWire(kind, { servers: servers.urls });
        ends.push(made.end);
        const { wire } = made;
        const headers = new WireHeaders({ A: 'b' });
        const most = 1024 * 1024 - headers.encode().length;
        expect(() => wire.publish('x', new Uint8Array(1024 * 1024 + 1))).toThrow(TypeError);
        expect(() => wire.publish('x', new Uint8Array(most + 1), { headers })).toThrow(TypeError);
        wire.publish('x', new Uint8Array(most), { headers });
        await wire.flush();
      });

      test('requests hear an answer, that nobody listens, or that it takes too long; each once', async () => {
        const made = await makeWire(kind, { servers: servers.urls });
        ends.push(made.end);
        const { wire } = made;
        const requests = new InboxRequests(wire, systemClock);
        wire.subscribe('twice', (message) => {
          wire.publish(message.reply!, message.data);
          wire.publish(message.reply!, message.data);
        });
        wire.subscribe('mute', () => {});
        const answers = await Promise.all(
          Array.from({ length: 1_000 }, (_, index) => requests.ask('twice', bytes(String(index)), 30_000)),
        );
        expect(answers.map(({ data }) => Number(Buffer.from(data).toString()))).toEqual([...answers.keys()]);
        await expect(requests.ask('nobody', bytes(''), 30_000)).rejects.toMatchObject({ failure: 'no-responders' });
        const mute = requests.ask('mute', bytes(''), 1);
        await expect(mute).rejects.toBeInstanceOf(RequestError);
        await expect(mute).rejects.toMatchObject({ failure: 'timeout', subject: 'mute' });
        expect(requests.pending).toBe(0);
        expect(() => requests.send('x', new Uint8Array(2 * 1024 * 1024), neverAsked, 1)).toThrow(TypeError);
        expect(requests.pending).toBe(0);
        const left = requests.ask('mute', bytes(''), 30_000);
        requests.stop();
        await expect(left).rejects.toMatchObject({ failure: 'closed' });
        await expect(requests.ask('twice', bytes(''), 30_000)).rejects.toMatchObject({ failure: 'closed' });
      });

      test('requests that wait fail at once when the server dies, and work again afterwards', async () => {
        const made = await makeWire(kind, { servers: servers.urls });
        ends.push(made.end);
        const { wire } = made;
        const requests = new InboxRequests(wire, systemClock);
        wire.subscribe('echo', (message) => wire.publish(message.reply!, message.data));
        wire.subscribe('mute', () => {});
        const failures: RequestFailure[] = [];
        const receiver = { answered: () => {}, failed: (failure: RequestFailure) => failures.push(failure) };
        for (let count = 0; count < 3; count++) requests.send('mute', bytes(''), receiver, 3_600_000);
        await wire.flush();
        await servers.servers[0]!.kill();
        await eventually('they have failed', () => failures.length === 3);
        expect(failures).toEqual(['disconnected', 'disconnected', 'disconnected']);
        expect(wire.status).toBe('disconnected');
        requests.send('echo', bytes(''), receiver, 3_600_000);
        expect(failures.length).toBe(3);
        await Promise.resolve();
        expect(failures.length).toBe(4);
        await expect(wire.flush()).rejects.toThrow(StoreUnavailableError);
        await servers.servers[0]!.start();
        await eventually('it is connected again', () => wire.status === 'connected');
        const answer = await requests.ask('echo', bytes('again'), 30_000);
        expect(Buffer.from(answer.data).toString()).toBe('again');
      });

      test('a server that stands still is noticed by its silence', async () => {
        const made = await makeWire(kind, { servers: servers.urls, pingInterval: 200, maxPingOut: 2 });
        ends.push(made.end);
        servers.servers[0]!.freeze();
        try {
          await eventually('it is noticed', () => made.wire.status === 'disconnected');
        } finally {
          servers.servers[0]!.thaw();
        }
        await eventually('it is connected again', () => made.wire.status === 'connected');
      });

      test('a close sends what was published; a connection that was handed in stays', async () => {
        const made = await makeWire(kind, { servers: servers.urls });
        ends.push(made.end);
        const other = await makeWire('own', { servers: servers.urls });
        ends.push(other.end);
        const got: string[] = [];
        other.wire.subscribe('last', ({ data }) => got.push(Buffer.from(data).toString()));
        await other.wire.flush();
        let heard = 0;
        made.wire.subscribe('last', () => heard++);
        const seen: WireStatus[] = [];
        made.wire.onStatus((status) => seen.push(status));
        made.wire.publish('last', bytes('word'));
        await made.wire.close();
        await made.wire.close();
        await expect.poll(() => got).toEqual(['word']);
        expect(seen).toEqual(['closed']);
        expect(() => made.wire.publish('last', bytes(''))).toThrow(StoreUnavailableError);
        expect(() => made.wire.subscribe('last', () => {})).toThrow(StoreUnavailableError);
        if (made.handedIn === undefined) return;
        expect(made.handedIn.isClosed()).toBe(false);
        const before = heard;
        made.handedIn.publish('last', 'from its owner');
        await made.handedIn.flush();
        expect(heard).toBe(before);
        await expect.poll(() => got).toEqual(['word', 'from its owner']);
      });
    });
  }

  test('a connection that is handed in and lost is refused', async () => {
    const connection = await connect({ servers: servers.urls });
    await connection.close();
    await expect(connectWire(connection, context())).rejects.toThrow(/not connected/);
  });
});

const neverAsked = {
  answered: (): void => expect.unreachable(),
  failed: (): void => expect.unreachable(),
};

describeWithNats('who may connect', () => {
  async function start(configuration: string): Promise<string[]> {
    const servers = await NatsServers.start(1, { program: natsServerProgram(), configuration });
    ends.push(() => servers.end());
    return servers.urls;
  }

  async function expectWorks(options: NodeConnectionOptions): Promise<void> {
    const wire = await connectWire(options, context());
    ends.push(() => wire.close());
    const requests = new InboxRequests(wire, systemClock);
    expect((await requests.ask('$JS.API.INFO', bytes(''), 30_000)).status).toBe(0);
    requests.stop();
  }

  async function expectRefused(options: NodeConnectionOptions, why: RegExp): Promise<void> {
    const refused = connectWire(options, context());
    await expect(refused).rejects.toThrow(StoreUnavailableError);
    await expect(refused).rejects.toThrow(why);
  }

  test('a user with the password', async () => {
    const servers = await start('authorization { users: [ { user: "troupe", password: "pass" } ] }');
    await expectWorks({ servers, user: 'troupe', pass: 'pass' });
    await expectRefused({ servers, user: 'troupe', pass: 'wrong' }, /authorization/i);
    await expectRefused({ servers }, /authorization/i);
  });

  test('one with the token', async () => {
    const servers = await start('authorization { token: "t0ken" }');
    await expectWorks({ servers, token: 't0ken' });
    await expectRefused({ servers, token: 'other' }, /authorization/i);
  });

  test('one with the key', async () => {
    const [user, stranger] = [nkeys.createUser(), nkeys.createUser()];
    const servers = await start(`authorization { users: [ { nkey: ${user.getPublicKey()} } ] }`);
    await expectWorks({ servers, authenticator: nkeyAuthenticator(user.getSeed()) });
    await expectRefused({ servers, authenticator: nkeyAuthenticator(stranger.getSeed()) }, /authorization/i);
  });

  test('a user whose inboxes begin as its permissions say', async () => {
    const servers = await start(
      'authorization { users: [ { user: "troupe", password: "pass", ' +
        'permissions { publish: ["tr.>", "$JS.API.>"], subscribe: ["tr.>", "mine.>"] } } ] }',
    );
    await expectWorks({ servers, user: 'troupe', pass: 'pass', inboxPrefix: 'mine' });
  });

  test('one that trusts the certificate, and shows its own where the server asks for it', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'troupe-tls-'));
    ends.push(() => rm(folder, { recursive: true }));
    const file = (name: string): string => join(folder, name);
    makeCertificates(file);
    const [url] = await start(
      `tls { cert_file: ${JSON.stringify(file('server.pem'))}, key_file: ${JSON.stringify(file('server.key'))}, ` +
        `ca_file: ${JSON.stringify(file('ca.pem'))}, verify: true }`,
    );
    const servers = url!.replace('127.0.0.1', 'localhost');
    const tls = { caFile: file('ca.pem'), certFile: file('client.pem'), keyFile: file('client.key') };
    await expectWorks({ servers, tls });
    await expectRefused({ servers, tls: { certFile: tls.certFile, keyFile: tls.keyFile } }, /certificate/i);
    await expectRefused({ servers, tls: { caFile: tls.caFile } }, /./);
  });
});

/** An authority and two certificates by it, for an hour. */
function makeCertificates(file: (name: string) => string): void {
  const openssl = (...args: string[]): void => void execFileSync('openssl', args, { stdio: 'pipe' });
  const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'];
  openssl('req', '-x509', ...key, '-keyout', file('ca.key'), '-out', file('ca.pem'), '-days', '1', '-subj', '/CN=test');
  for (const name of ['server', 'client']) {
    openssl(
      ...['req', '-x509', ...key, '-keyout', file(`${name}.key`), '-out', file(`${name}.pem`), '-days', '1'],
      ...['-subj', `/CN=${name}`, '-addext', 'subjectAltName=DNS:localhost', '-addext', 'basicConstraints=CA:FALSE'],
      ...['-CA', file('ca.pem'), '-CAkey', file('ca.key')],
    );
  }
}
