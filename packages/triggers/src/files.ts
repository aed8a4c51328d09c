// Files that are dropped into a folder, one event each. This file knows when a file is complete, what its event is and what
// becomes of it afterwards; folder.ts knows the file system.
//
// D1. The scan is the truth: what the system tells of changes only wakes it.
// D2. A file stays where it is until its event is settled. A crash before it was moved away makes the same event again.
// D3. The same name with the same content is the same event, whoever sees it, when, and with whatever time on it.

import { watch, type FSWatcher } from 'node:fs';
import { extname, resolve } from 'node:path';
import { STRUCTURED } from './cloud-event.ts';
import { SourceError, StaleReaderError } from './errors.ts';
import { Folder, codeOf, type FoundFile, type ReadFile } from './files/folder.ts';
import { KeptFiles, tooManyKept } from './files/kept-files.ts';
import {
  INTERVAL_MS_MAX,
  RECORD_BYTES_MAX,
  SCAN_INTERVAL_MS_DEFAULT,
  SCAN_PAUSE_MS,
  SETTLE_MS_DEFAULT,
} from './limits.ts';
import { Pause } from './pause.ts';
import { checkKnown, numberOption, textOption } from './source-options.ts';
import type { Settlement, Source, SourceContext, SourceMessage, SourceReader } from './source.ts';

export interface FilesOptions {
  /** The folder; its sub-folders are not looked into. */
  readonly folder: string;
  /** Names to take: `*` is any characters, `?` is one. Default `*`. Hidden and partial files are never taken. */
  readonly pattern?: string;
  /** The events' source is `file:<name>`. Default: the folder as it is given. */
  readonly name?: string;
  /**
   * What becomes of a file whose event is settled. Default `{ moveTo: 'done' }`: moved into this folder, seen from `folder`.
   * `keep` remembers up to 5,000 files.
   */
  readonly after?: 'keep' | 'delete' | { readonly moveTo: string };
  /** Where files go whose event became a dead letter, unless `after` is `keep`. Default `failed`. */
  readonly failedTo?: string;
  /** Media type of the files. Default: by the end of their names; `application/octet-stream` (bytes) for others. */
  readonly contentType?: string;
  /** A file is complete when it has not changed for so long. Default 1,000; 0 if all writers rename. */
  readonly settleMs?: number;
  /** How often the folder is looked at even if nothing was heard of it. Default 10,000. */
  readonly scanIntervalMs?: number;
}

const KNOWN = ['folder', 'pattern', 'name', 'after', 'failedTo', 'contentType', 'settleMs', 'scanIntervalMs'];

/** Files in a folder: each one that is complete is an event `file.added`. */
export function files(options: FilesOptions): Source {
  checkKnown('files', options, KNOWN);
  const path = resolve(textOption('files', 'folder', options.folder));
  const after = afterOption(options.after, path);
  const failedTo = folderOption('failedTo', options.failedTo ?? 'failed', path);
  const pattern = patternOf(textOption('files', 'pattern', options.pattern ?? '*'));
  const rules: Rules = {
    source: `file:${encodeURI(textOption('files', 'name', options.name ?? options.folder).toWellFormed())}`,
    folder: new Folder(path, (name) => pattern.test(name)),
    after,
    failedTo,
    contentType:
      options.contentType === undefined ? undefined : textOption('files', 'contentType', options.contentType),
    settleMs: numberOption('files', 'settleMs', options.settleMs ?? SETTLE_MS_DEFAULT, {
      min: 0,
      max: INTERVAL_MS_MAX,
    }),
    scanIntervalMs: numberOption('files', 'scanIntervalMs', options.scanIntervalMs ?? SCAN_INTERVAL_MS_DEFAULT, {
      min: SCAN_PAUSE_MS,
      max: INTERVAL_MS_MAX,
    }),
  };
  return {
    kind: 'files',
    runsOn: 'one-host',
    open: (context) => Promise.resolve(new FilesReader(rules, context)),
  };
}

type After = { readonly do: 'keep' | 'delete' } | { readonly do: 'move'; readonly to: string };

interface Rules {
  readonly source: string;
  readonly folder: Folder;
  readonly after: After;
  readonly failedTo: string;
  readonly contentType: string | undefined;
  readonly settleMs: number;
  readonly scanIntervalMs: number;
}

function afterOption(after: unknown, folder: string): After {
  if (after === undefined) return { do: 'move', to: folderOption('after.moveTo', 'done', folder) };
  if (after === 'keep' || after === 'delete') return { do: after };
  if (typeof after !== 'object' || after === null)
    throw new TypeError(`files: after is 'keep', 'delete' or { moveTo: 'done' }, got ${typeof after}`);
  checkKnown('files: after', after, ['moveTo']);
  return { do: 'move', to: folderOption('after.moveTo', (after as { moveTo?: unknown }).moveTo, folder) };
}

function folderOption(name: string, value: unknown, folder: string): string {
  const path = resolve(folder, textOption('files', name, value));
  if (path === folder) throw new TypeError(`files: ${name} is the folder itself: its files would come again and again`);
  return path;
}

