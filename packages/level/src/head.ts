// What a commit must know of the record before it: everything but the state and the entries. Heads of actors that were
// loaded or committed stay in memory, or every commit would have to read before it writes.

import { COMMIT_IDS_KEPT, type CommitId } from '@troupe/actors';

/** Commits of one writer with consecutive sequences. */
export interface CommitIdRun {
  readonly writer: string;
  from: number;
  to: number;
}

/** The record of one life of an actor without its state and entries. */
export class Head {
  /** Tells lives apart: the revision of the first commit. Later revisions of a life follow without gaps. */
  readonly number: number;
  revision = 0;
  firstEntry = 1;
  nextEntry = 1;
  dueAtMs: number | null = null;
  /** The creation time under which the summary is listed; null when it is not. */
  listedAtMs: number | null = null;
  /** The entry under which the record with the newest state is kept, or `NO_ENTRY`. */
  stateAt = 0;
  /** Newest first. */
  ids: CommitIdRun[] = [];
  /** Records below this entry are known to be deleted, or are being so. Not stored. */
  trimmedTo = 1;
  /** A write with this head in it is under way. Writes under way have no order, so the next one waits. Not stored. */
  busy = false;
  /** This is the one head of the record: what holds it need not look it up. Not stored. */
  isCurrent = true;

  constructor(number: number) {
    this.number = number;
  }

  /** Adds the id of the next revision and forgets those that are too old. */
  addId(id: CommitId): void {
    const newest = this.ids[0];
    if (newest !== undefined && newest.writer === id.writer && newest.to + 1 === id.sequence) newest.to++;
    else this.ids = [{ writer: id.writer, from: id.sequence, to: id.sequence }, ...this.ids];
    let room = COMMIT_IDS_KEPT;
    for (let index = 0; index < this.ids.length; index++) {
      const run = this.ids[index]!;
      if (run.to - run.from + 1 >= room) {
        run.from = run.to - room + 1;
        this.ids.length = index + 1;
        return;
      }
      room -= run.to - run.from + 1;
    }
  }

  /** The revision that the commit of this id has got, or 0 when it is not among the last ones. */
  revisionOf(id: CommitId): number {
    let newer = 0;
    for (const { writer, from, to } of this.ids) {
      if (writer === id.writer && id.sequence >= from && id.sequence <= to)
        return this.revision - newer - (to - id.sequence);
      newer += to - from + 1;
    }
    return 0;
  }

  /** The revision that the commit which made `revision` has found. */
  expectedBy(revision: number): number {
    return revision === this.number ? 0 : revision - 1;
  }

  commitIds(): CommitId[] {
    const ids: CommitId[] = [];
    for (const { writer, from, to } of this.ids) {
      for (let sequence = to; sequence >= from; sequence--) ids.push({ writer, sequence });
    }
    return ids;
  }
}

/** That an actor has no record is known, too. */
export class Absence {
  busy = false;
}

/**
 * Heads by printed address, bounded. Those not used for a while go first; those in a write under way never go, so what
 * is not in here has no write under way.
 *
 * There are two generations: what is used moves to the young one, and when that is full the old one is dropped. That
 * costs nothing at most uses, and unlike a list in order of use it has no gaps to pass.
 */
export class HeadCache {
  #young = new Map<string, Head | Absence>();
  #old = new Map<string, Head | Absence>();
  readonly #generationSize: number;

  constructor(countMax: number) {
    this.#generationSize = Math.ceil(countMax / 2);
  }

  has(key: string): boolean {
    return this.#young.has(key) || this.#old.has(key);
  }

  get(key: string): Head | Absence | undefined {
    const head = this.#young.get(key);
    if (head !== undefined) return head;
    const older = this.#old.get(key);
    if (older !== undefined) this.set(key, older);
    return older;
  }

  set(key: string, head: Head | Absence): void {
    this.#young.set(key, head);
    if (this.#young.size < this.#generationSize) return;
    const dropped = this.#old;
    this.#old = this.#young;
    this.#young = new Map();
    // What was replaced since is in the other one.
    for (const [other, kept] of dropped) {
      if (this.#old.get(other) === kept) continue;
      if (kept.busy && !this.#old.has(other)) this.#young.set(other, kept);
      else if (kept instanceof Head) kept.isCurrent = false;
    }
  }

  /** Takes out a head that is in no write. */
  delete(key: string, head: Head): void {
    this.#young.delete(key);
    this.#old.delete(key);
    head.isCurrent = false;
  }

  clear(): void {
    for (const heads of [this.#young, this.#old]) {
      for (const head of heads.values()) if (head instanceof Head) head.isCurrent = false;
    }
    this.#young.clear();
    this.#old.clear();
  }
}
