// That the sources of all packages fit their types, and that declarations can be made of them: in one go for all of them, what
// `npm run build` does for each.

import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect, onTestFinished, test } from 'vitest';
import { root } from './harness.ts';

interface Manifest {
  readonly exports: Readonly<Record<string, string | { readonly '@troupe/source': string }>>;
}

test('every package has declarations', { timeout: 300_000 }, async () => {
  // Inside the clone, where the compiler finds the types of Node.
  await mkdir(join(root, '.cache'), { recursive: true });
  const folder = await mkdtemp(join(root, '.cache/declarations-'));
  onTestFinished(() => rm(folder, { recursive: true }));
  const project = join(folder, 'tsconfig.json');
  await writeFile(
    project,
    JSON.stringify({
      extends: '../../tsconfig.json',
      compilerOptions: {
        noEmit: false,
        declaration: true,
        emitDeclarationOnly: true,
        outDir: 'made',
        rootDir: '../..',
      },
      include: ['../../packages/*/src'],
    }),
  );
  const compiler = join(root, 'node_modules/typescript/bin/tsc');
  const printed = await promisify(execFile)(process.execPath, [compiler, '--project', project]).then(
    ({ stdout }) => stdout,
    (error: { readonly stdout: string }) => error.stdout,
  );
  expect(printed).toBe('');
  for (const name of await readdir(join(root, 'packages'))) {
    const path = join(root, 'packages', name, 'package.json');
    // A branch that was left leaves folders without a package.
    if (!existsSync(path)) continue;
    const manifest = JSON.parse(await readFile(path, 'utf8')) as Manifest;
    for (const paths of Object.values(manifest.exports)) {
      if (typeof paths === 'string') continue;
      const declarations = paths['@troupe/source'].replace(/\.ts$/, '.d.ts');
      expect(existsSync(join(folder, 'made/packages', name, declarations)), `${name}: ${declarations}`).toBe(true);
    }
  }
});
