// What is done to a folder and its files: list, read, move away, delete.
//
// F1. Only regular files in the folder itself are seen. Links are not followed, not even one that takes a file's place
//     between being listed and being read.
// F2. What is read is one version of the file, whole: it was the same before and after.
// F3. What is moved away or deleted is the version that was read. A writer who replaces the file meanwhile loses nothing.

import { createHash } from 'node:crypto';
import { constants, type BigIntStats } from 'node:fs';
import { lstat, mkdir, open, opendir, rename, stat, unlink } from 'node:fs/promises';
import { extname, join } from 'node:path';
import { SourceError } from '../errors.ts';
import { FILES_PER_SCAN_MAX, RECORD_BYTES_MAX } from '../limits.ts';

/** One version of a file. */
export interface FoundFile {
  readonly name: string;
  /** Changes with every change that can be seen without reading. */
  readonly stamp: string;
  readonly sizeBytes: number;
  readonly modifiedAtMs: number;
}

/** A file that was read; `tooLarge` ones were not. */
export interface ReadFile {
  readonly body: Uint8Array;
  readonly tooLarge: boolean;
  /** What names the event: the file's name and its content. */
  readonly id: string;
}

/** Hex digits of the SHA-256 of the content that are part of an id: nobody finds two files with the same. */
const ID_HASH_LENGTH = 32;
/** Beginning of what a file is called between being settled and being deleted. */
const DELETED_PREFIX = '.troupe-';

export class Folder {
  readonly path: string;
  readonly #matches: (name: string) => boolean;

  constructor(path: string, matches: (name: string) => boolean) {
    this.path = path;
    this.#matches = matches;
  }

  /** Which folder the path leads to now: another one after it was made anew or mounted over. */
  async identity(): Promise<string> {
    const { dev, ino } = await stat(this.path, { bigint: true });
    return `${dev}:${ino}`;
  }

