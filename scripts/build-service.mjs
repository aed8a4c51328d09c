// Builds what `npm start` runs: the `troupe` command and the packages that it is made of.
//
// A build lies in a folder that is named after a hash of everything it was made of, appears there in one step and is never
// changed again, so a service that runs is not disturbed by another start from changed sources. It looks like an
// installation: our packages in its `node_modules`, each with links to the packages of others that it depends on.

import { createHash } from 'node:crypto';
import {
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  realpathSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { isAlive, self, withLock } from './lock.mjs';
import { filesBelow, packageFolders, readJson, root } from './repository.mjs';

const builds = join(root, '.cache/build');
const users = join(builds, 'users');

/** Builds if there is no build of these sources, and resolves with the path of its entry. It stays while this process runs. */
export async function buildService() {
  const onWait = (pid) => console.error(`Waiting for process ${pid}, which builds …`);
  return await withLock('build', onWait, async () => {
    for (;;) {
      const packages = neededBy('troupe');
      const hash = hashOf(packages);
      const folder = join(builds, hash);
      if (!existsSync(folder) && !(await build(folder, packages, hash))) continue;
      markUsed(hash);
      sweep(hash);
      return join(folder, 'node_modules/troupe/dist/index.js');
    }
  });
}

/** A package of ours and those that it needs, as folder and manifest. */
function neededBy(name) {
  const all = new Map();
  for (const folder of packageFolders()) {
    const manifest = readJson(`${folder}/package.json`);
    all.set(manifest.name, { folder, manifest });
  }
  const needed = new Set([name]);
  for (const one of needed) {
    for (const dependency of Object.keys(all.get(one).manifest.dependencies ?? {})) {
      if (all.has(dependency)) needed.add(dependency);
    }
  }
  return [...all.values()].filter(({ manifest }) => needed.has(manifest.name));
}

function hashOf(packages) {
  const hash = createHash('sha256');
  const files = ['pnpm-lock.yaml', 'scripts/build-service.mjs'];
  for (const { folder, manifest } of packages) {
    files.push(
      `${folder}/package.json`,
      ...['src', ...assetsOf(manifest)].flatMap((name) => filesBelow(`${folder}/${name}`)),
    );
  }
  for (const file of files) {
    const bytes = readFileSync(join(root, file));
    hash.update(`${file}\n${bytes.length}\n`).update(bytes);
  }
  return hash.digest('hex').slice(0, 16);
}

/** Folders that are published as they are. */
function assetsOf({ files }) {
  return files.filter((name) => name !== 'src' && name !== 'dist');
}

/** False when the sources changed meanwhile. */
async function build(folder, packages, hash) {
  const draft = join(builds, `draft-${process.pid}`);
  try {
    const esbuild = await import('esbuild');
    for (const one of packages) await buildPackage(esbuild, one, join(draft, 'node_modules', one.manifest.name));
    // Its process would stay beside the service for as long as that runs.
    await esbuild.stop();
    if (hashOf(neededBy('troupe')) !== hash) return false;
    renameSync(draft, folder);
    return true;
  } finally {
    rmSync(draft, { recursive: true, force: true });
  }
}

async function buildPackage(esbuild, { folder, manifest }, target) {
  const source = join(root, folder);
  // A service has no use for what tests are written with.
  const entries = Object.entries(manifest.exports).flatMap(([name, paths]) =>
    name === './testing' || name === './conformance' ? [] : (paths['@troupe/source'] ?? []),
  );
  await esbuild.build({
    entryPoints: entries.map((path) => join(source, path)),
    outdir: join(target, 'dist'),
    bundle: true,
    packages: 'external',
    splitting: true,
    format: 'esm',
    platform: 'node',
    target: 'node20',
    sourcemap: true,
    logLevel: 'error',
  });
  cpSync(join(source, 'package.json'), join(target, 'package.json'));
  for (const name of assetsOf(manifest)) cpSync(join(source, name), join(target, name), { recursive: true });
  // Clients of brokers are there if whoever uses them has installed them.
  const peers = Object.keys(manifest.peerDependencies ?? {}).filter((name) =>
    existsSync(join(source, 'node_modules', name)),
  );
  for (const name of [...Object.keys(manifest.dependencies ?? {}), ...peers]) {
    const installed = realpathSync(join(source, 'node_modules', name));
    // Ours are in the build.
    if (!installed.includes('node_modules')) continue;
    const link = join(target, 'node_modules', name);
    mkdirSync(dirname(link), { recursive: true });
    // Relative, so that the clone can be moved; Windows wants its junctions absolute.
    const path = process.platform === 'win32' ? installed : relative(realpathSync(dirname(link)), installed);
    symlinkSync(path, link, 'junction');
  }
}

function markUsed(hash) {
  mkdirSync(users, { recursive: true });
  const file = join(users, String(process.pid));
  writeFileSync(file, JSON.stringify({ ...self(), hash }));
  process.once('exit', () => rmSync(file, { force: true }));
}

/** Removes the builds that no process uses but the current one, and what killed processes left. */
function sweep(current) {
  const used = new Set([current]);
  for (const name of readdirSync(users)) {
    const user = JSON.parse(readFileSync(join(users, name), 'utf8') || '{}');
    if (isAlive(user)) used.add(user.hash);
    else rmSync(join(users, name), { force: true });
  }
  for (const name of readdirSync(builds)) {
    if (name !== 'users' && !used.has(name)) rmSync(join(builds, name), { recursive: true, force: true });
  }
}
