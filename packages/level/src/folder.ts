// The folder of a store beside the database in it: whether it can be ours, who has it open (`owner.json`), and how it was
// left. LevelDB's own lock decides who may open it and dies with its process; `owner.json` only says who that is, so one
// that a killed process left behind does no harm.

import { mkdir, open, readdir, readFile, rename, stat } from 'node:fs/promises';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { crc32 } from 'node:zlib';
import { CorruptRecordError, LayoutMismatchError, StoreUnavailableError } from '@troupe/actors';

const OWNER_FILE = 'owner.json';

interface Owner {
  readonly pid: number;
  readonly host: string;
  readonly title: string;
  readonly startedAt: string;
  /** Set by a stop that ended well: the files as they were left, as size and checksum. */
  readonly left?: Readonly<Record<string, string>> | undefined;
  /** Set after a write that failed: what LevelDB wrote after it follows a torn record, and nobody was told it is there. */
  readonly writeFailed?: true;
}

/**
 * Makes the folder if there is none.
 *
 * @throws {StoreUnavailableError} when it is no folder, or not to be written or read
 * @throws {LayoutMismatchError} when something else is in it
 */
export async function prepareFolder(folder: string): Promise<void> {
  let names: string[];
  try {
    await mkdir(folder, { recursive: true });
    names = await readdir(folder);
  } catch (error) {
    const isFile = (await stat(folder).catch(() => undefined))?.isFile() === true;
    throw cannotUse(folder, isFile ? 'it is a file, not a folder' : 'it cannot be made or read', error);
  }
  const strange = names.find((name) => !OUR_FILES.test(name));
  if (strange !== undefined && !names.includes('CURRENT')) {
    throw new LayoutMismatchError(
      `${folder} is not the folder of a store: it holds ${strange}. Name an empty folder or a new one`,
    );
  }
}

/** What a first start that was cut short may leave before there is a CURRENT file. */
const OUR_FILES = /^(?:LOCK|LOG|LOG\.old|MANIFEST-\d+|\d+\.(?:log|ldb|sst|dbtmp)|owner\.json(?:\.tmp)?|lost\+found)$/;

export function cannotUse(folder: string, why: string, cause: unknown): StoreUnavailableError {
  const detail = cause instanceof Error ? ` (${cause.message})` : '';
  return new StoreUnavailableError(`the store's folder ${folder} cannot be used: ${why}${detail}`, {
    cause,
    wroteNothing: true,
  });
}

/** Who has the folder open, or had, in words. */
export async function describeOwner(folder: string): Promise<string> {
  const owner = await readOwner(folder);
  if (owner === undefined) return 'another process';
  const process_ =
    owner.pid === process.pid && owner.host === hostname() ? 'this very process' : `process ${owner.pid}`;
  return `${process_} (${owner.title}) on ${owner.host} since ${owner.startedAt}`;
}

/**
 * Forgets how the files were left, durably. To be called before they are opened, since that changes them, and a process
 * may end at any time after.
 */
export async function forgetLeft(folder: string): Promise<void> {
  const owner = await readOwner(folder);
  if (owner?.left !== undefined) await write(folder, { ...owner, left: undefined });
}

/** Says that this process has the folder open. */
export async function takeOwnership(folder: string): Promise<void> {
  await writeOwner(folder, {});
}

/** Says how the files were left by a stop that ended well. To be called when nothing can change them any more. */
export async function leaveWell(folder: string): Promise<void> {
  await writeOwner(folder, { left: await describeFiles(folder) });
}

/** Says that a write has failed, if the disk lets it. */
export async function noteFailedWrite(folder: string): Promise<void> {
  // When even this cannot be written, nothing was written after the failed write either.
  await writeOwner(folder, { writeFailed: true }).catch(() => undefined);
}

/** Whether the last process that had the folder open saw a write fail. */
export async function hasFailedWrite(folder: string): Promise<boolean> {
  return (await readOwner(folder))?.writeFailed === true;
}

/**
 * Checks that the files are as the last stop left them, if it ended well.
 *
 * @throws {CorruptRecordError} when one of them is not
 */
export async function checkLeft(folder: string): Promise<void> {
  const left = (await readOwner(folder))?.left;
  if (left === undefined) return;
  const found = await describeFiles(folder);
  for (const name of new Set([...Object.keys(left), ...Object.keys(found)])) {
    if (found[name] === left[name]) continue;
    const how =
      found[name] === undefined ? 'is missing' : left[name] === undefined ? 'was not there' : 'is not as it was left';
    throw new CorruptRecordError(
      `${join(folder, name)} ${how} when the store was stopped. Nothing was changed; bring the whole folder back from a copy`,
    );
  }
}

/** Size and checksum of what LevelDB reads whole at its start; tables have checksums of their own. */
async function describeFiles(folder: string): Promise<Record<string, string>> {
  const files: Record<string, string> = {};
  for (const name of await readdir(folder)) {
    if (!/^(?:CURRENT|MANIFEST-\d+|\d+\.log)$/.test(name)) continue;
    const bytes = await readFile(join(folder, name));
    files[name] = `${bytes.length} bytes, ${crc32(bytes).toString(16)}`;
  }
  return files;
}

async function readOwner(folder: string): Promise<Owner | undefined> {
  try {
    return JSON.parse(await readFile(join(folder, OWNER_FILE), 'utf8')) as Owner;
  } catch {
    // None yet, or cut short: it decides nothing.
    return undefined;
  }
}

async function writeOwner(folder: string, state: Pick<Owner, 'left' | 'writeFailed'>): Promise<void> {
  const owner: Owner = {
    pid: process.pid,
    host: hostname(),
    title: process.title,
    startedAt: new Date(Date.now() - process.uptime() * 1000).toISOString(),
    ...state,
  };
  await write(folder, owner);
}

async function write(folder: string, owner: Owner): Promise<void> {
  const path = join(folder, OWNER_FILE);
  const file = await open(`${path}.tmp`, 'w');
  try {
    await file.writeFile(`${JSON.stringify(owner, undefined, 2)}\n`);
    await file.sync();
  } finally {
    await file.close();
  }
  await rename(`${path}.tmp`, path);
  await syncFolder(folder);
}

/** Makes a rename durable. Windows cannot open folders and needs no such thing. */
async function syncFolder(folder: string): Promise<void> {
  if (process.platform === 'win32') return;
  const handle = await open(folder, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}
