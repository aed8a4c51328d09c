// A lock between the processes of one clone. A holder that was killed does not keep it.
//
// Holders take numbers that only rise. The file with the highest number says who holds the lock, or that it is free; it
// stays, so that no number comes twice.

import { linkSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { root } from './repository.mjs';

/** Runs `work` while no other process runs one under the same name. `onWait(pid)` is called once if it has to wait. */
export async function withLock(name, onWait, work) {
  const folder = join(root, '.cache/lock', name);
  mkdirSync(folder, { recursive: true });
  const file = await acquire(folder, onWait);
  try {
    return await work();
  } finally {
    // Renamed over, so that nobody reads half a file.
    writeFileSync(`${file}.free`, '{}');
    renameSync(`${file}.free`, file);
  }
}

async function acquire(folder, onWait) {
  let told = false;
  for (;;) {
    const number = highest(folder);
    const holder = number === 0 ? {} : read(join(folder, String(number)));
    if (holder === undefined) continue;
    if (isAlive(holder)) {
      if (!told) onWait(holder.pid);
      told = true;
      await sleep(100);
      continue;
    }
    const file = join(folder, String(number + 1));
    if (!take(file)) continue;
    // The number may have been taken, freed and swept by others since it was read; then there is a higher one.
    if (highest(folder) > number + 1) {
      rmSync(file);
      continue;
    }
    for (const other of readdirSync(folder)) {
      if (numberOf(other) <= number && numberOf(other) > 0) rmSync(join(folder, other), { force: true });
    }
    return file;
  }
}

/** Makes the file with its contents in one step; false when it is there already. */
function take(file) {
  const draft = `${file}.${process.pid}`;
  writeFileSync(draft, JSON.stringify(self()));
  try {
    linkSync(draft, file);
    return true;
  } catch (error) {
    if (error.code === 'EEXIST') return false;
    throw error;
  } finally {
    rmSync(draft);
  }
}

function highest(folder) {
  return Math.max(0, ...readdirSync(folder).map(numberOf));
}

function numberOf(name) {
  return /^\d+$/.test(name) ? Number(name) : 0;
}

function read(file) {
  try {
    return JSON.parse(readFileSync(file, 'utf8'));
  } catch (error) {
    if (error.code === 'ENOENT') return undefined;
    throw error;
  }
}

/** How this process can be told from a later one of the same id. */
export function self() {
  return { pid: process.pid, startedAt: startOf(process.pid) };
}

/** Whether the process that was described by `self` still runs. */
export function isAlive({ pid, startedAt }) {
  if (pid === undefined) return false;
  try {
    process.kill(pid, 0);
  } catch (error) {
    // EPERM: it runs, as another user.
    if (error.code !== 'EPERM') return false;
  }
  const startedAtNow = startOf(pid);
  if (startedAtNow === ENDED) return false;
  return startedAt === undefined || startedAtNow === undefined || startedAt === startedAtNow;
}

/** What {@link startOf} gives for a process that has ended and whose parent has not asked how. */
const ENDED = 'ended';

/** When a process started, in the kernel's ticks; undefined where that is not to be had. */
export function startOf(pid) {
  try {
    // The name in parentheses may hold anything. After it come the state and, as the 20th, the start (proc(5), field 22).
    const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ').at(-1).split(' ');
    return fields[0] === 'Z' ? ENDED : fields[19];
  } catch {
    // Not Linux.
    return undefined;
  }
}
