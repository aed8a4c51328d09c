// Runs a program of the folder `bench` from a bundle of the sources, as a published build would be: a loader that translates
// while it runs adds helpers to every closure.

import { mkdirSync, rmSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { installIfNeeded, run } from './install.mjs';
import { root } from './repository.mjs';

/** They find the clone, and one of them itself, by where they are: they stay there. */
const ownScripts = {
  name: 'own scripts',
  setup(build) {
    build.onResolve({ filter: /\/scripts\/[a-z-]+\.mjs$/ }, ({ path, resolveDir }) => ({
      path: pathToFileURL(resolve(resolveDir, path)).href,
      external: true,
    }));
  },
};

/**
 * Bundles the programs, each into a file of its own, and runs the first one.
 *
 * @throws {Error} when it does not end well
 */
export async function runBundled(programs, args, nodeOptions = []) {
  await installIfNeeded();
  const esbuild = await import('esbuild');
  // Inside a node_modules from which the native dependency is found.
  const folder = join(root, 'bench/node_modules/.cache', String(process.pid));
  mkdirSync(folder, { recursive: true });
  try {
    await esbuild.build({
      entryPoints: programs.map((name) => join(root, 'bench', `${name}.ts`)),
      outdir: folder,
      outExtension: { '.js': '.mjs' },
      // The profile reads the paths that stand in the bundle.
      absWorkingDir: root,
      bundle: true,
      conditions: ['@troupe/source'],
      external: ['classic-level', 'msgpackr-extract'],
      plugins: [ownScripts],
      format: 'esm',
      platform: 'node',
      target: 'node20',
      banner: {
        js: "import * as nodeModule from 'node:module'; const require = nodeModule.createRequire(import.meta.url);",
      },
    });
    const file = join(folder, `${programs[0]}.mjs`);
    await run(process.execPath, [...nodeOptions, file, ...args], {
      stdio: 'inherit',
      env: process.env,
      shell: false,
    });
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
