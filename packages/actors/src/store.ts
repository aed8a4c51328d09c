// The port that keeps what actors must not lose, one record per actor. It knows bytes, a revision, a due time and a
// summary; what is in the bytes is the business of those who wrote them.
//
// Invariants of every implementation (the suite in `testing/store-suite.ts` checks them):
//
// S1  The revisions of an address rise with every commit and never repeat, also after a purge and a new birth.
// S2  A commit is atomic: all of it or nothing is seen, by every later load, read, due and list.
// S3  A commit is accepted only if the record is at `expectedRevision` (0: there is no record).
// S4  `accepted` is called after the commit is as durable as the store promises; loads that begin later see it.
// S5  The same commit (same id, same expected revision) sent again after it was accepted is accepted again, with the
//     revision it has got, as long as its id is among the last `COMMIT_IDS_KEPT` of the record. It is not applied
//     twice.
// S6  A due entry is only ever too early: as soon as a commit with `dueAtMs` t is accepted, `due` finds the address for
//     every `untilMs` ≥ t, until a commit with a later time or null, or a purge, is accepted.
// S7  A purge removes what was there up to its revision and nothing newer.

import type { ActorAddress, ActorType, PartitionId } from './address.ts';
import type { ConflictError, LimitError, StoreUnavailableError } from './errors.ts';

/** What a store is laid out for. Fixed by the first start on it; later starts must agree. */
export interface Layout {
  /** The application that owns the store. */
  readonly app: string;
  readonly partitionCount: number;
  /** The function behind `partitionOf`. */
  readonly hash: 'fnv1a-fmix32';
  /** The format of the records that hosts write. A reader reads every earlier one. */
  readonly format: number;
}

/** Names one commit of one writer. A writer (an activation) counts its commits: 1, 2, 3 … */
export interface CommitId {
  /** Unique per activation: 1 to 32 ASCII characters. */
  readonly writer: string;
  readonly sequence: number;
}

/** Consecutive entries as one block of bytes: the store splits and joins nothing inside a run. */
export interface EntryRun {
  /** Number of the first entry in the run. The first entry of a record's life is number 1. */
  readonly first: number;
  readonly count: number;
  readonly bytes: Uint8Array;
}

/** What lists show of an actor. Small: it is held in an index. */
export interface Summary {
  readonly name: string;
  readonly status: string;
  /** Lists are sorted by it, newest first, then by id. It may change when an actor begins a new life. */
  readonly createdAtMs: number;
  readonly completedAtMs?: number;
  readonly tags: Readonly<Record<string, string>>;
}

/** Everything that one commit changes. Absent never means cleared. */
export interface Commit {
  readonly id: CommitId;
  /** The revision that the writer has seen last; 0 when it has seen no record. */
  readonly expectedRevision: number;
  /** The small part of the record, replaced whole. */
  readonly state: Uint8Array | 'same';
  /** Entries to append, or null. Their numbers follow those of the record; `first` says which the writer expects. */
  readonly entries: EntryRun | null;
  /** Entries below this number are no longer needed and may go at any time; never lower than in earlier commits. */
  readonly keepFrom: number | 'same';
  /** When the actor wants to be looked at: 0 for work outstanding, null for never. */
  readonly dueAtMs: number | null;
  /** What lists show; null takes the actor out of them. */
  readonly summary: Summary | null | 'same';
}

/**
 * Somebody with something to commit. The store calls back when a write begins, so that everything that happened until
 * then becomes one commit.
 */
export interface CommitSource {
  readonly address: ActorAddress;
  /** Where the store may keep what it knows of the record between the commits of this source. Undefined at first. */
  storeSlot?: unknown;
  /**
   * Called exactly once per request, synchronously, when the write that will hold it begins. The bytes that it returns
   * are the store's until it has answered. It may throw: that refuses the request with what was thrown and nothing
   * else.
   */
  seal(): Commit;
  /** The commit is durable, as this revision. Does not throw. */
  accepted(revision: number): void;
  /**
   * The commit was not accepted: a conflict, a limit, or a store that cannot say or serve. Does not throw. Nothing of a
   * commit refused by a {@link ConflictError} or a {@link LimitError} was or will be written.
   */
  refused(error: ConflictError | LimitError | StoreUnavailableError | Error): void;
}

/** Left behind by a purge of something that was created under a key, so that the same key does not create it again. */
export interface Tombstone {
  readonly key: string;
  readonly hash: string;
  /**
   * What sweeps go by, and nothing else: the time of the purge, or an earlier or later one for a tombstone that is to stand
   * shorter or longer than most.
   */
  readonly atMs: number;
  /** From then on whoever left it takes it for gone, though it may stand. For stores it means nothing. */
  readonly untilMs?: number;
}

/** The record of an actor as a leader has committed it. */
export interface LoadedRecord {
  readonly revision: number;
  readonly state: Uint8Array;
  /** Entries `firstEntry` up to but without `nextEntry` are kept. Equal when there are none. */
  readonly firstEntry: number;
  readonly nextEntry: number;
  readonly dueAtMs: number | null;
  readonly summary: Summary | null;
  /** The ids of the last commits, newest first, at most `COMMIT_IDS_KEPT`. */
  readonly commitIds: readonly CommitId[];
}

