// Finds a nats-server for tests and examples: `NATS_SERVER` if it is set, else one on the path that is new enough, else
// one that is fetched once into `.cache/nats-server` of the clone.
//
// It is fetched from the mirror that apt is configured with, since a stable Debian's own is too old. Everything that apt
// reads and writes for it is in a folder of its own, so it needs no root, changes nothing of the system and starts no
// service; the signatures are checked with Debian's keyring, as always.
//
//   node scripts/nats-server.mjs     prints the path, fetching if needed

import { execFile } from 'node:child_process';
import { access, mkdir, mkdtemp, readFile, readdir, rename, rm, writeFile } from 'node:fs/promises';
import { delimiter, join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { promisify } from 'node:util';
import { withLock } from './lock.mjs';
import { root } from './repository.mjs';

/** Older ones accept two writers of one revision, or forget what they acknowledged. */
const OLDEST = [2, 10, 23];

/** Where new ones are, best first. */
const SUITES = ['forky', 'sid'];

const KEYRING = '/usr/share/keyrings/debian-archive-keyring.gpg';
const FOLDER = join(root, '.cache/nats-server');
const FETCHED = join(FOLDER, 'nats-server');
/** Says why it could not be fetched, so that not every test file of a run tries it. */
const FAILURE = join(FOLDER, 'failure.json');
const FAILURE_LASTS_MS = 10 * 60_000;
const VERSION_TIMEOUT_MS = 20_000;
const APT_TIMEOUT_MS = 3 * 60_000;

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
  const there = await Promise.all(
    paths.map((path) =>
      access(path).then(
        () => true,
        () => false,
      ),
    ),
  );
  return paths.filter((_, index) => there[index]);
}

async function fetchOnce() {
  const onWait = (pid) => console.error(`Waiting for process ${pid}, which fetches nats-server …`);
  return await withLock('nats-server', onWait, async () => {
    if ((await problemOf(FETCHED)) === undefined) return FETCHED;
    const failure = await recentFailure();
    if (failure !== undefined) throw new Error(failure);
    console.error('Fetching nats-server …');
    try {
      await fetchServer();
    } catch (error) {
      const message = `There is no nats-server, and none could be fetched: ${error.message} ${HOW_TO_INSTALL}`;
      await writeFile(FAILURE, JSON.stringify({ atMs: Date.now(), message }));
      throw new Error(message, { cause: error });
    }
    return FETCHED;
  });
}

async function recentFailure() {
  try {
    const { atMs, message } = JSON.parse(await readFile(FAILURE, 'utf8'));
    return Math.abs(Date.now() - atMs) < FAILURE_LASTS_MS ? message : undefined;
  } catch (error) {
    // Nobody failed, or was killed while writing that down.
    if (error.code === 'ENOENT' || error instanceof SyntaxError) return undefined;
    throw error;
  }
}

async function fetchServer() {
  await mkdir(FOLDER, { recursive: true });
  const work = await mkdtemp(join(FOLDER, 'fetch-'));
  try {
    if (
      !(await access(KEYRING).then(
        () => true,
        () => false,
      ))
    )
      throw new Error(`There is no ${KEYRING}.`);
    const problems = [];
    for (const mirror of await mirrors()) {
      for (const suite of SUITES) {
        try {
          await fetchFrom(mirror, suite, await mkdtemp(join(work, `${suite}-`)));
          return;
        } catch (error) {
          problems.push(`${suite}: ${error.message}`);
        }
      }
    }
    throw new Error(problems.length > 0 ? problems.join('; ') : 'apt is not configured with a mirror of Debian.');
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}

/** The addresses of Debian's main archive that apt is configured with. */
async function mirrors() {
  const format = '$(REPO_URI) $(RELEASE) $(COMPONENT) $(ORIGIN)';
  const output = await apt(['indextargets', '--format', format, 'Created-By: Packages']);
  const { ID: id, VERSION_CODENAME: codename } = await osRelease();
  if (id !== 'debian') throw new Error(`This is ${id ?? 'not a system with apt'}, not Debian.`);
  const found = output
    .split('\n')
    .map((line) => line.split(' '))
    .filter(([uri, release, component, origin]) => {
      // Updates, security and backports are other releases. The origin is known only when the lists are there.
      const isRelease = [codename, 'stable', 'oldstable', 'testing', 'unstable', ...SUITES].includes(release);
      return isRelease && component === 'main' && /^(|Debian)$/.test(origin ?? '') && /^https?:/.test(uri);
    });
  return [...new Set(found.map(([uri]) => uri))];
}

async function osRelease() {
  const text = await readFile('/etc/os-release', 'utf8').catch(() => '');
  return Object.fromEntries(Array.from(text.matchAll(/^(\w+)="?([^"\n]*)"?$/gm), ([, name, value]) => [name, value]));
}

async function fetchFrom(mirror, suite, work) {
  for (const folder of ['lists/partial', 'cache/archives/partial', 'package']) {
    await mkdir(join(work, folder), { recursive: true });
  }
  const source = { Types: 'deb', URIs: mirror, Suites: suite, Components: 'main', Targets: 'Packages' };
  const lines = Object.entries({ ...source, Languages: 'none', 'Signed-By': KEYRING }).map(([k, v]) => `${k}: ${v}\n`);
  await writeFile(join(work, 'debian.sources'), lines.join(''));
  const config = join(work, 'apt.conf');
  await writeFile(config, aptConfiguration(work));

  await apt(['-c', config, 'update']);
  await apt(['-c', config, 'download', 'nats-server'], { cwd: work });
  const packages = (await readdir(work)).filter((name) => name.endsWith('.deb'));
  await exec('dpkg', ['-x', join(work, packages[0] ?? 'nothing.deb'), join(work, 'package')]);
  const server = join(work, 'package/usr/sbin/nats-server');
  const problem = await problemOf(server);
  if (problem !== undefined) throw new Error(`what was fetched cannot be used: ${problem}`);
  await rename(server, FETCHED);
}

/** What differs from the system's configuration, whose proxies and credentials stay in force. */
function aptConfiguration(work) {
  return `
Dir::Etc::SourceList "${join(work, 'debian.sources')}";
Dir::Etc::SourceParts "-";
Dir::Etc::Preferences "-";
Dir::Etc::PreferencesParts "-";
Dir::State::Lists "${join(work, 'lists')}";
Dir::Cache "${join(work, 'cache')}";
Acquire::Retries "2";
// Root's apt reads as a user who may not be let into this folder.
APT::Sandbox::User "root";
// These are for the system's own lists.
#clear APT::Update::Pre-Invoke;
#clear APT::Update::Post-Invoke;
#clear APT::Update::Post-Invoke-Success;
`;
}

async function apt(args, options = {}) {
  try {
    const env = { ...process.env, LC_ALL: 'C', DEBIAN_FRONTEND: 'noninteractive' };
    const { stdout } = await exec('apt-get', ['-qq', ...args], { ...options, env, timeout: APT_TIMEOUT_MS });
    return stdout;
  } catch (error) {
    if (error.code === 'ENOENT') throw new Error('There is no apt-get.', { cause: error });
    const lines = String(error.stderr ?? '').split('\n');
    const said = lines.find((line) => line.startsWith('E:')) ?? (error.killed ? 'it took too long' : error.message);
    throw new Error(`apt-get ${args.at(-1)} failed (${said.trim()})`, { cause: error });
  }
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  try {
    // Asked for by a person, it tries again.
    await rm(FAILURE, { force: true });
    console.log(await findNatsServer());
  } catch (error) {
    console.error(error.message);
    process.exitCode = 1;
  }
}