function patternOf(pattern: string): RegExp {
  if (/[/\\]/.test(pattern)) throw new TypeError(`files: pattern is for names in the folder, got ${pattern}`);
  const literal = pattern.replace(/[.*+?^${}()|[\]\\]/g, String.raw`\$&`);
  return new RegExp(`^${literal.replace(/(?:\\\*)+/g, '.*').replaceAll(String.raw`\?`, '.')}$`, 'su');
}

/** A file as the scans before knew it. */
interface Tracked {
  readonly file: FoundFile;
  readonly sinceMs: number;
  /** `settled`: only what becomes of the file is left to do. */
  state: 'waiting' | 'out' | 'settled';
  id?: string;
  failed?: boolean;
}

class FilesReader implements SourceReader {
  readonly #rules: Rules;
  readonly #context: SourceContext;
  readonly #pause: Pause;
  readonly #kept: KeptFiles | undefined;
  readonly #running: Promise<void>;
  #tracked = new Map<string, Tracked>();
  #watcher: FSWatcher | undefined;
  #watched: string | undefined;
  /** What is done with files whose events are settled. */
  readonly #finishing = new Set<Promise<void>>();
  #ending = false;
  #closed = false;
  /** Something of this scan went wrong. */
  #failed = false;
  #begun = false;

  constructor(rules: Rules, context: SourceContext) {
    this.#rules = rules;
    this.#context = context;
    this.#pause = new Pause(context.clock);
    if (rules.after.do === 'keep') {
      if (context.cursor === undefined) throw new SourceError("files: after: 'keep' needs a cursor");
      this.#kept = new KeptFiles(context.cursor);
    }
    this.#running = this.#run();
  }

  async drain(): Promise<void> {
    this.#ending = true;
    this.#pause.wake();
    await this.#running;
  }

