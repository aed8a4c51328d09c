// The configuration files in docs/nats, each run by a real server. Only addresses and ports are others.

import { execFile } from 'node:child_process';
import { mkdtempSync } from 'node:fs';
import { cp, mkdir, readFile, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { connect, type NatsConnection } from '@nats-io/transport-node';
import { expect, onTestFinished, test } from 'vitest';
import { guardFolder } from '../../../../scripts/guardian.mjs';
import { Child } from './child.ts';
import { eventually } from './eventually.ts';
import { freePort } from './free-port.ts';
import { describeWithNats, natsServerProgram } from './needs-server.ts';

const SAMPLES = fileURLToPath(new URL('../../../../docs/nats/', import.meta.url));
const PASSWORDS = { SHOP_PASSWORD: 'shops', CRM_PASSWORD: 'crms', ADMIN_PASSWORD: 'admins' };

interface Running {
  readonly url: string;
  readonly monitor: string;
}

/** What the monitoring says of JetStream. */
interface Variables {
  readonly cluster: { readonly name?: string };
  readonly jetstream: { readonly config: { readonly sync_always?: boolean; readonly store_dir: string } };
}

function temporary(): string {
  const folder = mkdtempSync(join(tmpdir(), 'troupe-nats-'));
  onTestFinished(guardFolder(folder));
  return folder;
}

/** Runs a sample in a folder of its own, with ports of its own: `own` says which text becomes which. */
async function run(sample: string, own: Readonly<Record<string, string>>, name = 'nats-1'): Promise<Running> {
  const folder = join(temporary(), name);
  await mkdir(folder);
  await cp(SAMPLES, folder, { recursive: true });
  const [port, monitorPort] = [await freePort(), await freePort()];
  const addresses = { ...own, '0.0.0.0:4222': `127.0.0.1:${port}`, '127.0.0.1:4222': `127.0.0.1:${port}` };
  let text = await readFile(join(SAMPLES, sample), 'utf8');
  for (const [from, to] of Object.entries({ ...addresses, '127.0.0.1:8222': `127.0.0.1:${monitorPort}` }))
    text = text.replaceAll(from, to);
  await writeFile(join(folder, sample), text);
  const environment = { ...process.env, ...PASSWORDS, NATS_NAME: name };
  const child = new Child(natsServerProgram(), ['-c', sample, '-l', 'log'], {
    cwd: folder,
    env: environment,
    stdio: 'ignore',
  });
  onTestFinished(() => child.kill());
  const running = { url: `nats://127.0.0.1:${port}`, monitor: `http://127.0.0.1:${monitorPort}` };
  // Its monitor answers before it takes connections and has JetStream, which `healthz` waits for.
  await eventually(`${name} is ready`, async () => {
    if (!child.running) return 'ended';
    return (await fetch(`${running.monitor}/healthz`)).ok && 'ready';
  }).then(async (state) => {
    if (state === 'ended') throw new Error(await readFile(join(folder, 'log'), 'utf8'));
  });
  return running;
}

async function variables({ monitor }: Running): Promise<Variables> {
  return (await (await fetch(`${monitor}/varz`)).json()) as Variables;
}

async function client(servers: string, options: { user?: string; pass?: string } = {}): Promise<NatsConnection> {
  const connection = await connect({ servers, ...options });
  onTestFinished(() => connection.close());
  return connection;
}

/** Asks JetStream for something; throws what it answers as an error. */
async function ask(connection: NatsConnection, subject: string, body?: object): Promise<unknown> {
  const payload = body === undefined ? undefined : JSON.stringify(body);
  const answer = (await connection.request(`$JS.API.${subject}`, payload, { timeout: 5_000 })).json<{
    error?: object;
  }>();
  if (answer.error !== undefined) throw new Error(JSON.stringify(answer.error));
  return answer;
}

const stream = (app: string, replicas = 1): object => ({
  name: `TROUPE_${app}_0`,
  subjects: [`tr.${app}.h.>`],
  num_replicas: replicas,
  allow_direct: true,
});

describeWithNats('the sample configuration', () => {
  test('each file is one that the server takes as it stands', async () => {
    const environment = { ...process.env, ...PASSWORDS, NATS_NAME: 'nats-1' };
    for (const sample of ['nats-server.conf', 'cluster.conf', 'secured.conf'])
      await promisify(execFile)(natsServerProgram(), ['-t', '-c', join(SAMPLES, sample)], { env: environment });
  });

  test('one server syncs before it acknowledges, and keeps its data beside its configuration', async () => {
    const server = await run('nats-server.conf', {});
    const { jetstream } = await variables(server);
    expect(jetstream.config).toMatchObject({ sync_always: true });
    expect(jetstream.config.store_dir).toMatch(/data/);
    await ask(await client(server.url), 'STREAM.CREATE.TROUPE_default_0', stream('default'));
  });

  test('three servers from the one file form a cluster that keeps three copies', async () => {
    const routes: Record<string, string> = {};
    const ports = [await freePort(), await freePort(), await freePort()];
    for (const [index, port] of ports.entries()) routes[`nats-${index + 1}:6222`] = `127.0.0.1:${port}`;
    const servers = await Promise.all(
      ports.map((port, index) =>
        run('cluster.conf', { ...routes, '0.0.0.0:6222': `127.0.0.1:${port}` }, `nats-${index + 1}`),
      ),
    );
    for (const server of servers)
      expect(await variables(server)).toMatchObject({
        cluster: { name: 'troupe' },
        jetstream: { config: { sync_always: true } },
      });
    const connection = await client(servers[0]!.url);
    await eventually('the stream is made', () =>
      ask(connection, 'STREAM.CREATE.TROUPE_default_0', stream('default', 3)),
    );
    const stored = await eventually('it takes a message', () => connection.request('tr.default.h.1', 'x'));
    expect(stored.json()).toMatchObject({ stream: 'TROUPE_default_0', seq: 1 });
  });

  test('applications see nothing of each other, and a user of one may do what a host does', async () => {
    const server = await run('nats-server.conf', { '# Who may do what: see secured.conf.': 'include "secured.conf"' });
    await expect(connect({ servers: server.url })).rejects.toThrow('Authorization Violation');
    const shop = await client(server.url, { user: 'shop', pass: 'shops' });
    const crm = await client(server.url, { user: 'crm', pass: 'crms' });
    await ask(shop, 'STREAM.CREATE.TROUPE_shop_0', stream('shop'));
    await ask(crm, 'INFO');
    await ask(crm, 'STREAM.CREATE.TROUPE_crm_0', stream('crm'));
    await ask(crm, 'STREAM.INFO.TROUPE_crm_0');
    await crm.request('tr.crm.h.1', 'x');
    await ask(crm, 'STREAM.MSG.GET.TROUPE_crm_0', { seq: 1 });
    expect((await crm.request('$JS.API.DIRECT.GET.TROUPE_crm_0.tr.crm.h.1')).string()).toBe('x');
    const consumer = {
      stream_name: 'TROUPE_crm_0',
      config: { name: 'c', deliver_subject: 'tr.crm.x', ack_policy: 'none' },
    };
    await ask(crm, 'CONSUMER.CREATE.TROUPE_crm_0.c', consumer);
    await ask(crm, 'CONSUMER.DELETE.TROUPE_crm_0.c');
    await ask(crm, 'STREAM.PURGE.TROUPE_crm_0', { filter: 'tr.crm.h.1', seq: 2 });

    await expect(ask(crm, 'STREAM.CREATE.TROUPE_shop_0', stream('shop'))).rejects.toThrow('Permissions Violation');
    await expect(crm.request('tr.shop.h.1', 'x')).rejects.toThrow('Permissions Violation');
    // Of another account: the same names are others.
    await expect(ask(shop, 'STREAM.INFO.TROUPE_crm_0')).rejects.toThrow('stream not found');
  });
});
