// Builds what node reads of the `dist` of packages where it is missing or older than what it is made of:
// `node scripts/build-dist.mjs actors`. Without names, of all. `npm run build` builds all of them, whether needed or not, with
// their declarations, which take ten times as long.

import { statSync } from 'node:fs';
import { basename, join } from 'node:path';
import { run } from './install.mjs';
import { withLock } from './lock.mjs';
import { filesBelow, packageFolders, readJson, root } from './repository.mjs';

const names = process.argv.slice(2);
const wanted = names.length === 0 ? packageFolders() : names.map((name) => `packages/${name}`);
try {
  // A build reads the sources of the others, not their builds: two processes build two packages at a time.
  for (const folder of withDependencies(wanted)) {
    const onWait = (pid) => console.error(`Waiting for process ${pid}, which builds ${folder} …`);
    await withLock(`dist-${basename(folder)}`, onWait, async () => {
      if (!isStale(folder)) return;
      const tsup = join(root, 'node_modules/tsup/dist/cli-default.js');
      const args = readJson(`${folder}/package.json`).scripts.build.split(' ').slice(1);
      // Declarations that are there stay.
      const quick = ['--no-dts', '--no-clean'];
      await run(process.execPath, [tsup, ...args, ...quick], { cwd: join(root, folder), shell: false });
    });
  }
} catch (error) {
  console.error(error.message);
  process.exitCode = 1;
}

/** The folders, and those of the packages of ours that they need. */
function withDependencies(folders) {
  const folderOf = new Map(packageFolders().map((folder) => [readJson(`${folder}/package.json`).name, folder]));
  const needed = new Set(folders);
  for (const folder of needed) {
    for (const name of Object.keys(readJson(`${folder}/package.json`).dependencies ?? {})) {
      if (folderOf.has(name)) needed.add(folderOf.get(name));
    }
  }
  return needed;
}

function isStale(folder) {
  const { exports } = readJson(`${folder}/package.json`);
  const built = Object.values(exports).flatMap((paths) =>
    typeof paths === 'string' ? [] : [join(folder, paths.default)],
  );
  const made = ['tsup.config.ts', `${folder}/package.json`, ...filesBelow(`${folder}/src`)];
  const builtAtMs = Math.min(...built.map(changedAtMs));
  return made.some((path) => changedAtMs(path) > builtAtMs);
}

/** 0 when there is no such file. */
function changedAtMs(path) {
  return statSync(join(root, path), { throwIfNoEntry: false })?.mtimeMs ?? 0;
}