  async close(): Promise<void> {
    await this.drain();
    this.#closed = true;
    await Promise.all(this.#finishing);
    this.#watcher?.close();
    this.#watcher = undefined;
  }

  /** Files that are complete or about to be. */
  lag(): Promise<number> {
    return Promise.resolve([...this.#tracked.values()].filter(({ state }) => state !== 'settled').length);
  }

  async #run(): Promise<void> {
    while (!this.#ending && !this.#context.signal.aborted) {
      let delayMs = this.#rules.scanIntervalMs;
      this.#failed = false;
      try {
        if (await this.#scan()) delayMs = Math.min(delayMs, Math.max(this.#rules.settleMs, SCAN_PAUSE_MS));
        if (!this.#failed) this.#context.working();
      } catch (error) {
        if (error instanceof StaleReaderError) return;
        this.#fail(error);
      }
      if (this.#ending) return;
      await this.#pause.wait(delayMs);
      // What came in a burst is one scan.
      if (!this.#ending) await new Promise<void>((resume) => this.#context.clock.setTimeout(resume, SCAN_PAUSE_MS));
    }
  }

  /** Hands over what is complete; true when there is more to come soon. */
  async #scan(): Promise<boolean> {
    const { folder, settleMs } = this.#rules;
    await this.#begin();
    const { files: found, complete } = await folder.list();
    if (!complete && this.#kept !== undefined) throw tooManyKept();
    const nowMs = this.#context.clock.nowMs();
    const tracked = new Map<string, Tracked>();
    for (const file of found) {
      const known = this.#tracked.get(file.name);
      const isKnown = known?.file.stamp === file.stamp && (known.state !== 'waiting' || known.sinceMs <= nowMs);
      tracked.set(file.name, isKnown ? known : { file, sinceMs: nowMs, state: 'waiting' });
    }
    // One that is out is left alone until it has come back, whatever has become of the file.
    for (const [name, known] of this.#tracked) if (known.state === 'out') tracked.set(name, known);
    this.#tracked = tracked;
    let isMore = !complete;
    let room = 0;
    for (const one of tracked.values()) {
      if (one.state === 'settled') await this.#finish(one);
      if (one.state !== 'waiting') continue;
      if (nowMs - one.sinceMs < settleMs) {
        isMore = true;
        continue;
      }
      if (room === 0) room = await this.#context.room();
      if (room === 0 || this.#ending) return false;
      if (await this.#handOver(one)) room--;
    }
    const ids = [...tracked.values()].flatMap(({ id }) => id ?? []);
    if (ids.length === tracked.size) this.#kept?.makeRoom(ids);
    return isMore;
  }

  /** What has to be before files are taken. */
  async #begin(): Promise<void> {
    const { folder, after, failedTo } = this.#rules;
    const identity = await folder.identity();
    if (after.do === 'move') await folder.prepareTarget(after.to);
    if (after.do !== 'keep') await folder.prepareTarget(failedTo);
    if (!this.#begun && after.do === 'delete') await folder.deleteLeftovers();
    this.#begun = true;
    if (this.#watched === identity) return;
    this.#watcher?.close();
    this.#watcher = undefined;
    this.#watched = identity;
    try {
      this.#watcher = watch(folder.path, { persistent: false }, () => this.#pause.wake());
      this.#watcher.on('error', (error) => this.#cannotWatch(error));
    } catch (error) {
      this.#cannotWatch(error);
    }
  }

  #cannotWatch(error: unknown): void {
    this.#context.logger.warn(
      { trigger: this.#context.trigger, err: error },
      `the system does not tell of changes in ${this.#rules.folder.path}; it is looked at every ${this.#rules.scanIntervalMs} ms`,
    );
  }

  /** False when there is nothing to hand over (any more). */
  async #handOver(one: Tracked): Promise<boolean> {
    let read: ReadFile | undefined;
    try {
      read = await this.#rules.folder.read(one.file);
    } catch (error) {
      this.#fail(error);
    }
    if (read === undefined) return false;
    one.id = read.id;
    if (this.#kept?.has(read.id) === true) {
      one.state = 'settled';
      return false;
    }
    if (this.#kept?.isFull === true) {
      this.#fail(tooManyKept());
      return false;
    }
    one.state = 'out';
    void this.#context.deliver(this.#message(one.file, read)).then((settlement) => {
      const finishing = this.#settled(one, settlement).finally(() => this.#finishing.delete(finishing));
      this.#finishing.add(finishing);
    });
    return true;
  }

  #message({ name, sizeBytes, modifiedAtMs }: FoundFile, { body, id, tooLarge }: ReadFile): SourceMessage {
    const time = timeOf(modifiedAtMs);
    const raw = {
      body,
      contentType: this.#rules.contentType ?? contentTypeOf(name),
      attributes: {},
      headers: {},
      plain: { source: this.#rules.source, id, type: 'file.added', subject: name, ...(time !== undefined && { time }) },
    };
    if (!tooLarge) return { raw };
    return {
      raw,
      refused: new SourceError(`${name} has ${sizeBytes} bytes; files of up to ${RECORD_BYTES_MAX} bytes are read`),
    };
  }

  async #settled(one: Tracked, { outcome }: Settlement): Promise<void> {
    if (this.#closed) return;
    if (outcome === 'released') {
      one.state = 'waiting';
      this.#pause.wake();
      return;
    }
    one.failed = outcome === 'dead-lettered';
    one.state = 'settled';
    await this.#finish(one);
    // It may have been replaced meanwhile, which woke nobody: its name was taken.
    this.#pause.wake();
  }

  /** Does with a settled file what is to be done. What fails is tried again by the next scan. */
  async #finish(one: Tracked): Promise<void> {
    const { folder, after, failedTo } = this.#rules;
    const id = one.id!;
    try {
      if (this.#kept !== undefined) return await this.#kept.add(id);
      if (one.failed === true) await folder.moveAway(one.file, failedTo, id);
      else if (after.do === 'move') await folder.moveAway(one.file, after.to, id);
      else await folder.delete(one.file, id);
      if (this.#tracked.get(one.file.name) === one) this.#tracked.delete(one.file.name);
    } catch (error) {
      if (error instanceof StaleReaderError) this.#ending = true;
      else this.#fail(error);
    }
  }

  #fail(error: unknown): void {
    this.#failed = true;
    this.#context.failing(described(error));
  }
}

/** Errors of the file system say what was tried; what to do is not always plain. */
function described(error: unknown): unknown {
  const hint = HINTS[codeOf(error) ?? ''];
  return hint === undefined ? error : new SourceError(`files: ${hint}: ${(error as Error).message}`, { cause: error });
}

const HINTS: Readonly<Record<string, string>> = {
  ENOENT: 'the folder is not there (yet)',
  ENOTDIR: 'what should be a folder is none',
  EACCES: 'the process may not do this; it needs to list, read and rename',
  EPERM: 'the process may not do this; it needs to list, read and rename',
  ENOSPC: 'the disk is full',
  EROFS: 'the file system is read-only',
};

const CONTENT_TYPES: Readonly<Record<string, string>> = {
  '.json': 'application/json',
  '.txt': 'text/plain',
  '.log': 'text/plain',
  '.md': 'text/markdown',
  '.csv': 'text/csv',
  '.tsv': 'text/tab-separated-values',
  '.html': 'text/html',
  '.xml': 'application/xml',
  '.yaml': 'application/yaml',
  '.yml': 'application/yaml',
  '.cloudevent': STRUCTURED,
};

function contentTypeOf(name: string): string {
  return CONTENT_TYPES[extname(name).toLowerCase()] ?? 'application/octet-stream';
}

/** The years 1 to 9999. */
const TIME_MS_MIN = Date.parse('0001-01-01T00:00:00Z');
const TIME_MS_END = Date.parse('+010000-01-01T00:00:00Z');

/** Undefined for times beyond RFC 3339: a file's time can be set to anything. */
function timeOf(modifiedAtMs: number): string | undefined {
  return modifiedAtMs >= TIME_MS_MIN && modifiedAtMs < TIME_MS_END ? new Date(modifiedAtMs).toISOString() : undefined;
}
