// Reads records: the head through the leader of the stream, what is in chunks by the sequences that the head names.
//
// A head that was loaded is kept until the first commit of who loaded it, so that this commit need not read it again. It is
// a hint: heads are told apart by their revisions, and what is written on top of an old one is refused.

import {
  CorruptRecordError,
  formatAddress,
  NOTHING_LOADED,
  partitionOf,
  type ActorAddress,
  type EntryRun,
  type Loaded,
} from '@troupe/actors';
import { MissingPieceError, splitRuns, type Chunks } from './chunks.ts';
import { decodeHead, Head, type HeadTombstone, type Place } from './head.ts';
import type { JetStream, StoredMessage } from './jetstream.ts';
import { LOADED_HEADS_MAX } from './limits.ts';
import type { Patience } from './patience.ts';
import { SUMMARY_HEADER } from './record-headers.ts';
import type { StreamNames } from './stream-names.ts';

/** What is under the subject of a head. */
export interface FoundHead {
  readonly head: Head;
  /** The record was purged; the head knows only what the next message must expect. */
  readonly tombstone: HeadTombstone | undefined;
}

export class Records {
  readonly #names: StreamNames;
  readonly #jetstream: JetStream;
  readonly #chunks: Chunks;
  readonly #patience: Patience;
  readonly #partitionCount: number;
  /** With one replica whoever answers is the leader. */
  readonly #direct: boolean;
  readonly #loaded = new Map<string, Head>();

  constructor(
    names: StreamNames,
    jetstream: JetStream,
    chunks: Chunks,
    patience: Patience,
    partitionCount: number,
    replicas: number,
  ) {
    this.#names = names;
    this.#jetstream = jetstream;
    this.#chunks = chunks;
    this.#patience = patience;
    this.#partitionCount = partitionCount;
    this.#direct = replicas === 1;
  }

  placeOf({ type, id }: ActorAddress): Place {
    const address = { type, id };
    const partition = partitionOf(address, this.#partitionCount);
    const key = this.#names.keyOf(partition, address);
    return { address, partition, stream: this.#names.streamOf(partition), key, subject: this.#names.head(key) };
  }

  /** The head that a load has left for the first commit, if it has. */
  takeLoaded(address: ActorAddress): Head | undefined {
    const name = formatAddress(address);
    const head = this.#loaded.get(name);
    if (head !== undefined) this.#loaded.delete(name);
    return head;
  }

  /** The head as the leader has it. @throws {StoreUnavailableError} | {@link CorruptRecordError} */
  async find(place: Place): Promise<FoundHead> {
    return this.#decode(place, await this.#patience.within(() => this.#lastHead(place)));
  }

  /** As {@link find}, however long it takes. @throws {StoreUnavailableError} when the store stops */
  async findPatiently(place: Place): Promise<FoundHead> {
    return this.#decode(place, await this.#patience.until(() => this.#lastHead(place)));
  }

  async load(address: ActorAddress): Promise<{ readonly loaded: Loaded; readonly head: Head }> {
    const place = this.placeOf(address);
    const { found, state } = await this.#withChunks(place, async (candidate) => ({
      found: candidate,
      state: await this.#stateOf(candidate.head),
    }));
    const { head, tombstone } = found;
    this.#keep(head);
    if (head.revision === 0) {
      return {
        head,
        loaded: tombstone?.kept === undefined ? NOTHING_LOADED : { record: undefined, tombstone: tombstone.kept },
      };
    }
    const record = {
      revision: head.revision,
      state,
      firstEntry: head.firstEntry,
      nextEntry: head.nextEntry,
      dueAtMs: head.dueAtMs,
      summary: head.listed?.summary ?? null,
      commitIds: head.commitIds(),
    };
    return { head, loaded: { record, tombstone: undefined } };
  }

  async read(address: ActorAddress, fromEntry: number, limit: number): Promise<EntryRun[]> {
    return await this.#withChunks(this.placeOf(address), async ({ head }) => {
      const from = Math.max(fromEntry, head.firstEntry);
      const until = Math.min(head.nextEntry, from + limit);
      if (head.revision === 0 || from >= until) return [];
      const runs = await this.#chunks.readRuns(head.place, head.references, from, until);
      for (const run of splitRuns(head.tailFirst, head.tail)) {
        if (run.first + run.count > from && run.first < until) runs.push(run);
      }
      check(head, runs, from, until);
      return runs;
    });
  }

  clear(): void {
    this.#loaded.clear();
  }

  #keep(head: Head): void {
    const name = formatAddress(head.place.address);
    this.#loaded.delete(name);
    this.#loaded.set(name, head);
    if (this.#loaded.size <= LOADED_HEADS_MAX) return;
    for (const oldest of this.#loaded.keys()) {
      this.#loaded.delete(oldest);
      return;
    }
  }

  /** Chunks go when a newer head needs them no more: what is missing must be missing in the newest. */
  async #withChunks<T>(place: Place, use: (found: FoundHead) => Promise<T>): Promise<T> {
    for (let before = -1; ;) {
      const found = await this.find(place);
      try {
        return await use(found);
      } catch (error) {
        if (error instanceof RangeError) throw damaged(place, error.message, error);
        if (!(error instanceof MissingPieceError) || found.head.base === before) throw error;
        before = found.head.base;
      }
    }
  }

  /** A copy: the head goes on with its own. */
  async #stateOf(head: Head): Promise<Uint8Array> {
    if (head.state !== undefined) return Buffer.from(head.state);
    return await this.#chunks.read(head.place, 'state', head.statePieces);
  }

  #lastHead({ stream, subject }: Place): Promise<StoredMessage | undefined> {
    return this.#direct
      ? this.#jetstream.lastMessageDirect(stream, subject)
      : this.#jetstream.lastMessage(stream, subject);
  }

  #decode(place: Place, message: StoredMessage | undefined): FoundHead {
    if (message === undefined) return { head: new Head(place), tombstone: undefined };
    return decodeHead(place, message.sequence, message.data, message.header(SUMMARY_HEADER));
  }
}

/** Whether the runs hold every entry that was asked for. */
function check({ place }: Head, runs: readonly EntryRun[], from: number, until: number): void {
  let next = runs[0]?.first ?? until;
  for (const { first, count } of runs) {
    if (first !== next) throw damaged(place, `its entries from ${next} on are missing`);
    next += count;
  }
  if ((runs[0]?.first ?? until) > from || next < until) throw damaged(place, `its entries from ${next} on are missing`);
}

function damaged(place: Place, reason: string, cause?: Error): CorruptRecordError {
  return new CorruptRecordError(`the record of ${formatAddress(place.address)} is damaged: ${reason}`, { cause });
}
