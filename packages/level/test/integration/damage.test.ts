// What happens to a folder whose process, disk or bits have failed. Whatever is found after a start must be what was
// acknowledged; the start may refuse, but never lie.

import { execFileSync, spawn, type ChildProcess } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { cp, mkdir, mkdtemp, open, readdir, readFile, rm, stat, truncate } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import {
  commitOnce,
  CorruptRecordError,
  StoreLockedError,
  StoreUnavailableError,
  type Layout,
  type Store,
} from '@troupe/actors';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { childProgram } from '../../../../scripts/bundled.mjs';
import { levelStore } from '../../src/index.ts';

const LAYOUT: Layout = { app: 'kill', partitionCount: 8, hash: 'fnv1a-fmix32', format: 1 };
/** How often a process is killed under load; more for longer runs. */
const ROUNDS = Number(process.env['TROUPE_ROUNDS'] ?? 3);
const ACTORS = 5;
/** Fills tables, which are compressed. */
const INCOMPRESSIBLE = createHash('shake256', { outputLength: 1_500 }).digest('hex');

let folder: string;
let children: ChildProcess[];

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'troupe-damage-'));
  children = [];
});

afterEach(async () => {
  for (const child of children) {
    if (child.exitCode === null && child.signalCode === null) {
      child.kill('SIGKILL');
      await once(child, 'exit');
    }
  }
  await rm(folder, { recursive: true });
});

/** Commit number n, one after another, each a write of its own: actor n mod 5 gets the state and the entry "n". */
async function commitInOrder(store: Store, from: number, to: number, padding = ''): Promise<void> {
  for (let n = from; n < to; n++) {
    const address = { type: 'thing', id: `a${n % ACTORS}` };
    const { record } = await store.load(address);
    await commitOnce(store, address, {
      id: { writer: 'w', sequence: n + 1 },
      expectedRevision: record?.revision ?? 0,
      state: Buffer.from(String(n)),
      entries: { first: record?.nextEntry ?? 1, count: 1, bytes: Buffer.from(`${n}${padding}`) },
      keepFrom: 'same',
      dueAtMs: n,
      summary: { name: 'n', status: String(n), createdAtMs: n, tags: {} },
    });
  }
}

/**
 * How many of the commits in order are there. Fails when it is not all of the first so many and nothing else: one more
 * or less somewhere, a value that was never written, an index that says otherwise.
 */
async function countInOrder(store: Store, padding = ''): Promise<number> {
  const last = new Map<string, number>();
  for (let index = 0; index < ACTORS; index++) {
    const id = `a${index}`;
    const { record } = await store.load({ type: 'thing', id });
    if (record === undefined) continue;
    const n = Number(Buffer.from(record.state).toString());
    last.set(id, n);
    expect(n % ACTORS).toBe(index);
    expect(record).toMatchObject({
      firstEntry: 1,
      nextEntry: Math.floor(n / ACTORS) + 2,
      dueAtMs: n,
      summary: { status: String(n), createdAtMs: n },
    });
    const runs = await store.read({ type: 'thing', id }, 1, Infinity);
    expect(runs.map(({ bytes }) => Buffer.from(bytes).toString())).toEqual(
      Array.from({ length: Math.floor(n / ACTORS) + 1 }, (_, life) => `${life * ACTORS + index}${padding}`),
    );
  }
  const count = Math.max(-1, ...last.values()) + 1;
  const expected = Array.from({ length: Math.min(count, ACTORS) }, (_, back) => count - 1 - back);
  expect([...last.values()].sort((a, b) => b - a)).toEqual(expected);
  const { actors } = await store.list({ type: 'thing' }, { limit: 10 });
  expect(actors.map(({ summary }) => Number(summary.status))).toEqual(expected);
  const due: number[] = [];
  for (let partition = 0; partition < LAYOUT.partitionCount; partition++) {
    due.push(...(await store.due(partition, 1e9, undefined, 10)).entries.map(({ dueAtMs }) => dueAtMs));
  }
  expect(due.sort((a, b) => b - a)).toEqual(expected);
  return count;
}

/** A copy as a killed process would leave it, or as a stop left it. */
async function copyOf(source: string, name: string, leftBy: 'kill' | 'stop'): Promise<string> {
  const copy = join(folder, name);
  await rm(copy, { recursive: true, force: true });
  await cp(source, copy, {
    recursive: true,
    filter: (path) => !path.endsWith('LOCK') && !(leftBy === 'kill' && path.endsWith('owner.json')),
  });
  return copy;
}

