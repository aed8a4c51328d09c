import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { format, inspect } from 'node:util';
import { afterAll, expect, test, vi } from 'vitest';
import { SecretError } from '../../src/errors.ts';
import { Secret, secretFrom, secretsFrom } from '../../src/signatures/secret.ts';

const folder = mkdtempSync(join(tmpdir(), 'troupe-secret-'));
afterAll(() => {
  vi.unstubAllEnvs();
  rmSync(folder, { recursive: true });
});

function file(name: string, text: string): string {
  const path = join(folder, name);
  writeFileSync(path, text);
  return path;
}

test('a secret is fetched from where it is', () => {
  vi.stubEnv('TROUPE_TEST_SECRET', 'from the environment');
  expect(secretFrom({ env: 'TROUPE_TEST_SECRET' }).reveal()).toBe('from the environment');
  expect(secretFrom({ file: file('a', 'from a file\n') }).reveal()).toBe('from a file');
  expect(secretFrom({ file: file('b', ' spaces \n\r\n') }).reveal()).toBe(' spaces \n');
  expect(secretFrom('itself').reveal()).toBe('itself');
  const secret = new Secret('itself');
  expect(secretFrom(secret)).toBe(secret);
  expect(secretsFrom(['a', secret]).map((one) => one.reveal())).toEqual(['a', 'itself']);
});

test('one that is not there, or empty, is an error that says where it was looked for', () => {
  vi.stubEnv('TROUPE_TEST_EMPTY', ' ');
  const nowhere = join(folder, 'nowhere');
  const empty = file('empty', '\n');
  const large = file('large', 'x'.repeat(70_000));
  for (const [origin, message] of [
    [{ env: 'TROUPE_TEST_MISSING' }, /environment variable TROUPE_TEST_MISSING is not set/],
    [{ env: 'TROUPE_TEST_EMPTY' }, /environment variable TROUPE_TEST_EMPTY is empty/],
    [{ file: nowhere }, /the file .*nowhere cannot be read: ENOENT/],
    [{ file: folder }, /cannot be read: EISDIR/],
    [{ file: empty }, /the file .*empty is empty/],
    [{ file: large }, /the file .*large has more than 65536 bytes/],
    ['', /the secret is empty/],
  ] as const) {
    expect(() => secretFrom(origin)).toThrow(SecretError);
    expect(() => secretFrom(origin)).toThrow(message);
  }
  expect(() => secretsFrom([])).toThrow(/list of secrets is empty/);
});

test('a secret shows itself to nobody', () => {
  const secret = new Secret('s3cret');
  const shown = [
    String(secret),
    JSON.stringify({ secret }),
    inspect(secret),
    inspect({ deep: [{ secret }] }, { depth: 9, showHidden: true }),
    format('%s %o %O %j', secret, secret, secret, secret),
    Object.entries(secret).join(','),
    inspect(new SecretError('x', { cause: secret })),
  ];
  for (const text of shown) expect(text).not.toContain('s3cret');
  expect(String(secret)).toBe('[secret]');
  expect(() => structuredClone(secret).reveal()).toThrow();
});
