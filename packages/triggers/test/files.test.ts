import { execFileSync } from 'node:child_process';
import { chmod, mkdir, mkdtemp, readdir, readFile, rename, rm, symlink, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { files, type FilesOptions } from '../src/files.ts';
import { KEPT_FILES_MAX, RECORD_BYTES_MAX } from '../src/limits.ts';
import type { SourceReader } from '../src/source.ts';
import { TestContext, TestCursor } from './test-context.ts';

let folder: string;
const readers: SourceReader[] = [];
const contexts: TestContext[] = [];

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'troupe-files-'));
});

afterEach(async () => {
  for (const context of contexts.splice(0)) context.stop();
  for (const reader of readers.splice(0)) await reader.close();
  await rm(folder, { recursive: true, force: true });
});

async function read(context: TestContext, options: Partial<FilesOptions> = {}): Promise<SourceReader> {
  const source = files({ folder, name: 'inbox', settleMs: 30, scanIntervalMs: 200, ...options });
  const reader = await source.open(context);
  readers.push(reader);
  contexts.push(context);
  return reader;
}

async function stop(context: TestContext, reader: SourceReader): Promise<void> {
  context.stop();
  await reader.drain();
  await reader.close();
}

const drop = async (name: string, content: string | Uint8Array): Promise<void> => {
  await writeFile(join(folder, `.${name}.new`), content);
  await rename(join(folder, `.${name}.new`), join(folder, name));
};
const inside = async (name: string): Promise<string[]> => (await readdir(join(folder, name))).sort();
const until = async (check: () => void | Promise<void>): Promise<void> =>
  await vi.waitFor(check, { timeout: 20_000, interval: 20 });

describe('events', () => {
  test('a file is an event of its name and content, and moves to done', async () => {
    const context = new TestContext();
    await drop('order-1.json', '{"number":1}');
    await read(context);
    await until(async () => expect(await inside('done')).toEqual(['order-1.json']));
    expect(context.events).toMatchObject([
      { source: 'file:inbox', type: 'file.added', subject: 'order-1.json', data: { number: 1 } },
    ]);
    // The first 32 digits that sha256sum prints.
    expect(context.events[0]!.id).toBe('order-1.json.3d6a916e86efba9105154ea95dda8d8d');
    expect(context.events[0]!.time).toMatch(/^\d{4}-.*Z$/);
    expect(context.failure).toBeUndefined();
  });

  test('the end of the name tells what the data is, the option overrules it', async () => {
    const context = new TestContext();
    await drop('a.txt', 'text');
    await drop('b.csv', 'x;y');
    await drop('c.bin', new Uint8Array([0, 255]));
    await drop(
      'd.cloudevent',
      JSON.stringify({ specversion: '1.0', id: 'own', source: '/shop', type: 'sold', data: 7 }),
    );
    await drop('e', '"none"');
    const reader = await read(context);
    await until(() => expect(context.events).toHaveLength(5));
    expect(context.events.map(({ data }) => data)).toEqual([
      'text',
      'x;y',
      Buffer.from([0, 255]),
      7,
      Buffer.from('"none"'),
    ]);
    expect(context.events[3]).toMatchObject({ source: '/shop', id: 'own', type: 'sold' });
    await stop(context, reader);
    const other = new TestContext();
    await drop('f.dat', '{"n":1}');
    await drop('g.no', '{"n":2}');
    await read(other, { contentType: 'application/json', pattern: '*.da?', name: 'other' });
    await until(() => expect(other.events.map(({ data }) => data)).toEqual([{ n: 1 }]));
  });

  test('the same name and content is the same event, another content or name another', async () => {
    const context = new TestContext();
    await read(context);
    for (const [name, content, total] of [
      ['a.txt', 'one', 1],
      ['a.txt', 'two', 2],
      ['a.txt', 'one', 3],
      ['b.txt', 'one', 4],
    ] as const) {
      await drop(name, content);
      await until(() => expect(context.events).toHaveLength(total));
    }
    const ids = context.events.map(({ id }) => id);
    expect(ids[2]).toBe(ids[0]);
    expect(new Set(ids).size).toBe(3);
    // Nothing that was moved away is written over.
    await until(async () => expect(await inside('done')).toHaveLength(4));
  });

  test('hidden and partial files, links, folders and pipes are left alone', async () => {
    const context = new TestContext();
    for (const name of ['.hidden', 'a.tmp', 'b.part', 'c~', 'd.crdownload']) await writeFile(join(folder, name), 'x');
    await mkdir(join(folder, 'sub'));
    await writeFile(join(folder, 'sub', 'inner'), 'x');
    await symlink('/etc/hostname', join(folder, 'link'));
    await symlink('nowhere', join(folder, 'broken'));
    execFileSync('mkfifo', [join(folder, 'pipe')]);
    await read(context);
    await drop('real', 'x');
    await until(async () => expect(await inside('done')).toEqual(['real']));
    expect(context.events).toHaveLength(1);
    expect(await inside('.')).toContain('link');
  });

  test('hostile names stay names', async () => {
    const context = new TestContext();
    const names = ['x..%2f..%2fx', '-rf *', "';drop", '名前.json', '$(reboot)', `${'n'.repeat(251)}.txt`, '__proto__'];
    for (const name of names) await writeFile(join(folder, name), '1');
    await writeFile(join(folder, 'line\nbreak'), '1');
    await writeFile(Buffer.concat([Buffer.from(`${folder}/`), Buffer.from([0x66, 0xff])]), 'not UTF-8');
    await read(context);
    await until(async () => expect(await inside('done')).toEqual([...names].sort()));
    // A name with control characters can be no attribute of an event.
    await until(async () => expect(await inside('failed')).toEqual(['line\nbreak']));
    expect(new Set(context.events.map(({ subject }) => subject))).toEqual(new Set(names));
  });

  test('its time is that of the file, whenever that is', async () => {
    const context = new TestContext();
    await drop('old', 'x');
    execFileSync('touch', ['-d', '1960-01-02T03:04:05Z', join(folder, 'old')]);
    await read(context);
    await until(() => expect(context.events).toMatchObject([{ time: '1960-01-02T03:04:05.000Z' }]));
  });
});

