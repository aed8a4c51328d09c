// Fetches programs for tests and examples from the Debian mirror that apt is configured with.
//
// Everything that apt reads and writes for it is in a folder of its own, so it needs no root, changes nothing of the system
// and starts no service; the signatures are checked with Debian's keyring, as always. A lock keeps processes from fetching
// the same twice, and a note of a failure keeps every test file of a run from trying it again.

import { execFile } from 'node:child_process';
import { access, mkdir, mkdtemp, readFile, readdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { withLock } from './lock.mjs';

const KEYRING = '/usr/share/keyrings/debian-archive-keyring.gpg';
const FAILURE_LASTS_MS = 10 * 60_000;
const APT_TIMEOUT_MS = 3 * 60_000;

const exec = promisify(execFile);

/**
 * What `find` gives: as it is, or after `fetch` was given an empty folder below `folder` to work in, which then goes.
 *
 * @param {{ name: string, folder: string, advice: string, find: () => Promise<T | undefined>, fetch: (work: string) =>
 *   Promise<void> }} program
 * @template T
 * @throws {Error} that says what was tried, followed by the advice
 */
export async function fetchOnce({ name, folder, advice, find, fetch }) {
  // One lock for all programs, since they share apt's lists.
  const onWait = (pid) => console.error(`Waiting for process ${pid}, which fetches programs …`);
  return await withLock('debian-program', onWait, async () => {
    const there = await find();
    if (there !== undefined) return there;
    const failure = await recentFailure(folder);
    if (failure !== undefined) throw new Error(failure);
    console.error(`Fetching ${name} …`);
    try {
      await mkdir(folder, { recursive: true });
      const work = await mkdtemp(join(folder, 'fetch-'));
      try {
        await fetch(work);
      } finally {
        await rm(work, { recursive: true, force: true });
      }
      const fetched = await find();
      if (fetched === undefined) throw new Error('what was fetched cannot be used.');
      return fetched;
    } catch (error) {
      const message = `There is no ${name}, and none could be fetched: ${error.message} ${advice}`;
      await writeFile(failureFile(folder), JSON.stringify({ atMs: Date.now(), message }));
      throw new Error(message, { cause: error });
    }
  });
}

/** A person who asks for it lets the next {@link fetchOnce} try again. */
export async function forgetFailure(folder) {
  await rm(failureFile(folder), { force: true });
}

function failureFile(folder) {
  return join(folder, 'failure.json');
}

async function recentFailure(folder) {
  try {
    const { atMs, message } = JSON.parse(await readFile(failureFile(folder), 'utf8'));
    return Math.abs(Date.now() - atMs) < FAILURE_LASTS_MS ? message : undefined;
  } catch (error) {
    // Nobody failed, or was killed while writing that down.
    if (error.code === 'ENOENT' || error instanceof SyntaxError) return undefined;
    throw error;
  }
}

/**
 * Unpacks one package of another suite than the system's, without what it depends on, into a folder below `work`; the first
 * of the suites whose package `use` takes without an error.
 */
export async function unpackFromSuites(name, suites, work, use) {
  const problems = [];
  for (const { uri } of await archives(suites)) {
    for (const suite of suites) {
      try {
        const folder = await mkdtemp(join(work, `${suite}-`));
        const apt = await aptOf(folder, [{ uri, releases: [suite] }]);
        await unpack(apt, [name], folder, join(folder, 'package'));
        await use(join(folder, 'package'));
        return;
      } catch (error) {
        problems.push(`${suite}: ${error.message}`);
      }
    }
  }
  throw new Error(problems.length > 0 ? problems.join('; ') : NO_MIRROR);
}

/**
 * Unpacks packages of the system's own suite, and all that they depend on and that is not installed, into `into`.
 *
 * @param lists a folder for apt's lists, which stay there for the next time
 */
export async function unpackWithDependencies(names, lists, work, into) {
  const sources = await archives([]);
  if (sources.length === 0) throw new Error(NO_MIRROR);
  const apt = await aptOf(lists, sources);
  // Of those that are named, also what is installed: whoever asks did not find its program.
  const plan = await apt(['install', '--print-uris', '--reinstall', '--no-install-recommends', '--yes', ...names]);
  const needed = Array.from(plan.matchAll(/^'[^']+' ([^_ ]+)_\S+\.deb (\d+)/gm), ([, name, bytes]) => ({
    name,
    bytes,
  }));
  const megabytes = needed.reduce((sum, { bytes }) => sum + Number(bytes), 0) / 1e6;
  console.error(`  ${needed.length} packages, ${megabytes.toFixed(1)} MB: ${needed.map(({ name }) => name).join(' ')}`);
  await unpack(
    apt,
    needed.map(({ name }) => name),
    work,
    into,
  );
}