/** What a start of a damaged copy comes to: how many commits are there, or that it was refused as damaged. */
async function outcomeOf(copy: string, padding = ''): Promise<number | 'refused'> {
  const store = levelStore(copy);
  try {
    await store.start(LAYOUT);
    return await countInOrder(store, padding);
  } catch (error) {
    if (!(error instanceof CorruptRecordError)) throw error;
    return 'refused';
  } finally {
    await store.stop();
  }
}

async function flipBit(path: string, position: number): Promise<void> {
  const file = await open(path, 'r+');
  try {
    const byte = Buffer.alloc(1);
    await file.read(byte, 0, 1, position);
    byte[0]! ^= 1 << (position % 8);
    await file.write(byte, 0, 1, position);
  } finally {
    await file.close();
  }
}

async function filesOf(source: string, pattern: RegExp): Promise<string[]> {
  return (await readdir(source)).filter((name) => pattern.test(name)).sort();
}

function spread(size: number, count: number): number[] {
  return [...new Set(Array.from({ length: count }, (_, index) => Math.floor((index * size) / count)))];
}

describe('damaged files', () => {
  const COMMITS = 60;

  async function written(padding: string, commits: number, writeBufferBytes?: number): Promise<string> {
    const source = join(folder, 'source');
    const store = levelStore(source, writeBufferBytes === undefined ? {} : { writeBufferBytes });
    await store.start(LAYOUT);
    await commitInOrder(store, 0, commits, padding);
    await store.stop();
    return source;
  }

  test('a log that was cut off anywhere gives back exactly the commits before the cut', async () => {
    const source = await written('x'.repeat(1_000), COMMITS);
    const [log] = await filesOf(source, /\.log$/);
    const { size } = await stat(join(source, log!));
    const counts: number[] = [];
    for (const length of [...spread(size, 40), size - 1, size]) {
      const copy = await copyOf(source, 'cut', 'kill');
      await truncate(join(copy, log!), length);
      const outcome = await outcomeOf(copy, 'x'.repeat(1_000));
      expect(outcome, `cut at ${length} of ${size}`).not.toBe('refused');
      counts.push(outcome as number);
    }
    expect(counts).toEqual(counts.toSorted((a, b) => a - b));
    expect(counts[0]).toBe(0);
    expect(counts.at(-1)).toBe(COMMITS);
    expect(counts.at(-2)).toBe(COMMITS - 1);
  });

  test('a folder that was stopped well and changed since is refused', async () => {
    const source = await written('', COMMITS);
    const [log] = await filesOf(source, /\.log$/);
    const { size } = await stat(join(source, log!));
    for (const change of ['cut', 'missing', 'longer'] as const) {
      const copy = await copyOf(source, 'changed', 'stop');
      if (change === 'missing') await rm(join(copy, log!));
      else await truncate(join(copy, log!), change === 'cut' ? size - 1 : size + 1);
      expect(await outcomeOf(copy), change).toBe('refused');
    }
    expect(await outcomeOf(await copyOf(source, 'unchanged', 'stop'))).toBe(COMMITS);
  });

  test('a bit that flips in a log is found, but for one in the last write of a process that was killed', async () => {
    const source = await written('y'.repeat(1_000), COMMITS);
    const [log] = await filesOf(source, /\.log$/);
    const { size } = await stat(join(source, log!));
    const outcomes = new Set<number | 'refused'>();
    for (const position of [...spread(size, 60), ...Array.from({ length: 8 }, (_, index) => size - 1 - index * 150)]) {
      const stopped = await copyOf(source, 'flipped', 'stop');
      await flipBit(join(stopped, log!), position);
      expect(await outcomeOf(stopped, 'y'.repeat(1_000)), `after a stop, at ${position} of ${size}`).toBe('refused');
      const killed = await copyOf(source, 'flipped', 'kill');
      await flipBit(join(killed, log!), position);
      const outcome = await outcomeOf(killed, 'y'.repeat(1_000));
      expect(['refused', COMMITS - 1], `after a kill, at ${position} of ${size}`).toContain(outcome);
      outcomes.add(outcome);
    }
    expect(outcomes).toEqual(new Set(['refused', COMMITS - 1]));
  });

  test('a bit that flips in a table, a manifest or the file that names it is found', { timeout: 300_000 }, async () => {
    const padding = INCOMPRESSIBLE;
    const commits = 300;
    const source = await written(padding, commits, 64 * 1024);
    const tables = await filesOf(source, /\.ldb$/);
    // A stop in the middle of a compaction leaves tables that it has replaced, and such as it has not finished.
    const unused: string[] = [];
    for (const name of tables) {
      const copy = await copyOf(source, 'missing', 'kill');
      await rm(join(copy, name));
      if ((await outcomeOf(copy, padding)) === commits) unused.push(name);
    }
    expect(tables.length - unused.length).toBeGreaterThan(1);
    for (const name of [...tables, ...(await filesOf(source, /^(?:MANIFEST.*|CURRENT)$/))]) {
      const { size } = await stat(join(source, name));
      const positions = [...spread(size, 30), size - 1];
      let refused = 0;
      for (const position of positions) {
        const copy = await copyOf(source, 'flipped', 'kill');
        await flipBit(join(copy, name), position);
        const outcome = await outcomeOf(copy, padding);
        // A few bytes of filling are nobody's data.
        expect(['refused', commits], `${name} at ${position}`).toContain(outcome);
        if (outcome === 'refused') refused++;
      }
      if (unused.includes(name)) expect(refused, `${name}, which nothing uses`).toBe(0);
      else expect(refused, name).toBeGreaterThan(positions.length / 2);
    }
  });

  test('a table or a log that is missing is found', async () => {
    const source = await written(INCOMPRESSIBLE, 300, 64 * 1024);
    for (const name of await filesOf(source, /\.(?:ldb|log)$/)) {
      const copy = await copyOf(source, 'missing', 'kill');
      await rm(join(copy, name));
      expect(['refused', 300], name).toContain(await outcomeOf(copy, INCOMPRESSIBLE));
    }
  });
});

