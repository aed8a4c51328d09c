// The soak, for seconds: too short to see slow growth, long enough to see what is left behind.

import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';

const root = fileURLToPath(new URL('../../..', import.meta.url));

async function soak(...args: readonly string[]): Promise<string> {
  const { stdout } = await promisify(execFile)(process.execPath, ['scripts/soak.mjs', ...args], { cwd: root });
  return stdout;
}

test('nothing is left of a mixed load when everything is purged', async () => {
  const printed = await soak('--minutes', '0.1');
  for (const scenario of [
    'sequence',
    'children',
    'continueAsNew',
    'terminatedTree',
    'retention',
    'sleeper',
    'actors',
  ]) {
    expect(printed).toMatch(new RegExp(`^${scenario} +\\d+$`, 'm'));
  }
  const left = printed.slice(printed.indexOf('left after a purge'));
  expect(left).toContain("the store's own rows are layout, lease\n");
  for (const what of [
    'rows',
    'instances',
    'activations',
    'wakeUps',
    'recovering',
    'listeners',
    'timeouts after the stop',
  ]) {
    expect(left).toMatch(new RegExp(`^${what} +0$`, 'm'));
  }
  expect(left).toContain('nothing grew, nothing is left');
}, 180_000);

test('a soak without a time is refused', async () => {
  await expect(soak('--minutes', 'x')).rejects.toMatchObject({ code: 1, stderr: expect.stringContaining('--minutes') });
}, 60_000);
