// All other tests read the sources. This one reads what is published: that it loads in plain Node, from the siblings' builds,
// and that the build lost nothing.

import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';
import * as grpc from '../../src/grpc.ts';
import * as http from '../../src/http.ts';

const script = fileURLToPath(new URL('../../../../scripts/dist-exports.mjs', import.meta.url));

test('the build exports what the sources do', { timeout: 300_000 }, async () => {
  const { stdout } = await promisify(execFile)(process.execPath, [script, 'gateway'], {
    env: { ...process.env, NODE_OPTIONS: '' },
  });
  expect(JSON.parse(stdout)).toEqual({
    './grpc': Object.keys(grpc).sort(),
    './http': Object.keys(http).sort(),
  });
});
