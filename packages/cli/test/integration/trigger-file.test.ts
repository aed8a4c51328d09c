// `npm start -- --config FILE` and `troupe trigger …`, as people type them.

import { execFile } from 'node:child_process';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { expect, onTestFinished, test } from 'vitest';
import { childProgram } from '../../../../scripts/bundled.mjs';
import { eventually } from '../../../nats/test/integration/eventually.ts';
import { NatsServers } from '../../../nats/test/integration/nats-servers.ts';
import { describeWithNats, natsServerProgram } from '../../../nats/test/integration/needs-server.ts';
import { root, ServiceProcess, startService, temporaryFolder } from './harness.ts';

const bin = fileURLToPath(new URL('../../src/bin.ts', import.meta.url));

async function troupe(...args: readonly string[]): Promise<string> {
  const options = [...(await childProgram(bin)), 'trigger', ...args];
  return (await promisify(execFile)(process.execPath, options, { cwd: root })).stdout;
}

async function fileOf(name: string, content: string): Promise<string> {
  const path = join(await temporaryFolder(), name);
  await writeFile(path, content);
  return path;
}

test(
  'files that are dropped start workflows, and the command line shows what became of those that cannot',
  { timeout: 300_000 },
  async () => {
    const folder = join(await temporaryFolder(), 'inbox');
    await mkdir(folder);
    const config = await fileOf(
      'troupe.yaml',
      `
triggers:
  greet:
    source: { files: { folder: ${JSON.stringify(folder)}, pattern: "*.json", settle: 0s, scanInterval: 200ms } }
    filter: event.data.name != 'nobody'
    start: { workflow: hello, instanceId: "'greet-' + event.data.name", input: event.data.name }
  lost:
    source: { webhook: {} }
    start: { workflow: helo }
`,
    );
    const service = await startService(await temporaryFolder(), '--config', config);
    expect(service.output).toContain('there is no workflow \\"helo\\" on this host');
    expect(service.output).not.toContain('minutely');
    await writeFile(join(folder, 'a.json'), '{"name":"Ada"}');
    await writeFile(join(folder, 'b.json'), '{"nme":"Bob"}');
    await eventually('Ada is greeted', async () => (await service.get('hello/greet-Ada')).status === 200);
    expect(JSON.stringify((await service.end('hello/greet-Ada')).output)).toContain('Ada');

    const url = ['--url', service.url];
    const letters = async (): Promise<{ readonly id: string }[]> =>
      (JSON.parse(await troupe('dead-letters', 'greet', ...url)) as { deadLetters: { id: string }[] }).deadLetters;
    await eventually('Bob is a dead letter', async () => (await letters()).length === 1);
    const [letter] = await letters();
    expect(letter).toMatchObject({ error: { message: expect.stringContaining('no such key: name') as string } });
    expect(JSON.parse(await troupe('show', 'greet', ...url))).toMatchObject({
      name: 'greet',
      kind: 'files',
      deadLetters: 1,
    });
    const { triggers } = JSON.parse(await troupe('list', ...url)) as { triggers: { name: string }[] };
    expect(triggers.map(({ name }) => name)).toEqual(['greet', 'lost']);
    expect((await troupe('export', 'greet', ...url)).trim().split('\n')).toHaveLength(1);
    expect(JSON.parse(await troupe('retry', 'greet', '--all', ...url))).toEqual({ retried: 1, failed: 1 });
    await expect(troupe('retry', 'greet', letter!.id, ...url)).rejects.toThrow('troupe: the event failed again');
    const event = await fileOf('event.json', '{"name":"Cy"}');
    expect(JSON.parse(await troupe('test', 'greet', '--event', event, ...url))).toMatchObject({
      would: 'start',
      plan: { instanceId: 'greet-Cy', input: 'Cy' },
    });
    expect((await service.get('hello/greet-Cy')).status).toBe(404);
    await troupe('drop', 'greet', letter!.id, ...url);
    expect(await letters()).toEqual([]);
    await expect(troupe('show', 'nobody', ...url)).rejects.toThrow(/troupe: there is no trigger "nobody"/);
  },
);

test('a rule is tried without a service and without its broker', async () => {
  const config = await fileOf(
    'troupe.yaml',
    `
triggers:
  orders:
    source: { jetstream: { servers: nats://nowhere:1, stream: S, options: { token: { env: TROUPE_NO_SUCH } } } }
    types: [order.created]
    start: { workflow: order, instanceId: "'order-' + event.data.id" }
`,
  );
  const event = (type: string): Promise<string> =>
    fileOf('event.json', JSON.stringify({ specversion: '1.0', source: '/s', id: '1', type, data: { id: 7 } }));
  const tried = async (type: string): Promise<unknown> =>
    JSON.parse(await troupe('test', 'orders', '--config', config, '--event', await event(type)));
  expect(await tried('order.created')).toMatchObject({
    would: 'start',
    plan: { instanceId: 'order-7', input: { id: 7 } },
  });
  expect(await tried('order.gone')).toMatchObject({ would: 'filter' });
});

test('a file that is wrong keeps the service from starting, and says all of it', async () => {
  const config = await fileOf(
    'troupe.yaml',
    'triggers:\n  a:\n    sorce: {}\n    filter: evnt.id == 1\n    drop: {}\n',
  );
  const exit = await new ServiceProcess(['--port', '0', '--data', await temporaryFolder(), '--config', config]).exited;
  expect(exit).toMatchObject({ code: 1, signal: null });
  expect(exit.output).toContain(
    `troupe: the triggers cannot be used\n${config}:3:5: there is no option "sorce" in "a". Is "source" meant?\n${config}:4:13: `,
  );
  expect(exit.output).not.toContain('    at ');
});

describeWithNats('with NATS', () => {
  test('the installed client of a broker is found, and messages start workflows', async () => {
    const servers = await NatsServers.start(1, { program: natsServerProgram(), configuration: '' });
    onTestFinished(() => servers.end());
    const { connect } = await import('@nats-io/transport-node');
    const connection = await connect({ servers: servers.urls[0]! });
    onTestFinished(() => connection.close());
    const asked = await connection.request(
      '$JS.API.STREAM.CREATE.ORDERS',
      JSON.stringify({ name: 'ORDERS', subjects: ['orders.*'] }),
    );
    expect(asked.json()).not.toHaveProperty('error');
    connection.publish('orders.made', JSON.stringify({ name: 'Ada' }));
    await connection.flush();
    const config = await fileOf(
      'troupe.yaml',
      `
triggers:
  greet:
    source: { jetstream: { servers: { env: TROUPE_TEST_NATS }, stream: ORDERS } }
    start: { workflow: hello, instanceId: "'greet-' + event.data.name", input: event.data.name }
`,
    );
    const args = ['--port', '0', '--data', await temporaryFolder(), '--config', config];
    const service = await new ServiceProcess(args, { TROUPE_TEST_NATS: servers.urls[0]! }).ready();
    await eventually('Ada is greeted', async () => (await service.get('hello/greet-Ada')).status === 200);
  });
});
