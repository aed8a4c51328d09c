// How a folder becomes an open database: is it ours, does nobody else have it, is it whole, is it laid out as asked.

import { ClassicLevel } from 'classic-level';
import { checkLayout, LayoutMismatchError, StoreLockedError, type Layout } from '@troupe/actors';
import { checkFiles } from './damage.ts';
import {
  cannotUse,
  checkLeft,
  describeOwner,
  forgetLeft,
  hasFailedWrite,
  prepareFolder,
  takeOwnership,
} from './folder.ts';
import { LAYOUT_KEY } from './keys.ts';
import { CACHE_BYTES_DEFAULT, VERIFY_BYTES_MAX, WRITE_BUFFER_BYTES_DEFAULT } from './limits.ts';
import type { Database } from './reading.ts';
import { decodeRow, encodeRow } from './record.ts';

/** The format of the database; its records have one of their own. */
const DATABASE_FORMAT = 1;

export interface LevelStoreOptions {
  /** Memory for writes that are not yet in tables, twice at times. Default: 32 MiB. It is read again at a start. */
  readonly writeBufferBytes?: number;
  /** Memory for blocks of tables that were read. Default: 32 MiB. */
  readonly cacheBytes?: number;
}

/** Opens the database in a folder, which is made if there is none, and settles the layout. */
export async function openDatabase(
  folder: string,
  options: LevelStoreOptions,
  asked: Layout,
): Promise<{ database: Database; layout: Layout }> {
  await prepareFolder(folder);
  await checkFolder(folder);
  // From here on LevelDB changes the files.
  await forgetLeft(folder);
  const database: Database = new ClassicLevel<Buffer, Buffer>(folder, {
    keyEncoding: 'buffer',
    valueEncoding: 'buffer',
    writeBufferSize: options.writeBufferBytes ?? WRITE_BUFFER_BYTES_DEFAULT,
    cacheSize: options.cacheBytes ?? CACHE_BYTES_DEFAULT,
  });
  try {
    await database.open();
  } catch (error) {
    if (levelCode(error) === 'LEVEL_LOCKED') throw await lockedError(folder, error);
    if (levelCode(error) === 'LEVEL_CORRUPTION') throw error;
    throw cannotUse(folder, 'the database in it does not open', (error as Error).cause ?? error);
  }
  try {
    const layout = await settleLayout(folder, database, asked);
    await takeOwnership(folder);
    return { database, layout };
  } catch (error) {
    await database.close();
    throw error;
  }
}

/** Looks for damage. Only while nobody has the folder open: files that are being written look damaged. */
async function checkFolder(folder: string): Promise<void> {
  await checkLock(folder);
  try {
    await checkLeft(folder);
    await checkFiles(folder, VERIFY_BYTES_MAX, !(await hasFailedWrite(folder)));
  } catch (error) {
    await checkLock(folder);
    throw error;
  }
}

/** LevelDB takes its lock first and then finds that the database exists: that tells the one from the other. */
async function checkLock(folder: string): Promise<void> {
  const probe = new ClassicLevel(folder, { createIfMissing: false, errorIfExists: true });
  try {
    await probe.open();
  } catch (error) {
    if (levelCode(error) === 'LEVEL_LOCKED') throw await lockedError(folder, error);
  } finally {
    await probe.close();
  }
}

async function lockedError(folder: string, cause: unknown): Promise<StoreLockedError> {
  return new StoreLockedError(
    `the store's folder ${folder} is open in ${await describeOwner(folder)}. One process at a time may use it: stop that one, or name ` +
      'another folder',
    { cause },
  );
}

async function settleLayout(folder: string, database: Database, asked: Layout): Promise<Layout> {
  const row = database.getSync(LAYOUT_KEY);
  if (row === undefined) {
    const [someKey] = await database.keys({ limit: 1 }).all();
    if (someKey !== undefined)
      throw new LayoutMismatchError(`${folder} holds a LevelDB that is not a store of this kind`);
    const settled = Buffer.from(JSON.stringify({ databaseFormat: DATABASE_FORMAT, layout: asked }));
    await database.put(LAYOUT_KEY, encodeRow(LAYOUT_KEY, settled), { sync: true });
    return { ...asked };
  }
  const { databaseFormat, layout } = JSON.parse(decodeRow(LAYOUT_KEY, row).toString()) as {
    databaseFormat: number;
    layout: Layout;
  };
  if (databaseFormat > DATABASE_FORMAT) {
    throw new LayoutMismatchError(
      `${folder} was written in format ${databaseFormat}; this version knows formats up to ${DATABASE_FORMAT}: start a newer version`,
    );
  }
  checkLayout(layout, asked);
  return layout;
}

/** The code of an error of LevelDB, which may be wrapped. */
export function levelCode(error: unknown): string | undefined {
  if (!(error instanceof Error)) return undefined;
  const code = (error as { code?: string }).code;
  return code === 'LEVEL_DATABASE_NOT_OPEN' && error.cause instanceof Error ? levelCode(error.cause) : code;
}
