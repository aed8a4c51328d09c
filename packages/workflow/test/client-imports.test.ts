import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';

/** The files that a source file loads, itself included; types load nothing. */
function loadedBy(file: URL, loaded = new Set<string>()): Set<string> {
  const name = file.pathname.split('/').at(-1)!;
  if (loaded.has(name)) return loaded;
  loaded.add(name);
  const imports = readFileSync(file, 'utf8').matchAll(/^(?:import|export) (?!type )[^;]*? from '(\.\/[^']+)';/gms);
  for (const [, path] of imports) loadedBy(new URL(path!, file), loaded);
  return loaded;
}

test('the client over HTTP loads no engine', () => {
  expect([...loadedBy(new URL('../src/client.ts', import.meta.url))].sort()).toEqual([
    'client.ts',
    'errors.ts',
    'http-client.ts',
    'http-error.ts',
    'http-payload.ts',
    'http-request.ts',
    'instance-handle.ts',
    'limits.ts',
    'name.ts',
    'status.ts',
  ]);
});