describe('a full disk', () => {
  const disk = join(tmpdir(), `troupe-full-disk-${process.pid}`);
  let mounted = false;

  beforeEach(async () => {
    await mkdir(disk, { recursive: true });
    try {
      execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=3m', 'tmpfs', disk], { stdio: 'pipe' });
      mounted = true;
    } catch (error) {
      console.warn(
        `SKIPPED: a full disk needs a small tmpfs, and mounting one failed: ${(error as Error).message.trim()}. Run as root.`,
      );
    }
  });

  afterEach(async () => {
    if (mounted) execFileSync('umount', [disk]);
    mounted = false;
    await rm(disk, { recursive: true });
  });

  test('refuses everything from then on, says so, and goes on after a restart with room', async (context) => {
    if (!mounted) return context.skip('cannot mount a tmpfs');
    const store = levelStore(join(disk, 'store'));
    await store.start(LAYOUT);
    const acknowledged = new Map<string, number>();
    const refusals: Error[] = [];
    for (let round = 0; refusals.length === 0; round++) {
      const ids = Array.from({ length: 20 }, (_, index) => `r${round}-${index}`);
      const results = await Promise.allSettled(
        ids.map((id) =>
          commitOnce(
            store,
            { type: 'thing', id },
            {
              id: { writer: 'w', sequence: 1 },
              expectedRevision: 0,
              state: Buffer.alloc(5_000, id),
              entries: null,
              keepFrom: 'same',
              dueAtMs: null,
              summary: null,
            },
          ),
        ),
      );
      for (const [index, result] of results.entries()) {
        if (result.status === 'fulfilled') acknowledged.set(ids[index]!, result.value);
        else refusals.push(result.reason as Error);
      }
    }
    for (const refusal of refusals) expect(refusal).toBeInstanceOf(StoreUnavailableError);
    expect(refusals.some((refusal) => !(refusal as StoreUnavailableError).wroteNothing)).toBe(true);
    expect(store.failure()?.message).toMatch(/disk is full.*restart/);
    await expect(store.load({ type: 'thing', id: 'r0-0' })).rejects.toMatchObject({ code: 'store_unavailable' });
    const late = commitOnce(
      store,
      { type: 'thing', id: 'late' },
      {
        id: { writer: 'w', sequence: 1 },
        expectedRevision: 0,
        state: Buffer.alloc(1),
        entries: null,
        keepFrom: 'same',
        dueAtMs: null,
        summary: null,
      },
    );
    await expect(late).rejects.toMatchObject({ code: 'store_unavailable', wroteNothing: true });
    await store.stop();

    await expect(store.start(LAYOUT), 'still full').rejects.toThrow();
    execFileSync('mount', ['-o', 'remount,size=64m', disk]);
    await store.start(LAYOUT);
    expect(store.failure()).toBeUndefined();
    for (const [id, revision] of acknowledged) {
      const { record } = await store.load({ type: 'thing', id });
      expect(record?.revision, id).toBe(revision);
      expect(Buffer.from(record!.state).equals(Buffer.alloc(5_000, id))).toBe(true);
    }
    await commitInOrder(store, 0, 10);
    await store.stop();
  });
});

