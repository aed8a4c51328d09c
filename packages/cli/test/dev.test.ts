import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { banner } from '../src/banner.ts';
import { parseDevArguments, startsAnother } from '../src/dev.ts';
import { UsageError } from '../src/errors.ts';
import type { Service } from '../src/serve.ts';

const service = { url: 'http://127.0.0.1:3500', app: 'default', dataFolder: '/data' } as Service;
const NO_SECRETS = {};

test('without arguments the port is 3500 and the data are in .troupe', () => {
  expect(parseDevArguments([])).toEqual({
    port: 3500,
    grpcPort: undefined,
    dataFolder: '.troupe',
    nats: undefined,
    app: 'default',
    examples: true,
  });
});

test('every flag is taken', () => {
  expect(
    parseDevArguments(['--port', '0', '--grpc-port=50001', '--data', 'd', '--app', 'shop', '--no-examples']),
  ).toEqual({ port: 0, grpcPort: 50_001, dataFolder: 'd', nats: undefined, app: 'shop', examples: false });
  const args = ['--nats', 'a:4222, tls://b:4222', '--replicas', '3', '--nats-sync', 'always'];
  const { dataFolder, nats } = parseDevArguments(args, NO_SECRETS);
  expect(dataFolder).toBeUndefined();
  expect(nats).toEqual({
    servers: ['nats://a:4222', 'tls://b:4222'],
    replicas: 3,
    syncInterval: 'always',
    credentials: {},
  });
});

test.each([['-1'], ['65536'], ['http'], ['1e3'], [''], [' 80']])('%j is no port', (port) => {
  expect(() => parseDevArguments([`--port=${port}`])).toThrow(UsageError);
});

test('an empty folder name, an unknown flag and a stray word are refused', () => {
  expect(() => parseDevArguments(['--data', ''])).toThrow(UsageError);
  expect(() => parseDevArguments(['--prot', '1'])).toThrow('--prot');
  expect(() => parseDevArguments(['extra'])).toThrow('extra');
});

test.each([
  [['--nats', 'nats://a', '--data', 'd'], 'exclude each other'],
  [['--replicas', '3'], '--replicas needs --nats'],
  [['--nats-creds', 'f'], '--nats-creds needs --nats'],
  [['--nats-sync', 'always'], '--nats-sync needs --nats'],
  [['--nats', 'a', '--nats-sync', '1s'], '--nats-sync is always or default, got "1s"'],
  [['--nats', 'a', '--replicas', '2'], '--replicas is one of 1, 3, 5, got "2"'],
  [['--nats', ''], '--nats names servers as nats://host:port, got ""'],
  [['--nats', 'http://a:4222'], 'got "http://a:4222"'],
  [['--nats', 'a:4222,,b:4222'], 'got ""'],
  [['--nats', 'nats://a:4222/x'], 'got "nats://a:4222/x"'],
  [['--nats', 'nats://a:0x10'], 'got "nats://a:0x10"'],
  [['--nats', 'a', '--nats-creds', '/none/such'], '--nats-creds names a file that cannot be read'],
  [['--app', ''], '--app is a name'],
  [['--nats', 'a', '--app', 'my.shop'], '--app is 1 to 64 letters'],
])('%j makes no sense', (args, message) => {
  expect(() => parseDevArguments(args, NO_SECRETS)).toThrow(message);
});

test('a password in a URL is refused and not repeated', () => {
  for (const url of ['nats://ada:secret@a:4222', 'secret@a:4222']) {
    const parse = (): unknown => parseDevArguments(['--nats', url], NO_SECRETS);
    expect(parse).toThrow('NATS_USER and NATS_PASSWORD');
    expect(parse).not.toThrow('secret');
  }
});

test('who we are comes from the environment, in one way', () => {
  const credentials = (environment: Record<string, string>, ...args: readonly string[]): unknown =>
    parseDevArguments(['--nats', 'a', ...args], environment).nats?.credentials;
  expect(credentials({ NATS_USER: 'ada', NATS_PASSWORD: 'p' })).toEqual({ user: 'ada', pass: 'p' });
  expect(credentials({ NATS_TOKEN: 't', NATS_USER: '' })).toEqual({ token: 't' });
  const file = fileURLToPath(import.meta.url);
  expect(credentials({ NATS_CREDS: file })).toEqual({ creds: readFileSync(file) });
  expect(credentials({ NATS_CREDS: '/none/such' }, '--nats-creds', file)).toEqual({ creds: readFileSync(file) });
  expect(credentials({ NATS_CA: file, NATS_CERT: file, NATS_KEY: file })).toEqual({
    tls: { caFile: file, certFile: file, keyFile: file },
  });
  expect(() => credentials({ NATS_USER: 'ada' })).toThrow('belong together');
  expect(() => credentials({ NATS_PASSWORD: 'p', NATS_TOKEN: 't' })).toThrow('belong together');
  expect(() => credentials({ NATS_USER: 'ada', NATS_PASSWORD: 'p', NATS_TOKEN: 't' })).toThrow('not several');
  expect(() => credentials({ NATS_TOKEN: 't' }, '--nats-creds', file)).toThrow('not several');
  expect(() => credentials({ NATS_CERT: file })).toThrow('NATS_CERT and NATS_KEY');
  expect(() => credentials({ NATS_CA: '/none/such' })).toThrow('NATS_CA names a file that cannot be read');
});

test('the banner names the folder and has lines to paste', () => {
  const said = { examples: true, another: 'troupe dev --port 3501' };
  const text = banner(service, said, false);
  expect(text).toContain('/data');
  expect(text).not.toContain('another host');
  expect(text).toContain(`curl http://127.0.0.1:3500/v1.0/workflows/hello/h1/start -d '"Ada"'`);
  expect(text).not.toContain('\u001b');
  expect(banner(service, said, true)).toContain('\u001b[1m');
  expect(banner(service, { ...said, examples: false }, false)).not.toContain('curl');
});

test('the banner of a shared state names servers, replicas, application and the next host', () => {
  const shared = { servers: ['nats://a:4222', 'nats://b:4222'], serverVersion: '2.15.1', replicas: 3 };
  const another = 'npm start -- --nats nats://a:4222,nats://b:4222 --port 3501';
  const text = banner({ ...service, app: 'shop', dataFolder: undefined, shared }, { examples: false, another }, false);
  expect(text).toContain('serves http://127.0.0.1:3500, application shop');
  expect(text).toContain('state in NATS 2.15.1 at nats://a:4222, nats://b:4222, replicas: 3');
  expect(text).toContain(`another host: ${another}\n`);
});

test('another host is started as this one was, but for its port', () => {
  expect(startsAnother(['--port', '3500', '--nats', 'a', '--no-examples'], 3500, 'troupe dev')).toBe(
    'troupe dev --nats a --no-examples --port 3501',
  );
  expect(startsAnother(['--port=65535', '--nats=a'], 65_535, 'npm start --')).toBe('npm start -- --nats=a --port 0');
});
