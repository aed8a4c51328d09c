// Sees to it that what a test or an example has started ends with it, also when it is killed: a process beside it that
// holds the other end of a pipe, and when the pipe ends, kills and removes what is still in its care.
//
// It runs in a session of its own, so that what is sent to the group of its user does not reach it.

import { spawn } from 'node:child_process';
import { rmSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { isAlive, startOf } from './lock.mjs';

let guardian;

function tell(line) {
  if (guardian === undefined) {
    guardian = spawn(process.execPath, [fileURLToPath(import.meta.url)], {
      cwd: '/',
      detached: true,
      stdio: ['pipe', 'ignore', 'inherit'],
    });
    // It must not hold up the end of the process that it guards.
    guardian.unref();
    guardian.stdin.unref();
  }
  guardian.stdin.write(`${JSON.stringify(line)}\n`);
}

/** Takes a child process into care until it has exited. */
export function guardProcess(child) {
  if (child.pid === undefined) return;
  const { pid } = child;
  const startedAt = startOf(pid);
  tell({ guard: 'process', pid, startedAt });
  child.once('exit', () => tell({ release: 'process', pid }));
}

/** Takes a folder into care; gives what removes it, and retries while dying processes still write into it. */
export function guardFolder(path) {
  tell({ guard: 'folder', path });
  return () => {
    remove(path);
    tell({ release: 'folder', path });
  };
}

function remove(path) {
  rmSync(path, { recursive: true, force: true, maxRetries: 10, retryDelay: 50 });
}

async function main() {
  const processes = new Map();
  const folders = new Set();
  for await (const line of createInterface({ input: process.stdin })) {
    const { guard, release, pid, startedAt, path } = JSON.parse(line);
    if (guard === 'process') processes.set(pid, startedAt);
    else if (guard === 'folder') folders.add(path);
    else if (release === 'process') processes.delete(pid);
    else folders.delete(path);
  }
  for (const [pid, startedAt] of processes) {
    if (isAlive({ pid, startedAt })) process.kill(pid, 'SIGKILL');
  }
  for (const path of folders) remove(path);
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  // What is sent to all processes of a terminal is not for it.
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => {});
  await main();
}