describe('other processes', () => {
  const program = fileURLToPath(new URL('committer.ts', import.meta.url));

  async function startCommitter(storeFolder: string, acknowledgements: string, actors: number): Promise<ChildProcess> {
    const child = spawn(
      process.execPath,
      [...(await childProgram(program)), storeFolder, acknowledgements, String(actors)],
      { stdio: ['ignore', 'pipe', 'inherit'] },
    );
    children.push(child);
    await Promise.race([
      once(child.stdout, 'data'),
      once(child, 'exit').then(() => {
        throw new Error('the committer ended before it was ready');
      }),
    ]);
    return child;
  }

  async function kill(child: ChildProcess): Promise<void> {
    child.kill('SIGKILL');
    await once(child, 'exit');
  }

  test('a second one is refused by the name of the first, and may start when that was killed', async () => {
    const path = join(folder, 'store');
    const child = await startCommitter(path, join(folder, 'acknowledgements'), 1);
    const store = levelStore(path);
    const refusal = store.start(LAYOUT);
    await expect(refusal).rejects.toBeInstanceOf(StoreLockedError);
    await expect(refusal).rejects.toThrow(`process ${child.pid} `);
    await expect(refusal).rejects.toThrow('stop that one');
    expect(child.exitCode).toBeNull();
    await kill(child);
    await store.start(LAYOUT);
    const second = levelStore(path);
    await expect(second.start(LAYOUT)).rejects.toThrow('this very process');
    await second.stop();
    expect((await store.load({ type: 'thing', id: 'a0' })).record).toBeDefined();
    await store.stop();
  });

  test(
    `what was acknowledged is there after a kill under load (${ROUNDS} rounds; TROUPE_ROUNDS for more)`,
    async () => {
      const path = join(folder, 'store');
      const acknowledgements = join(folder, 'acknowledgements');
      const actors = 64;
      for (let round = 0; round < ROUNDS; round++) {
        const child = await startCommitter(path, acknowledgements, actors);
        await new Promise((resolve) => setTimeout(resolve, 100 + Math.random() * 400));
        await kill(child);

        const acknowledged = new Map<string, number>();
        for (const line of (await readFile(acknowledgements, 'utf8')).split('\n').slice(0, -1)) {
          const [id, count] = line.split(' ') as [string, string];
          acknowledged.set(id, Number(count));
        }
        expect(acknowledged.size).toBe(actors);
        const store = levelStore(path);
        await store.start(LAYOUT);
        let dueCount = 0;
        for (const [id, count] of acknowledged) {
          const { record } = await store.load({ type: 'thing', id });
          const found = record!.nextEntry - 1;
          // One more may have been under way when the end came.
          expect([count, count + 1], `round ${round}: ${id}`).toContain(found);
          expect(Buffer.from(record!.state).toString()).toBe(String(found));
          expect(record!.dueAtMs).toBe(found % 3 === 0 ? null : found);
          expect(record!.summary?.status).toBe(found < 5 ? undefined : String(found - (found % 5)));
          expect(record!.firstEntry).toBe(Math.max(1, found - 50));
          if (record!.dueAtMs !== null) dueCount++;
          let next = record!.firstEntry;
          for (const run of await store.read({ type: 'thing', id }, next, Infinity)) {
            expect(run.first).toBe(next++);
            expect(Buffer.from(run.bytes).toString()).toBe(`entry ${run.first} of ${id}`);
          }
          expect(next).toBe(record!.nextEntry);
        }
        let due = 0;
        for (let partition = 0; partition < LAYOUT.partitionCount; partition++) {
          due += (await store.due(partition, 1e12, undefined, 1_000)).entries.length;
        }
        expect(due).toBe(dueCount);
        expect((await store.list({ type: 'thing' }, { limit: 1_000 })).actors.length).toBe(actors);
        await store.stop();
      }
    },
    30_000 + ROUNDS * 10_000,
  );
});
