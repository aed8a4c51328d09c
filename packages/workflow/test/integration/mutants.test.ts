import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';

const root = fileURLToPath(new URL('../../../..', import.meta.url));

test('the simulation finds every mutant', { timeout: 600_000 }, async () => {
  const { stdout } = await promisify(execFile)(
    process.execPath,
    ['scripts/mutants.mjs', '--known', 'packages/workflow'],
    { cwd: root },
  );
  expect(stdout).toContain('executions-are-not-told-apart');
  expect(stdout).not.toContain('NOT FOUND');
});
