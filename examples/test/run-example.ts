// Runs an example as a person would and looks at what it prints.

import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, expect } from 'vitest';

export const folder = fileURLToPath(new URL('..', import.meta.url));
// The examples leave their data in the temporary folder.
const temporary = mkdtempSync(join(tmpdir(), 'troupe-examples-'));
afterAll(() => rmSync(temporary, { recursive: true, force: true }));

/**
 * @param lines what must be printed, in this order; other lines may stand between
 * @param errors what it may write to standard error
 */
export async function expectExample(
  name: string,
  lines: readonly string[],
  { timeoutMs = 30_000, errors = /^$/ }: { readonly timeoutMs?: number; readonly errors?: RegExp } = {},
): Promise<void> {
  const { stdout, stderr } = await promisify(execFile)(
    process.execPath,
    ['--import', 'tsx', '--conditions=@troupe/source', join(folder, name)],
    { cwd: folder, env: { ...process.env, TMPDIR: temporary, NO_COLOR: '1', NODE_OPTIONS: '' }, timeout: timeoutMs },
  );
  expect(stderr).toMatch(errors);
  let position = 0;
  for (const line of lines) {
    const found = stdout.indexOf(line, position);
    expect(found, `${JSON.stringify(line)} in its place in:\n${stdout}`).toBeGreaterThanOrEqual(0);
    position = found + line.length;
  }
}
