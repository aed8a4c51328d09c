// Prints what the built entries of a package export, as JSON by entry: `node scripts/dist-exports.mjs actors`.

import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { readJson, root } from './repository.mjs';

const [name] = process.argv.slice(2);
execFileSync(process.execPath, [join(root, 'scripts/build-dist.mjs'), name], {
  stdio: ['ignore', 'ignore', 'inherit'],
});
const { exports } = readJson(`packages/${name}/package.json`);
const names = {};
for (const [entry, paths] of Object.entries(exports)) {
  if (typeof paths === 'string') continue;
  names[entry] = Object.keys(await import(pathToFileURL(join(root, 'packages', name, paths.default)).href)).sort();
}
console.log(JSON.stringify(names));
