// Commits: one conditional message each, written when the round of the event loop that asked for them is over.
//
// M1  A source has at most one commit under way. Those of different actors share nothing but the connection, which sends
//     what is published in one round together.
// M2  A commit is accepted when the stream has acknowledged its head, or when the leader shows a head that names it. It is
//     refused when the leader shows a head that neither names it nor is the one that it expects.
// M3  Until then the same bytes are sent again; nobody but `stop` gives a commit up.
// M4  What a head refers to was acknowledged before the head is sent: an earlier time in the wake index, large parts in
//     chunks.

import {
  asError,
  checkCommit,
  ConflictError,
  formatAddress,
  LimitError,
  StoreUnavailableError,
  type Clock,
  type Commit,
  type CommitSource,
  type EntryRun,
  type Summary,
} from '@troupe/actors';
import { withRun, type Chunks } from './chunks.ts';
import { Head, listedSummary, type ListedSummary, type Place } from './head.ts';
import { HEAD_BYTES_MAX, SUMMARY_BYTES_MAX } from './limits.ts';
import { resendDelayMs, type Patience } from './patience.ts';
import { expecting, Publication, type Publisher } from './publication.ts';
import type { Records } from './records.ts';
import type { Reference } from './references.ts';
import { cutTail, Settling } from './settling.ts';
import type { WakeIndex } from './wake-index.ts';
import type { WireHeaders } from './wire-headers.ts';

const EMPTY = Buffer.alloc(0);

export interface CommitParts {
  readonly publisher: Publisher;
  readonly records: Records;
  readonly chunks: Chunks;
  readonly settling: Settling;
  readonly index: WakeIndex;
  readonly patience: Patience;
  readonly clock: Clock;
  /** Told that the head of a place is refused in vain, for the first time since then. */
  refusedSince(sinceMs: number, place: Place): void;
  /** Bytes of one message that the server takes. */
  readonly payloadBytesMax: () => number;
  /** A record is listed otherwise, as of this sequence. */
  readonly listed: (place: Place, sequence: number, summary: Summary | null) => void;
  /** An address has a record that had none. */
  readonly born: (place: Place) => void;
}

/** What was written to chunks before the head that refers to it. */
interface LargeParts {
  state: readonly number[] | undefined;
  runs: readonly number[] | undefined;
}

export class Commits {
  readonly #parts: CommitParts;
  #waiting: CommitSource[] = [];
  /** Heads that can be sent now that what they refer to is there. */
  #prepared: (() => void)[] = [];
  #scheduled = false;
  /** Sources that are not answered and no longer wait. */
  #underWay = 0;
  #stopped: StoreUnavailableError | undefined;
  #whenIdle: (() => void) | undefined;

  constructor(parts: CommitParts) {
    this.#parts = parts;
  }

  request(source: CommitSource): void {
    this.#waiting.push(source);
    this.#schedule();
  }

  /** Everything of a round of the event loop is sent by one call of the system, which costs more than the rest of a commit. */
  #schedule(): void {
    if (this.#scheduled) return;
    this.#scheduled = true;
    setImmediate(this.#begin);
  }

  release(source: CommitSource): void {
    const head = source.storeSlot;
    if (!(head instanceof Head)) return;
    head.isCurrent = false;
    source.storeSlot = undefined;
  }

  /** Refuses what waits; resolves when everything that has begun is answered. */
  async stop(error: StoreUnavailableError): Promise<void> {
    this.#stopped = error;
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const source of waiting) source.refused(error);
    if (this.#underWay > 0) await new Promise<void>((idle) => (this.#whenIdle = idle));
  }

  readonly #begin = (): void => {
    this.#scheduled = false;
    const prepared = this.#prepared;
    this.#prepared = [];
    for (const publish of prepared) publish();
    const sources = this.#waiting;
    this.#waiting = [];
    for (const source of sources) {
      this.#underWay++;
      const slot = source.storeSlot;
      const head = slot instanceof Head && slot.isCurrent ? slot : this.#parts.records.takeLoaded(source.address);
      if (head !== undefined) this.#seal(source, head, false);
      else this.#find(source, this.#parts.records.placeOf(source.address), (found) => this.#seal(source, found, true));
    }
  };

