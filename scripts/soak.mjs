// `npm run soak -- --minutes 5`: a mixed load in a process with little memory. Does anything grow, is anything left?

import { pathToFileURL } from 'node:url';
import { runBundled } from './bundled.mjs';

/** @throws {Error} when something grew or was left */
export async function soak(args) {
  await runBundled(['soak'], args, ['--max-old-space-size=256']);
}

if (import.meta.url === pathToFileURL(process.argv[1]).href) {
  await soak(process.argv.slice(2)).catch((error) => {
    console.error(error.message);
    process.exitCode = 1;
  });
}
