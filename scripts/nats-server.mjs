// Finds a nats-server for tests and examples: `NATS_SERVER` if it is set, else one on the path that is new enough, else
// one that is fetched once into `.cache/nats-server` of the clone.
//
// It is fetched from newer suites of the mirror that apt is configured with, since a stable Debian's own is too old.
//
//   node scripts/nats-server.mjs     prints the path, fetching if needed

import { execFile } from 'node:child_process';
import { rename } from 'node:fs/promises';
import { delimiter, join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { promisify } from 'node:util';
import { exists, fetchOnce as fetchProgramOnce, forgetFailure, unpackFromSuites } from './debian-program.mjs';
import { root } from './repository.mjs';

/** Older ones accept two writers of one revision, or forget what they acknowledged. */
const OLDEST = [2, 10, 23];

/** Where new ones are, best first. */
const SUITES = ['forky', 'sid'];

const FOLDER = join(root, '.cache/nats-server');
const FETCHED = join(FOLDER, 'nats-server');
const VERSION_TIMEOUT_MS = 20_000;

export const HOW_TO_INSTALL = `Install nats-server ${OLDEST.join('.')} or newer (https://nats.io/download) on the PATH, \
or set NATS_SERVER to its path.`;

const exec = promisify(execFile);

/**
 * The path of a nats-server that can be used.
 *
 * @throws {Error} that says what was tried and how to install one, when there is none
 */
export async function findNatsServer() {
  const given = process.env.NATS_SERVER;
  if (given !== undefined && given !== '') {
    const problem = await problemOf(given);
    if (problem !== undefined) throw new Error(`NATS_SERVER is ${given}: ${problem}. ${HOW_TO_INSTALL}`);
    return given;
  }
  for (const path of await onPath()) {
    if ((await problemOf(path)) === undefined) return path;
  }
  if ((await problemOf(FETCHED)) === undefined) return FETCHED;
  return await fetchOnce();
}

/** What is wrong with a program as a nats-server; undefined when nothing is. */
async function problemOf(path) {
  let output;
  try {
    ({ stdout: output } = await exec(path, ['--version'], { timeout: VERSION_TIMEOUT_MS }));
  } catch (error) {
    return error.code === 'ENOENT' ? 'there is no such file' : `it cannot be run (${error.message.trim()})`;
  }
  const version = /nats-server: v(\d+)\.(\d+)\.(\d+)/.exec(output)?.slice(1).map(Number);
  if (version === undefined) return `it is no nats-server (it says ${JSON.stringify(output.slice(0, 80))})`;
  const differing = version.findIndex((number, index) => number !== OLDEST[index]);
  if (differing < 0 || version[differing] > OLDEST[differing]) return undefined;
  return `its version ${version.join('.')} is older than ${OLDEST.join('.')}`;
}

async function onPath() {
  // Debian's package puts it where only root's path leads.
  const folders = [...(process.env.PATH ?? '').split(delimiter), '/usr/local/sbin', '/usr/sbin'];
  const paths = folders.filter((folder) => folder !== '').map((folder) => join(folder, 'nats-server'));
  const there = await Promise.all(paths.map(exists));
  return paths.filter((_, index) => there[index]);
}

async function fetchOnce() {
  return await fetchProgramOnce({
    name: 'nats-server',
    folder: FOLDER,
    advice: HOW_TO_INSTALL,
    find: async () => ((await problemOf(FETCHED)) === undefined ? FETCHED : undefined),
    fetch: async (work) => {
      await unpackFromSuites('nats-server', SUITES, work, async (unpacked) => {
        const server = join(unpacked, 'usr/sbin/nats-server');
        const problem = await problemOf(server);
        if (problem !== undefined) throw new Error(`what was fetched cannot be used: ${problem}`);
        await rename(server, FETCHED);
      });
    },
  });
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  try {
    // Asked for by a person, it tries again.
    await forgetFailure(FOLDER);
    console.log(await findNatsServer());
  } catch (error) {
    console.error(error.message);
    process.exitCode = 1;
  }
}