describe('complete', () => {
  test('a file that grows is not taken before it has come to rest', async () => {
    const context = new TestContext();
    await read(context, { settleMs: 400 });
    let content = '';
    for (let part = 0; part < 20; part++) {
      content += `${part},`;
      await writeFile(join(folder, 'grows.txt'), content);
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    await until(async () => expect(await inside('done')).toEqual(['grows.txt']));
    // A machine that stands still may see it rest; whatever was taken last is the whole.
    expect(context.events.at(-1)!.data).toBe(content);
  });

  test('a file that is replaced while its event is worked at is an event of its own', async () => {
    let release = (): void => {};
    const held = new Promise<void>((resolve) => (release = resolve));
    const context = new TestContext({
      decide: async ({ data }) => {
        if (data === 'first') await held;
        return { outcome: 'started' };
      },
    });
    await drop('a.txt', 'first');
    await read(context);
    await until(() => expect(context.out).toBe(1));
    await drop('a.txt', 'second');
    release();
    await until(() => expect(context.events.map(({ data }) => data)).toEqual(['first', 'second']));
    await until(async () => expect(await inside('done')).toEqual(['a.txt']));
    expect(await readFile(join(folder, 'done', 'a.txt'), 'utf8')).toBe('second');
  });

  test.each(['delete', 'keep', { moveTo: 'done' }] as const)('no replacement is lost: %j', async (after) => {
    const context = new TestContext({ cursor: new TestCursor().session() });
    await read(context, { after, settleMs: 0, scanIntervalMs: 50 });
    const last = 60;
    for (let round = 0; round <= last; round++) {
      await drop('same.txt', `round ${round}`);
      if (round % 3 === 0) await new Promise((resolve) => setTimeout(resolve, 7));
    }
    await until(() => expect(context.events.at(-1)?.data).toBe(`round ${last}`));
    if (after !== 'keep') await until(async () => expect(await inside('.')).not.toContain('same.txt'));
    expect(context.failures).toBe(0);
  });
});

describe('settled', () => {
  test('a dead letter moves to failed', async () => {
    const context = new TestContext();
    await drop('bad.json', '{"a":');
    await drop('good.json', '{}');
    await read(context, { after: 'delete' });
    await until(async () => expect(await inside('.')).toEqual(['failed']));
    expect(await inside('failed')).toEqual(['bad.json']);
  });

  test('a file that is too large is a dead letter that was not read', async () => {
    const context = new TestContext();
    await drop('large', Buffer.alloc(RECORD_BYTES_MAX + 1));
    await drop('largest', Buffer.alloc(RECORD_BYTES_MAX));
    await read(context);
    await until(async () => expect(await inside('failed')).toEqual(['large']));
    await until(async () => expect(await inside('done')).toEqual(['largest']));
    const error = context.settlements.find(({ outcome }) => outcome === 'dead-lettered')?.error;
    expect(error?.message).toContain(`large has ${RECORD_BYTES_MAX + 1} bytes`);
  });

  test('a released file stays and comes again', async () => {
    let times = 0;
    const context = new TestContext({ decide: () => ({ outcome: ++times < 3 ? 'released' : 'started' }) });
    await drop('a', 'x');
    await read(context, { after: 'delete' });
    await until(async () => expect(await inside('.')).toEqual(['failed']));
    expect(new Set(context.events.map(({ id }) => id)).size).toBe(1);
    expect(times).toBe(3);
  });

  test('what cannot be moved is failing, is not handed over again, and moves when it can', async () => {
    const context = new TestContext({
      decide: async () => {
        await rm(join(folder, 'done'), { recursive: true });
        await writeFile(join(folder, 'done'), 'in the way');
        return { outcome: 'started' };
      },
    });
    await drop('a', 'x');
    await read(context);
    await until(() => expect(String(context.failure)).toContain('done is no folder'));
    await rm(join(folder, 'done'));
    await until(async () => expect(await inside('done')).toEqual(['a']));
    await until(() => expect(context.failure).toBeUndefined());
    expect(context.events).toHaveLength(1);
  });

  test('a reader that ended before the move makes the same event again', async () => {
    const first = new TestContext({ decide: () => new Promise(() => {}) });
    await drop('a', 'x');
    const reader = await read(first);
    await until(() => expect(first.out).toBe(1));
    await stop(first, reader);
    expect(await inside('.')).toContain('a');
    // Another host: the file has been copied there and has another time.
    await utimes(join(folder, 'a'), 1e9, 1e9);
    const second = new TestContext({ decide: () => ({ outcome: 'duplicate' }) });
    await read(second);
    await until(async () => expect(await inside('done')).toEqual(['a']));
    expect(second.events[0]!.id).toBe(first.events[0]!.id);
  });

  test('two readers at once lose nothing and fail in nothing', async () => {
    const both = [new TestContext(), new TestContext()];
    for (const context of both) await read(context, { after: 'delete', settleMs: 0 });
    for (let number = 0; number < 200; number++) await drop(`${number}`, `${number}`);
    await until(async () => expect(await inside('.')).toEqual(['failed']));
    const seen = new Set(both.flatMap(({ events }) => events.map(({ subject }) => subject)));
    expect(seen.size).toBe(200);
    expect(both.map(({ failures }) => failures)).toEqual([0, 0]);
  });
});

describe('kept', () => {
  test('kept files are not handed over again, by the next reader neither, whatever their time is', async () => {
    const cursor = new TestCursor();
    const first = new TestContext({ cursor: cursor.session() });
    for (let number = 0; number < 50; number++) await drop(`${number}.txt`, 'x');
    const reader = await read(first, { after: 'keep' });
    await until(() => expect(cursor.value).toMatchObject({ settled: expect.stringMatching(/^.{600}$/) }));
    await stop(first, reader);
    expect(cursor.saves).toBeLessThan(51);
    await utimes(join(folder, '7.txt'), 1e9, 1e9);
    const second = new TestContext({ cursor: cursor.session() });
    await read(second, { after: 'keep' });
    await drop('7.txt', 'y');
    await until(() => expect(second.events).toMatchObject([{ subject: '7.txt', data: 'y' }]));
    expect(second.events).toHaveLength(1);
    expect(await inside('.')).toHaveLength(50);
  });

  test('a former reader learns from its cursor that it is one', async () => {
    const cursor = new TestCursor();
    const former = new TestContext({ cursor: cursor.session() });
    await read(former, { after: 'keep', settleMs: 0 });
    cursor.session();
    await drop('a', 'x');
    await until(() => expect(former.events).toHaveLength(1));
    await drop('b', 'x');
    await new Promise((resolve) => setTimeout(resolve, 500));
    expect(former.events).toHaveLength(1);
    expect(cursor.value).toBeUndefined();
  });

  test('more than can be remembered is failing until some are deleted', async () => {
    const cursor = new TestCursor();
    const context = new TestContext({ cursor: cursor.session(), concurrency: 64 });
    for (let number = 0; number < KEPT_FILES_MAX; number++) await writeFile(join(folder, `${number}.txt`), 'x');
    await read(context, { after: 'keep', settleMs: 0 });
    await until(() => expect(context.events).toHaveLength(KEPT_FILES_MAX));
    expect(context.failure).toBeUndefined();
    await drop('more.txt', 'x');
    await until(() => expect(String(context.failure)).toContain(`more than ${KEPT_FILES_MAX} files`));
    expect(context.events).toHaveLength(KEPT_FILES_MAX);
    await rm(join(folder, '17.txt'));
    await until(() => expect(context.events.at(-1)!.subject).toBe('more.txt'));
    await until(() => expect(context.failure).toBeUndefined());
    // The one that was deleted is forgotten, the others are not.
    await drop('18.txt', 'x');
    await drop('19.txt', 'x');
    await new Promise((resolve) => setTimeout(resolve, 500));
    expect(context.events).toHaveLength(KEPT_FILES_MAX + 1);
  });
});

describe('the folder', () => {
  test('a folder that is not there is failing, and read when it comes, and when it comes anew', async () => {
    const context = new TestContext();
    const later = join(folder, 'later');
    await read(context, { folder: later });
    await until(() => expect(String(context.failure)).toContain('is not there'));
    for (const name of ['first', 'second']) {
      await mkdir(later);
      await writeFile(join(later, name), 'x');
      await until(() => expect(context.events.at(-1)?.subject).toBe(name));
      await until(async () => expect(await inside('later/done')).toEqual([name]));
      await rm(later, { recursive: true });
    }
  });

  test.skipIf(process.getuid?.() === 0)('a file that may not be read is failing and holds up no other', async () => {
    const context = new TestContext();
    await drop('a', 'secret');
    await chmod(join(folder, 'a'), 0);
    await drop('b', 'x');
    await read(context);
    await until(async () => expect(await inside('done')).toEqual(['b']));
    await until(() => expect(String(context.failure)).toContain('EACCES'));
    await chmod(join(folder, 'a'), 0o600);
    await until(async () => expect(await inside('done')).toEqual(['a', 'b']));
    await until(() => expect(context.failure).toBeUndefined());
  });

  test('no more are out than there is room for, and nothing new after drain', async () => {
    const waiting: (() => void)[] = [];
    const context = new TestContext({
      concurrency: 3,
      decide: async () => {
        await new Promise<void>((resolve) => waiting.push(resolve));
        return { outcome: 'started' };
      },
    });
    for (let number = 0; number < 10; number++) await drop(`${number}`, 'x');
    const reader = await read(context);
    await until(() => expect(context.out).toBe(3));
    waiting.shift()!();
    await until(() => expect(waiting).toHaveLength(3));
    expect(context.outMax).toBe(3);
    context.stop();
    await reader.drain();
    for (const settle of waiting.splice(0)) settle();
    await until(async () => expect(await inside('done')).toHaveLength(4));
    expect(context.events).toHaveLength(4);
    await reader.close();
    expect(await inside('.')).toHaveLength(6 + 2);
  });
});

test.each([
  [{}, 'folder is a text'],
  [{ folder: '' }, 'folder is a text, got an empty one'],
  [{ folder: 'x', pattern: 'a/*.json' }, 'names in the folder'],
  [{ folder: 'x', after: 'move' }, "after is 'keep', 'delete' or { moveTo: 'done' }"],
  [{ folder: 'x', after: { to: 'y' } }, 'there is no option to'],
  [{ folder: 'x', after: { moveTo: '.' } }, 'the folder itself'],
  [{ folder: 'x', failedTo: '../x' }, 'the folder itself'],
  [{ folder: 'x', settleMs: '5' }, 'settleMs is a whole number'],
  [{ folder: 'x', settle: 5 }, 'there is no option settle'],
])('options that cannot work are refused: %j', (options, message) => {
  expect(() => files(options as FilesOptions)).toThrow(message);
  expect(() => files(options as FilesOptions)).toThrow(TypeError);
});