/** What a load found. No record: the next commit expects revision 0, with or without a tombstone. */
export interface Loaded {
  readonly record: LoadedRecord | undefined;
  readonly tombstone: Tombstone | undefined;
}

/** What a load finds of an actor that has neither. */
export const NOTHING_LOADED: Loaded = { record: undefined, tombstone: undefined };

export interface DueEntry {
  readonly address: ActorAddress;
  readonly dueAtMs: number;
}

export interface DuePage {
  /** Sorted by due time within the partition. */
  readonly entries: readonly DueEntry[];
  /** Give it back to go on; undefined at the end. */
  readonly cursor: string | undefined;
}

/** Which summaries are asked for; every given field must match. */
export interface ListFilter {
  readonly type: ActorType;
  readonly name?: string;
  /** Any of these. */
  readonly statuses?: readonly string[];
  /** All of these. */
  readonly tags?: Readonly<Record<string, string>>;
  readonly idPrefix?: string;
  /** At or after. */
  readonly createdAfterMs?: number;
  /** Before. */
  readonly createdBeforeMs?: number;
}

export interface ListedActor {
  readonly address: ActorAddress;
  readonly summary: Summary;
}

export interface ListPage {
  /** Newest created first, then by id ascending (by its UTF-8 bytes). */
  readonly actors: readonly ListedActor[];
  readonly cursor: string | undefined;
  /** True while a part of the index is still being built; the page may lack actors. */
  readonly incomplete: boolean;
}

/** Keeps the records of all actors of one application. */
export interface Store {
  /**
   * Opens the store and settles the layout; resolves with the one in force.
   *
   * @throws {LayoutMismatchError} when the store was laid out otherwise, or by a newer format
   * @throws {StoreLockedError} when another process has it open
   * @throws {CorruptRecordError} when it is damaged beyond what it can repair by itself
   */
  start(layout: Layout): Promise<Layout>;

  /** Finishes the writes that have begun, refuses the rest, closes. Calling it twice is harmless. */
  stop(): Promise<void>;

  /**
   * The record of an actor; activation begins here. Never a stale replica. A store that knows the answer without waiting
   * may return it as it is; errors come by a rejection all the same.
   *
   * @throws {StoreUnavailableError} when the store cannot serve
   * @throws {CorruptRecordError} when what it holds cannot be what was written
   */
  load(address: ActorAddress): Loaded | Promise<Loaded>;

  /**
   * The runs that hold entries from `fromEntry` on, in order, until at least `limit` entries (of those asked for) are
   * in them or the end is met. The first run may begin before `fromEntry`. Empty when there are no such entries.
   *
   * @throws {StoreUnavailableError} | {@link CorruptRecordError} as `load`
   */
  read(address: ActorAddress, fromEntry: number, limit: number): Promise<readonly EntryRun[]>;

  /**
   * Asks for a commit: `seal` is called when a write begins, then `accepted` or `refused`, never before this method has
   * returned. At most one request per address may be under way. Commits of many actors share a write.
   */
  commit(source: CommitSource): void;

  /** The source will ask for no more commits: what is kept in its slot may go. */
  release?(source: CommitSource): void;

  /**
   * Removes an actor. Resolves when the record is durably gone: from then on loads find nothing (or the tombstone). The
   * entries follow in the background, in bounded steps, resumed after a restart.
   *
   * @throws {ConflictError} when the record is not at `expectedRevision`
   * @throws {StoreUnavailableError} when the store cannot serve
   */
  purge(address: ActorAddress, expectedRevision: number, tombstone?: Tombstone): Promise<void>;

  /** Removes tombstones whose `atMs` is before `beforeMs`; resolves with how many. */
  sweepTombstones(beforeMs: number): Promise<number>;

  /** Actors of a partition that are due at or before `untilMs`. */
  due(partition: PartitionId, untilMs: number, cursor: string | undefined, limit: number): Promise<DuePage>;

  /**
   * A page of summaries. Eventually consistent: a commit that was accepted before the call may show a little later on
   * stores that are spread over hosts.
   *
   * @throws {TypeError} when the cursor is not one of this store's
   */
  list(filter: ListFilter, page: { readonly limit: number; readonly cursor?: string }): Promise<ListPage>;

  /** How many summaries match, by status. Statuses that no summary has are absent. */
  count(filter: ListFilter): Promise<Readonly<Record<string, number>>>;

  /** Why the store cannot serve, or undefined when it can. Readiness asks it. */
  failure(): Error | undefined;
}

/** Commits once and waits: for tools and tests; the runtime implements {@link CommitSource} itself. */
export function commitOnce(store: Store, address: ActorAddress, commit: Commit): Promise<number> {
  return new Promise((resolve, reject) => {
    store.commit({ address, seal: () => commit, accepted: resolve, refused: reject });
  });
}
