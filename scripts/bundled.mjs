// Runs programs from bundles of the sources, as a published build would be: a loader that translates while it runs adds helpers
// to every closure, and takes five times as long to start.

import { mkdirSync, rmSync } from 'node:fs';
import { join, parse, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { guardFolder } from './guardian.mjs';
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

// Inside a node_modules from which the native dependency is found.
const bundles = join(root, 'bench/node_modules/.cache', String(process.pid));

async function bundle(entryPoints, outdir, options = {}) {
  mkdirSync(outdir, { recursive: true });
  const esbuild = await import('esbuild');
  await esbuild.build({
    entryPoints,
    outdir,
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
    ...options,
  });
}

/**
 * Bundles the programs of the folder `bench`, each into a file of its own, and runs the first one.
 *
 * @throws {Error} when it does not end well
 */
export async function runBundled(programs, args, nodeOptions = []) {
  await installIfNeeded();
  try {
    await bundle(
      programs.map((name) => join(root, 'bench', `${name}.ts`)),
      bundles,
    );
    const file = join(bundles, `${programs[0]}.mjs`);
    await run(process.execPath, [...nodeOptions, file, ...args], {
      stdio: 'inherit',
      env: process.env,
      shell: false,
    });
  } finally {
    rmSync(bundles, { recursive: true, force: true });
  }
}

/** What node is given to run a program, by the program's path. */
const bundled = new Map();

/** Bundles a program that is to run in child processes, and gives what node is given to run it. It goes with this process. */
export function childProgram(path) {
  if (bundled.size === 0) guardFolder(bundles);
  if (!bundled.has(path)) bundled.set(path, bundleChild(path, join(bundles, String(bundled.size))));
  return bundled.get(path);
}

async function bundleChild(path, outdir) {
  await bundle([path], outdir, { sourcemap: true });
  return ['--enable-source-maps', join(outdir, `${parse(path).name}.mjs`)];
}
