import { expect, test } from 'vitest';
import { banner } from '../src/banner.ts';
import { parseDevArguments } from '../src/dev.ts';
import { UsageError } from '../src/errors.ts';
import type { Service } from '../src/serve.ts';

const service = { url: 'http://127.0.0.1:3500', dataFolder: '/data' } as Service;

test('without arguments the port is 3500 and the data are in .troupe', () => {
  expect(parseDevArguments([])).toEqual({ port: 3500, grpcPort: undefined, dataFolder: '.troupe', examples: true });
});

test('every flag is taken', () => {
  expect(parseDevArguments(['--port', '0', '--grpc-port=50001', '--data', 'd', '--no-examples'])).toEqual({
    port: 0,
    grpcPort: 50_001,
    dataFolder: 'd',
    examples: false,
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

test('the banner names the folder and has lines to paste', () => {
  const text = banner(service, true, false);
  expect(text).toContain('/data');
  expect(text).toContain(`curl http://127.0.0.1:3500/v1.0/workflows/hello/h1/start -d '"Ada"'`);
  expect(text).not.toContain('\u001b');
  expect(banner(service, true, true)).toContain('\u001b[1m');
  expect(banner(service, false, false)).not.toContain('curl');
});