  #find(source: CommitSource, place: Place, found: (head: Head) => void): void {
    this.#parts.records.findPatiently(place).then(
      ({ head }) => {
        if (this.#stopped === undefined) found(head);
        else this.#refuse(source, this.#stopped);
      },
      (error: Error) => this.#refuse(source, error),
    );
  }

  #seal(source: CommitSource, head: Head, fresh: boolean): void {
    let commit: Commit;
    try {
      commit = source.seal();
    } catch (error) {
      this.#refuse(source, asError(error));
      return;
    }
    this.#decide(source, commit, head, fresh);
  }

  /** `fresh`: the head is what the leader had a moment ago. */
  #decide(source: CommitSource, commit: Commit, head: Head, fresh: boolean): void {
    const { address } = source;
    const made = head.revision === 0 ? 0 : head.revisionOf(commit.id);
    if (made > 0 && head.expectedBy(commit.id) === commit.expectedRevision) {
      this.#accept(source, made);
      return;
    }
    if (made > 0 || head.revision !== commit.expectedRevision) {
      if (fresh) this.#refuse(source, new ConflictError(address, commit.expectedRevision, head.revision));
      else this.#find(source, head.place, (found) => this.#decide(source, commit, found, true));
      return;
    }
    let listed: ListedSummary | undefined;
    try {
      checkCommit(address, commit, head.revision === 0 ? undefined : head);
      if (commit.summary !== 'same' && commit.summary !== null) listed = checkedSummary(head.place, commit.summary);
    } catch (error) {
      this.#refuse(source, asError(error));
      return;
    }
    const isEarlier = commit.dueAtMs !== null && this.#parts.index.mustWrite(head, commit.dueAtMs);
    const large = this.#largeParts(commit, head);
    if (!isEarlier && large === undefined) this.#publish(source, commit, head, listed, undefined);
    else void this.#prepare(source, commit, head, listed, isEarlier, large);
  }

  /** M4. */
  async #prepare(
    source: CommitSource,
    commit: Commit,
    head: Head,
    listed: ListedSummary | undefined,
    isEarlier: boolean,
    large: { readonly state: Uint8Array | undefined; readonly runs: Uint8Array | undefined } | undefined,
  ): Promise<void> {
    const { chunks, index } = this.#parts;
    const { place } = head;
    let written: LargeParts | undefined;
    try {
      const [state, runs] = await Promise.all([
        large?.state && chunks.write(place, 'state', 0, large.state),
        large?.runs && chunks.write(place, 'runs', head.tailFirst, large.runs),
        isEarlier && index.write(head, commit.dueAtMs!),
      ]);
      if (large !== undefined) written = { state, runs };
    } catch (cause) {
      const reason = `the head was not written: ${asError(cause).message}`;
      this.#refuse(source, new StoreUnavailableError(reason, { cause, wroteNothing: true }));
      return;
    }
    this.#prepared.push(() => this.#publish(source, commit, head, listed, written));
    this.#schedule();
  }

  /** What would make the head too large, to be written before it; undefined when it is not. */
  #largeParts(
    { state, entries }: Commit,
    head: Head,
  ): { readonly state: Uint8Array | undefined; readonly runs: Uint8Array | undefined } | undefined {
    const bytesMax = Math.min(HEAD_BYTES_MAX, this.#parts.payloadBytesMax() / 2);
    const nextState = state === 'same' ? head.state : state;
    const stateBytes = nextState?.length ?? 0;
    const runBytes = head.tail.length + (entries?.bytes.length ?? 0);
    if (stateBytes + runBytes + head.overheadBytes <= bytesMax) return undefined;
    const isLarge = (bytes: number): boolean => bytes > bytesMax / 3;
    return {
      state: isLarge(stateBytes) ? nextState : undefined,
      runs: !isLarge(runBytes) ? undefined : entries === null ? head.tail : withRun(head.tail, entries),
    };
  }

  #publish(
    source: CommitSource,
    commit: Commit,
    head: Head,
    listed: ListedSummary | undefined,
    large: LargeParts | undefined,
  ): void {
    const { publisher, settling } = this.#parts;
    const publication = new CommitPublication(this, source, commit, head);
    if (large !== undefined) publication.newPieces = [...(large.state ?? []), ...(large.runs ?? [])];
    settling.apply(head);
    head.addId(commit.id, commit.expectedRevision);
    head.dueAtMs = commit.dueAtMs;
    if (commit.summary !== 'same') head.listed = listed;
    let state: Uint8Array | undefined;
    if (commit.state === 'same') head.stateAge++;
    else {
      state = commit.state;
      head.stateAge = 0;
      publication.oldPieces = head.statePieces;
      head.statePieces = [];
    }
    if (large?.state !== undefined) {
      state = undefined;
      head.state = undefined;
      head.statePieces = large.state;
    }
    let run: EntryRun | undefined = commit.entries ?? undefined;
    if (run !== undefined) head.nextEntry = run.first + run.count;
    if (large?.runs !== undefined) {
      const { nextEntry, tailFirst } = head;
      const reference = { level: 0, first: tailFirst, count: nextEntry - tailFirst, pieces: large.runs };
      head.references = head.references.with(reference);
      head.tail = EMPTY;
      head.tailFirst = nextEntry;
      run = undefined;
    }
    if (commit.keepFrom !== 'same') {
      head.firstEntry = commit.keepFrom;
      const { kept, dropped } = head.references.trimmed(commit.keepFrom);
      head.references = kept;
      publication.oldChunks = dropped;
      if (head.tailFirst < commit.keepFrom) {
        // The new run is not in the tail yet.
        cutTail(head, commit.keepFrom);
        if (run !== undefined && commit.keepFrom === head.nextEntry) {
          head.tailFirst = head.nextEntry;
          run = undefined;
        }
      }
    }
    const stateBytes = (state ?? head.state)?.length ?? 0;
    const tailBytes = head.tail.length + (run?.bytes.length ?? 0);
    if (large !== undefined || Settling.needed(stateBytes, tailBytes)) head.hasChunks = true;
    publication.subject = head.place.subject;
    publication.body = head.encode(state, run);
    publication.headers = publication.headersFor(head.base);
    try {
      publisher.publish(publication);
    } catch (error) {
      head.isCurrent = false;
      this.#refuse(source, asError(error));
    }
  }

  /** @internal */
  landed({ source, commit, head, oldChunks, oldPieces }: CommitPublication, revision: number): void {
    const { born, index, listed, settling } = this.#parts;
    const { place } = head;
    const wasBorn = head.revision === 0;
    head.revision = revision;
    head.base = revision;
    source.storeSlot = head;
    if (wasBorn) born(place);
    if (commit.summary !== 'same') listed(place, revision, commit.summary);
    index.accepted(head);
    if (oldChunks.length > 0) settling.discard(place, oldChunks);
    if (oldPieces.length > 0) settling.discardPieces(place, oldPieces);
    settling.begin(head);
    this.#accept(source, revision);
  }

  /** @internal The leader decides what became of a commit whose message was refused (M2). */
  async refused(publication: CommitPublication): Promise<void> {
    const { clock, patience, publisher, records } = this.#parts;
    const { source, commit, head } = publication;
    let leader: Head;
    try {
      leader = (await records.findPatiently(head.place)).head;
    } catch (error) {
      this.failed(publication, asError(error));
      return;
    }
    const made = leader.revision === 0 ? 0 : leader.revisionOf(commit.id);
    if (made > 0 && leader.expectedBy(commit.id) === commit.expectedRevision) {
      if (made === leader.revision) this.landed(publication, made);
      else {
        head.isCurrent = false;
        this.#accept(source, made);
      }
      return;
    }
    // The leader has what was expected: it may have been about to change, or a new leader was not sure yet.
    const isStill = leader.base === head.base;
    // Where there was nothing a tombstone has come or gone. Not if a copy of this commit may have been what was purged.
    const isStillNothing = commit.expectedRevision === 0 && leader.revision === 0 && !publication.ambiguous;
    if (!isStill && !isStillNothing) {
      this.#parts.settling.discardPieces(head.place, publication.newPieces);
      this.failed(publication, new ConflictError(source.address, commit.expectedRevision, leader.revision));
      return;
    }
    if (isStill) {
      publication.refusedSinceMs ??= clock.nowMs();
      this.#parts.refusedSince(publication.refusedSinceMs, head.place);
      await patience.pause(resendDelayMs(publication.refusals++));
    }
    head.base = leader.base;
    publication.headers = publication.headersFor(head.base);
    publisher.publish(publication);
  }

  /** @internal */
  failed({ source, head }: CommitPublication, error: Error): void {
    head.isCurrent = false;
    this.#refuse(source, error);
  }

  #accept(source: CommitSource, revision: number): void {
    this.#ended();
    source.accepted(revision);
  }

  #refuse(source: CommitSource, error: Error): void {
    this.#ended();
    source.refused(error);
  }

  #ended(): void {
    this.#underWay--;
    if (this.#underWay === 0) this.#whenIdle?.();
  }
}

