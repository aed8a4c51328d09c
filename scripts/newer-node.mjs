// Finds a Node 22 or newer for tests of clients that need one: `NEWER_NODE` if it is set, else this one if it is new
// enough, else one that is fetched once, as a package, into `.cache/newer-node` of the clone.
//
//   node scripts/newer-node.mjs     prints the path, fetching if needed

import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdtemp, mkdir, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { promisify } from 'node:util';
import { withLock } from './lock.mjs';
import { root } from './repository.mjs';

const OLDEST_MAJOR = 22;
const PACKAGE = 'node@24.21.0';
const FOLDER = join(root, '.cache/newer-node');
const FETCHED = join(FOLDER, PACKAGE.replace('@', '-'));
const PROGRAM = 'node_modules/node/bin/node';
const FETCH_TIMEOUT_MS = 5 * 60_000;

const exec = promisify(execFile);

/**
 * The path of a Node that is new enough.
 *
 * @throws {Error} when this one is not, and none could be fetched
 */
export async function findNewerNode() {
  const given = process.env.NEWER_NODE;
  if (given !== undefined && given !== '') return given;
  if (Number(process.versions.node.split('.')[0]) >= OLDEST_MAJOR) return process.execPath;
  const onWait = (pid) => console.error(`Waiting for process ${pid}, which fetches a newer Node …`);
  return await withLock('newer-node', onWait, async () => {
    if (!existsSync(FETCHED)) await fetchNode();
    return join(FETCHED, PROGRAM);
  });
}

async function fetchNode() {
  console.error(`Fetching ${PACKAGE} …`);
  await mkdir(FOLDER, { recursive: true });
  const work = await mkdtemp(join(FOLDER, 'fetch-'));
  try {
    const options = ['--no-save', '--no-audit', '--no-fund', '--no-package-lock', '--prefix', work];
    await exec('npm', ['install', ...options, PACKAGE], { cwd: work, timeout: FETCH_TIMEOUT_MS });
    // It is linked to the program of this machine's kind by a script of the package.
    await exec(join(work, PROGRAM), ['--version']);
    await rename(work, FETCHED);
  } catch (error) {
    const advice = `Install Node ${OLDEST_MAJOR} or newer beside this one and set NEWER_NODE to its path.`;
    throw new Error(`${PACKAGE} could not be fetched: ${error.message} ${advice}`, { cause: error });
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  try {
    console.log(await findNewerNode());
  } catch (error) {
    console.error(error.message);
    process.exitCode = 1;
  }
}