const NO_MIRROR = 'apt is not configured with a mirror of Debian.';

/** Debian's archives that apt is configured with: of the system's release and its updates, and of the suites named. */
async function archives(suites) {
  const format = '$(REPO_URI) $(RELEASE) $(COMPONENT) $(ORIGIN)';
  const output = await runApt(['indextargets', '--format', format, 'Created-By: Packages']);
  const { ID: id, VERSION_CODENAME: codename } = await osRelease();
  if (id !== 'debian') throw new Error(`This is ${id ?? 'not a system with apt'}, not Debian.`);
  const isThere = await exists(KEYRING);
  if (!isThere) throw new Error(`There is no ${KEYRING}.`);
  const names = [codename, 'stable', 'oldstable', 'testing', 'unstable'];
  const own =
    suites.length > 0 ? [...names, ...suites] : names.flatMap((name) => [name, `${name}-updates`, `${name}-security`]);
  const found = new Map();
  for (const line of output.split('\n')) {
    const [uri, release, component, origin] = line.split(' ');
    // The origin is known only when the lists are there.
    if (!own.includes(release) || component !== 'main' || !/^(|Debian)$/.test(origin ?? '') || !/^https?:/.test(uri)) {
      continue;
    }
    found.set(uri, [...new Set([...(found.get(uri) ?? []), release])]);
  }
  return Array.from(found, ([uri, releases]) => ({ uri, releases }));
}

async function osRelease() {
  const text = await readFile('/etc/os-release', 'utf8').catch(() => '');
  return Object.fromEntries(Array.from(text.matchAll(/^(\w+)="?([^"\n]*)"?$/gm), ([, name, value]) => [name, value]));
}

/** An apt-get whose sources are these, with its lists in the folder, up to date. */
async function aptOf(folder, sources) {
  for (const name of ['lists/partial', 'cache/archives/partial']) await mkdir(join(folder, name), { recursive: true });
  const stanzas = sources.map(({ uri, releases }) => {
    const source = { Types: 'deb', URIs: uri, Suites: releases.join(' '), Components: 'main', Targets: 'Packages' };
    const lines = Object.entries({ ...source, Languages: 'none', 'Signed-By': KEYRING });
    return lines.map(([key, value]) => `${key}: ${value}\n`).join('');
  });
  await writeFile(join(folder, 'debian.sources'), stanzas.join('\n'));
  const config = join(folder, 'apt.conf');
  await writeFile(config, aptConfiguration(folder));
  const apt = async (args, options) => await runApt(['-c', config, ...args], options);
  await apt(['update']);
  return apt;
}

async function unpack(apt, names, work, into) {
  await mkdir(into, { recursive: true });
  await apt(['download', ...names], { cwd: work });
  const files = (await readdir(work)).filter((name) => name.endsWith('.deb'));
  for (const file of files) await exec('dpkg', ['-x', join(work, file), into]);
}

/** What differs from the system's configuration, whose proxies and credentials stay in force. */
function aptConfiguration(folder) {
  return `
Dir::Etc::SourceList "${join(folder, 'debian.sources')}";
Dir::Etc::SourceParts "-";
Dir::Etc::Preferences "-";
Dir::Etc::PreferencesParts "-";
Dir::State::Lists "${join(folder, 'lists')}";
Dir::Cache "${join(folder, 'cache')}";
Acquire::Retries "2";
// Root's apt reads as a user who may not be let into this folder.
APT::Sandbox::User "root";
// These are for the system's own lists.
#clear APT::Update::Pre-Invoke;
#clear APT::Update::Post-Invoke;
#clear APT::Update::Post-Invoke-Success;
`;
}

async function runApt(args, options = {}) {
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

/** Whether there is a file or folder. */
export async function exists(path) {
  return await access(path).then(
    () => true,
    () => false,
  );
}
