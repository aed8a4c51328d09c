// Installs the dependencies if what is installed is not what the lockfile says.

import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { withLock } from './lock.mjs';
import { readJson, root } from './repository.mjs';

/** @throws {Error} when the installation fails */
export async function installIfNeeded() {
  checkNode();
  if (isInstalled()) return;
  const onWait = (pid) => console.error(`Waiting for process ${pid}, which installs the dependencies …`);
  await withLock('install', onWait, async () => {
    if (isInstalled()) return;
    const { packageManager } = readJson('package.json');
    console.error(`Installing the dependencies (${packageManager}) …`);
    await run('npx', ['--yes', packageManager, 'install', '--frozen-lockfile']);
  });
}

function checkNode() {
  const [major, minor] = process.versions.node.split('.').map(Number);
  if (major > 20 || (major === 20 && minor >= 19)) return;
  throw new Error(`Troupe needs Node 20.19 or newer; this is ${process.versions.node}`);
}

/** pnpm leaves a copy of the lockfile behind when it has installed all of it. */
function isInstalled() {
  return contents('node_modules/.pnpm/lock.yaml') === contents('pnpm-lock.yaml');
}

function contents(path) {
  try {
    return readFileSync(join(root, path), 'utf8');
  } catch (error) {
    if (error.code === 'ENOENT') return undefined;
    throw error;
  }
}

/** Runs a command to its end. It writes to standard error: standard output belongs to what comes after. */
export function run(command, args, options = {}) {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, {
      cwd: root,
      // CI: pnpm asks no questions, and replaces a node_modules that something else made.
      env: { ...process.env, CI: 'true' },
      stdio: ['ignore', process.stderr, process.stderr],
      shell: process.platform === 'win32',
      ...options,
    });
    const forward = (signal) => child.kill(signal);
    process.on('SIGTERM', forward).on('SIGINT', forward);
    child.once('error', reject);
    child.once('close', (code, signal) => {
      process.off('SIGTERM', forward).off('SIGINT', forward);
      if (code === 0) resolve();
      else reject(new Error(`${[command, ...args].join(' ')} ended with ${signal ?? `code ${code}`}`));
    });
  });
}

if (import.meta.url === pathToFileURL(process.argv[1]).href) {
  await installIfNeeded().catch((error) => {
    console.error(error.message);
    process.exitCode = 1;
  });
}