/** @internal The message of a commit. */
export class CommitPublication extends Publication {
  readonly source: CommitSource;
  readonly commit: Commit;
  readonly head: Head;
  /** What the head before it referred to and this one does not. */
  oldChunks: readonly Reference[] = [];
  oldPieces: readonly number[] = [];
  /** What was written for this head alone. */
  newPieces: readonly number[] = [];
  /** Refusals by servers whose head is the expected one. */
  refusals = 0;
  refusedSinceMs: number | undefined;
  readonly #commits: Commits;

  constructor(commits: Commits, source: CommitSource, commit: Commit, head: Head) {
    super();
    this.#commits = commits;
    this.source = source;
    this.commit = commit;
    this.head = head;
  }

  headersFor(base: number): WireHeaders {
    const { listed } = this.head;
    return expecting(base, listed?.header);
  }

  stored(sequence: number): void {
    this.#commits.landed(this, sequence);
  }

  refused(): void {
    void this.#commits.refused(this);
  }

  abandoned(error: StoreUnavailableError): void {
    this.#commits.failed(this, error);
  }
}

function checkedSummary({ address }: Place, summary: Summary): ListedSummary {
  const listed = listedSummary(summary);
  if (listed.header.length > SUMMARY_BYTES_MAX) {
    throw new LimitError(
      `the summary of ${formatAddress(address)} has ${listed.header.length} bytes; ` +
        `SUMMARY_BYTES_MAX is ${SUMMARY_BYTES_MAX}, since a NATS server takes no longer headers`,
    );
  }
  return listed;
}