  /** The files that are there, by name. */
  async list(): Promise<{ readonly files: readonly FoundFile[]; readonly complete: boolean }> {
    const names: string[] = [];
    let complete = true;
    // Read as bytes: a name that is not UTF-8 would come as one that is not there.
    for await (const entry of await opendir(this.path, { encoding: 'buffer' as BufferEncoding })) {
      const bytes = entry.name as unknown as Buffer;
      const name = bytes.toString();
      if (!entry.isFile() || !Buffer.from(name).equals(bytes)) continue;
      if (name.startsWith('.') || isPartial(name) || !this.#matches(name)) continue;
      if (names.length === FILES_PER_SCAN_MAX) {
        complete = false;
        break;
      }
      names.push(name);
    }
    const files: FoundFile[] = [];
    for (const name of names.sort()) {
      const stats = await unlessGone(lstat(join(this.path, name), { bigint: true }));
      if (stats?.isFile() === true) files.push(foundFile(name, stats));
    }
    return { files, complete };
  }

  /** Undefined when it is not this version any more, or is still written to. */
  async read(file: FoundFile): Promise<ReadFile | undefined> {
    // Without O_NONBLOCK a pipe that took the file's place would be waited for.
    const flags = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK;
    const handle = await unlessGone(open(join(this.path, file.name), flags));
    if (handle === undefined) return undefined;
    try {
      const isSame = async (): Promise<boolean> => {
        const stats = await handle.stat({ bigint: true });
        return stats.isFile() && foundFile(file.name, stats).stamp === file.stamp;
      };
      if (!(await isSame())) return undefined;
      if (file.sizeBytes > RECORD_BYTES_MAX) {
        return { body: new Uint8Array(), tooLarge: true, id: idOf(file.name, file.stamp) };
      }
      const body = Buffer.alloc(file.sizeBytes);
      let lengthBytes = 0;
      while (lengthBytes < body.length) {
        const { bytesRead } = await handle.read(body, lengthBytes, body.length - lengthBytes, lengthBytes);
        if (bytesRead === 0) return undefined;
        lengthBytes += bytesRead;
      }
      return (await isSame()) ? { body, tooLarge: false, id: idOf(file.name, body) } : undefined;
    } finally {
      await handle.close();
    }
  }

  /**
   * Makes a folder to move files to, if there is none.
   *
   * @throws {SourceError} when files cannot be moved there
   */
  async prepareTarget(folder: string): Promise<void> {
    try {
      // Not recursive: what a missing mount would lie over is not made.
      await mkdir(folder);
    } catch (error) {
      if (codeOf(error) !== 'EEXIST') throw error;
    }
    const [from, to] = await Promise.all([stat(this.path), stat(folder)]);
    if (!to.isDirectory()) throw new SourceError(`files: ${folder} is no folder`);
    if (from.dev !== to.dev)
      throw new SourceError(`files: ${folder} is not on the file system of ${this.path}; files are moved by renaming`);
  }

  /** Moves this version into a folder. It gets a mark in its name when there is one of its name. */
  async moveAway(file: FoundFile, folder: string, id: string): Promise<void> {
    const plain = join(folder, file.name);
    const taken = (await unlessGone(lstat(plain))) !== undefined;
    await this.#take(file, taken ? join(folder, markedName(file.name, id)) : plain, id);
  }

  /** Deletes this version. */
  async delete(file: FoundFile, id: string): Promise<void> {
    const away = join(this.path, `${DELETED_PREFIX}${markOf(id)}`);
    if (await this.#take(file, away, id)) await unlink(away);
  }

  /** Deletes what a crash left between {@link delete}'s two steps. */
  async deleteLeftovers(): Promise<void> {
    for await (const { name } of await opendir(this.path)) {
      if (name.startsWith(DELETED_PREFIX)) await unlessGone(unlink(join(this.path, name)));
    }
  }

  /** Whether `away` is now this version of the file (F3): only what has been moved cannot be replaced any more. */
  async #take(file: FoundFile, away: string, id: string): Promise<boolean> {
    const path = join(this.path, file.name);
    const before = await unlessGone(lstat(path, { bigint: true }));
    if (before === undefined || foundFile(file.name, before).stamp !== file.stamp) return false;
    if ((await unlessGone(rename(path, away).then(() => true))) !== true) return false;
    const moved = await lstat(away, { bigint: true });
    if (moved.size === before.size && moved.mtimeNs === before.mtimeNs) return true;
    const isFree = (await unlessGone(lstat(path))) === undefined;
    await rename(away, isFree ? path : join(this.path, markedName(file.name, id)));
    return false;
  }
}

function foundFile(name: string, stats: BigIntStats): FoundFile {
  return {
    name,
    stamp: `${stats.ino}:${stats.size}:${stats.mtimeNs}`,
    sizeBytes: Number(stats.size),
    modifiedAtMs: Number(stats.mtimeMs),
  };
}

/** What programs call a file that they have not finished. */
function isPartial(name: string): boolean {
  return name.endsWith('~') || /\.(?:tmp|temp|part|partial|crdownload|swp|filepart)$/i.test(name);
}

function idOf(name: string, content: string | Uint8Array): string {
  return `${name}.${createHash('sha256').update(content).digest('hex').slice(0, ID_HASH_LENGTH)}`;
}

function markOf(id: string): string {
  return createHash('sha256').update(id).digest('hex').slice(0, 12);
}

/** Short enough for a file system, whatever the name is. */
function markedName(name: string, id: string): string {
  const extension = extname(name).slice(0, 16);
  return `${name.slice(0, name.length - extension.length).slice(0, 48)}.${markOf(id)}${extension}`;
}

export function codeOf(error: unknown): string | undefined {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : undefined;
}

/** Undefined when there is no such file, or a link is in its place. */
async function unlessGone<T>(work: Promise<T>): Promise<T | undefined> {
  try {
    return await work;
  } catch (error) {
    if (['ENOENT', 'ELOOP'].includes(codeOf(error) ?? '')) return undefined;
    throw error;
  }
}
