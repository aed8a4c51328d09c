// `npm run bench -- --only W1,W3 --json`: bundles the sources as a published build would be (a loader that translates while
// it runs adds helpers to every closure) and measures with that.

import { mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { installIfNeeded, run } from './install.mjs';
import { root } from './repository.mjs';

await installIfNeeded();
const esbuild = await import('esbuild');
// Inside a node_modules from which the native dependency is found.
const folder = join(root, 'bench/node_modules/.cache', String(process.pid));
mkdirSync(folder, { recursive: true });
try {
  const file = join(folder, 'bench.mjs');
  await esbuild.build({
    entryPoints: [join(root, 'bench/bench.ts')],
    outfile: file,
    bundle: true,
    conditions: ['@troupe/source'],
    external: ['classic-level', 'msgpackr-extract'],
    format: 'esm',
    platform: 'node',
    target: 'node20',
    banner: {
      js: "import * as nodeModule from 'node:module'; const require = nodeModule.createRequire(import.meta.url);",
    },
  });
  await run(process.execPath, [file, ...process.argv.slice(2)], { stdio: 'inherit', env: process.env, shell: false });
} catch (error) {
  console.error(error.message);
  process.exitCode = 1;
} finally {
  rmSync(folder, { recursive: true, force: true });
}
