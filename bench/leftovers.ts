import { cp, mkdtemp, readdir, rm, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { ClassicLevel } from 'classic-level';

/** What the first byte of a key says; `keys.ts` of the store has the list. */
const KINDS = ['own', 'id', 'record', 'due', 'summary', 'deletion', 'tombstone'] as const;

/** What a store holds, by kind of row, and what its files weigh. */
export interface Leftovers {
  /** Of the store itself: its layout and its lease of numbers. They stay for ever. */
  readonly ownKeys: readonly string[];
  /** Rows of actors, by kind; none of a kind is absent. */
  readonly rows: Readonly<Record<string, number>>;
  readonly files: number;
  readonly bytes: number;
  /** The bytes once LevelDB has rewritten its tables, which it does when it has reason to. */
  readonly compactedBytes: number;
}

/** Counts what a stopped store has in its folder. Looks at a copy: the store wants its files as it left them. */
export async function leftovers(folder: string): Promise<Leftovers> {
  const copy = await mkdtemp(join(dirname(folder), 'copy-'));
  try {
    await cp(folder, copy, { recursive: true });
    const { files, bytes } = await weighed(folder);
    const database = new ClassicLevel<Buffer, Buffer>(copy, { keyEncoding: 'buffer', valueEncoding: 'buffer' });
    await database.open();
    const ownKeys: string[] = [];
    const rows: Record<string, number> = {};
    for await (const key of database.keys()) {
      const kind = KINDS[key[0]!] ?? 'unknown';
      if (kind === 'own') ownKeys.push(key.toString('latin1', 1));
      else rows[kind] = (rows[kind] ?? 0) + 1;
    }
    await database.compactRange(Buffer.of(0), Buffer.of(255));
    await database.close();
    return { ownKeys, rows, files, bytes, compactedBytes: (await weighed(copy)).bytes };
  } finally {
    await rm(copy, { recursive: true });
  }
}

/** How many files there are in a folder, and what they weigh together. */
export async function weighed(folder: string): Promise<{ readonly files: number; readonly bytes: number }> {
  const names = await readdir(folder);
  let bytes = 0;
  for (const name of names) {
    // LevelDB deletes files while this looks at them.
    const found = await stat(join(folder, name)).catch((error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT') return undefined;
      throw error;
    });
    bytes += found?.size ?? 0;
  }
  return { files: names.length, bytes };
}
