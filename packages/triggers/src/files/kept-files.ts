// Which files of a folder that keeps them were settled: the cursor.
//
// K1. A file is remembered by its event's id, so that a copy, a touch or another host makes no new event of it.
// K2. It is remembered after it has gone, until there is no room: a folder that is not mounted for a while looks empty.

import { createHash } from 'node:crypto';
import { SourceError } from '../errors.ts';
import { KEPT_FILES_MAX } from '../limits.ts';
import type { SourceCursor } from '../source.ts';

/** 72 bits: enough that no two files of a folder have the same, and few, since the cursor is written whole. */
const DIGEST_LENGTH = 12;

export class KeptFiles {
  readonly #cursor: SourceCursor;
  #digests: Set<string>;
  readonly #unsaved = new Set<string>();
  #saving: Promise<void> | undefined;

  constructor(cursor: SourceCursor) {
    this.#cursor = cursor;
    this.#digests = new Set(readValue(cursor.value));
  }

  has(id: string): boolean {
    return this.#digests.has(digestOf(id));
  }

  /** There is no room for files that are not known. */
  get isFull(): boolean {
    return this.#digests.size >= KEPT_FILES_MAX;
  }

  /**
   * Resolves when it is durable. Those that come meanwhile are saved together.
   *
   * @throws {StaleReaderError} when another host reads now
   */
  async add(id: string): Promise<void> {
    const digest = digestOf(id);
    if (this.#digests.has(digest) && !this.#unsaved.has(digest)) return;
    this.#digests.add(digest);
    this.#unsaved.add(digest);
    await this.#saving?.catch(() => {}); // whoever began it is told
    if (!this.#unsaved.has(digest)) return;
    this.#saving ??= this.#save().finally(() => (this.#saving = undefined));
    await this.#saving;
  }

  /** Forgets files that have gone, if room is needed. `ids` are those of all files that are there. */
  makeRoom(ids: Iterable<string>): void {
    if (!this.isFull) return;
    const there = new Set([...ids].map(digestOf));
    this.#digests = new Set([...this.#digests].filter((digest) => there.has(digest) || this.#unsaved.has(digest)));
  }

  async #save(): Promise<void> {
    const saved = [...this.#unsaved];
    await this.#cursor.save({ settled: [...this.#digests].join('') });
    for (const digest of saved) this.#unsaved.delete(digest);
  }
}

export function tooManyKept(): SourceError {
  return new SourceError(
    `files: more than ${KEPT_FILES_MAX} files cannot be kept; have them moved or deleted (option after), or delete some`,
  );
}

function readValue(value: unknown): readonly string[] {
  if (value === undefined || value === null) return [];
  const settled = typeof value === 'object' && 'settled' in value ? value.settled : undefined;
  if (typeof settled !== 'string') throw new SourceError('files: the cursor of this trigger is not that of a folder');
  return settled.match(new RegExp(`.{${DIGEST_LENGTH}}`, 'g')) ?? [];
}

function digestOf(id: string): string {
  return createHash('sha256').update(id).digest('base64url').slice(0, DIGEST_LENGTH);
}
