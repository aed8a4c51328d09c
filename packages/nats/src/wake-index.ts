// The wake index: when each actor wants to be looked at, found without knowing the actor. It follows the heads.
//
// W1  Before a head with an earlier time is written, an entry with that time was acknowledged to the writer. What it knows
//     of the index otherwise is only that there is an entry no later than the time in the head that it has loaded.
// W2  A later time, or none, follows some seconds after its head, unless the actor becomes due again meanwhile.
// W3  Whoever makes an entry later, or removes it, does so to one whose sequence is below the revision of a head of its own
//     that needs it no more: by compare-and-set, by its sequence, or by a purge up to that revision. An entry that another
//     owner has written for a head to come lies above.
// Hence S6: an entry is only ever too early.
//
//   u8 format, f64 dueAtMs, u32 CRC-32 that begins with the subject

import { crc32 } from 'node:zlib';
import type { ActorAddress, CancelTimeout, Clock, PartitionId } from '@troupe/actors';
import type { Background } from './background.ts';
import type { Head, IndexedTime, Place } from './head.ts';
import type { JetStream, StoredMessage } from './jetstream.ts';
import { INDEX_SETTLE_MS, INDEX_SWEEP_MS, SHOWN_ENTRIES_MAX, STRAY_ENTRY_MS } from './limits.ts';
import type { Patience } from './patience.ts';
import type { Publisher } from './publication.ts';
import type { StreamNames } from './stream-names.ts';

const FORMAT = 1;
const ENTRY_BYTES = 13;

/** Attempts to move an entry that others move, too; the next commit, or the next look at the actor, tries again. */
const MOVES_MAX = 3;

export interface IndexEntry {
  readonly address: ActorAddress;
  readonly partition: PartitionId;
  readonly key: string;
  readonly dueAtMs: number;
  readonly sequence: number;
}

/** An entry that is earlier than it need be. */
interface Early {
  readonly place: Place;
  readonly indexed: IndexedTime;
  /** The earliest time that it may have. */
  readonly entryMs: number;
  /** Infinity: it is not needed at all. */
  readonly wantedMs: number;
  /** Entries below this sequence may be moved (W3). */
  readonly below: number;
  /** The sweep that moves it. */
  readonly sweep: number;
  moving: boolean;
}

export class WakeIndex {
  /** Told of every change, as soon as it is in force. `dueAtMs` is Infinity for none. */
  onChange: (place: Place, dueAtMs: number) => void = () => {};

  readonly #names: StreamNames;
  readonly #publisher: Publisher;
  readonly #jetstream: JetStream;
  readonly #patience: Patience;
  readonly #background: Background;
  readonly #clock: Clock;
  readonly #early = new Map<string, Early>();
  /** Entries that readers were shown, by key. */
  readonly #shown = new Map<
    string,
    { readonly sequence: number; readonly dueAtMs: number; readonly writtenAtMs: number }
  >();
  #sweep = 0;
  #cancelSweep: CancelTimeout | undefined;
  #stopped = false;

  constructor(
    names: StreamNames,
    publisher: Publisher,
    jetstream: JetStream,
    patience: Patience,
    background: Background,
    clock: Clock,
  ) {
    this.#names = names;
    this.#publisher = publisher;
    this.#jetstream = jetstream;
    this.#patience = patience;
    this.#background = background;
    this.#clock = clock;
  }

  /**
   * Whether an entry must be written before a head with that time (W1). If not, the one that is there stays: a move of it that
   * has not begun is called off, or it would go while the head that counts on it is on its way.
   */
  mustWrite(head: Head, dueAtMs: number): boolean {
    if (dueAtMs < head.indexed.dueAtMs) return true;
    const early = this.#early.size === 0 ? undefined : this.#early.get(head.place.key);
    if (early !== undefined && early.wantedMs > dueAtMs) this.#early.delete(head.place.key);
    return false;
  }

  /** Resolves when there is an entry with that time (W1). @throws {StoreUnavailableError} when the store stops */
  async write(head: Head, dueAtMs: number): Promise<void> {
    const { place, indexed } = head;
    const subject = this.#names.index(place.key);
    const body = encodeEntry(subject, dueAtMs);
    let expected = indexed.sequence < 0 ? await this.#sequenceOf(place) : indexed.sequence;
    for (;;) {
      const sequence = await this.#publisher.write(subject, body, expected);
      if (sequence !== undefined) {
        indexed.sequence = sequence;
        indexed.dueAtMs = dueAtMs;
        this.onChange(place, dueAtMs);
        return;
      }
      // Whoever wrote it may move it when a head of its own needs it no more: only one of our own will do.
      expected = await this.#sequenceOf(place);
    }
  }

  /** The head was accepted, with its due time. */
  accepted(head: Head): void {
    const { key } = head.place;
    const wantedMs = head.dueAtMs ?? Infinity;
    // A head that was loaded since does not know of an entry that waits to be moved.
    const entryMs = Math.min(head.indexed.dueAtMs, this.#early.get(key)?.entryMs ?? Infinity);
    if (wantedMs > entryMs) this.#moveLater(head, entryMs, wantedMs, head.revision);
    else if (this.#early.size > 0) this.#early.delete(key);
  }

  /** The record was purged; the tombstone has this sequence. */
  purged(head: Head, sequence: number): void {
    this.#moveLater(head, -Infinity, Infinity, sequence);
  }

  /** The record was loaded: an entry that was shown and that it does not need may go. */
  loaded(head: Head): void {
    const { key } = head.place;
    const shown = this.#shown.get(key);
    if (shown === undefined) return;
    this.#shown.delete(key);
    const wantedMs = head.revision === 0 ? Infinity : (head.dueAtMs ?? Infinity);
    if (wantedMs <= shown.dueAtMs || this.#early.has(key)) return;
    const isStray = this.#clock.nowMs() - shown.writtenAtMs > STRAY_ENTRY_MS;
    if (shown.sequence > head.base && !isStray) return;
    this.#moveLater(head, shown.dueAtMs, wantedMs, Math.max(head.base, shown.sequence + 1));
  }

  /** What an entry that was read means by now: its time, or Infinity when it is not needed any more. */
  timeOf({ key, sequence, dueAtMs }: IndexEntry): number {
    const early = this.#early.get(key);
    return early !== undefined && sequence < early.below ? early.wantedMs : dueAtMs;
  }

  /** The entry goes to somebody who will look at the actor. */
  show({ key, sequence, dueAtMs }: IndexEntry, writtenAtMs: number): void {
    if (this.#shown.size >= SHOWN_ENTRIES_MAX) this.#shown.clear();
    this.#shown.set(key, { sequence, dueAtMs, writtenAtMs });
  }

  /** Moves everything that waits for it; the background has it then. */
  stop(): void {
    this.#stopped = true;
    this.#cancelSweep?.();
    for (const early of this.#early.values()) this.#move(early);
  }

  #moveLater({ place, indexed }: Head, entryMs: number, wantedMs: number, below: number): void {
    const { key } = place;
    const sweep = this.#sweep + Math.ceil(INDEX_SETTLE_MS / INDEX_SWEEP_MS);
    const early = { place, indexed, entryMs, wantedMs, below, sweep, moving: false };
    // In the order in which they are to be moved.
    this.#early.delete(key);
    this.#early.set(key, early);
    this.onChange(place, wantedMs);
    if (this.#stopped) this.#move(early);
    else this.#cancelSweep ??= this.#armSweep();
  }

  #armSweep(): CancelTimeout {
    return this.#clock.setTimeout(() => {
      this.#sweep++;
      for (const early of this.#early.values()) {
        if (early.sweep > this.#sweep) break;
        this.#move(early);
      }
      this.#cancelSweep = this.#early.size === 0 ? undefined : this.#armSweep();
    }, INDEX_SWEEP_MS);
  }

  #move(early: Early): void {
    if (early.moving) return;
    early.moving = true;
    this.#background.add(async () => {
      const { place, indexed, wantedMs } = early;
      // The actor has become due again meanwhile, or something later is known.
      if (this.#early.get(place.key) !== early) return;
      // From now on the entry is not to be counted on.
      indexed.dueAtMs = wantedMs;
      try {
        if (wantedMs === Infinity) await this.#remove(early);
        else await this.#postpone(early);
      } finally {
        if (this.#early.get(place.key) === early) this.#early.delete(place.key);
      }
    });
  }

  async #remove({ place: { stream, key }, indexed, below }: Early): Promise<void> {
    const { sequence } = indexed;
    // Servers find a message of a known sequence with less work than those of a subject.
    const isKnown = sequence > 0 && sequence < below;
    await this.#patience.until<unknown>(() =>
      isKnown
        ? this.#jetstream.deleteMessage(stream, sequence)
        : this.#jetstream.purge(stream, this.#names.index(key), below),
    );
    if (indexed.sequence === sequence) indexed.sequence = 0;
  }

  async #postpone({ place, indexed, wantedMs, below }: Early): Promise<void> {
    const subject = this.#names.index(place.key);
    const body = encodeEntry(subject, wantedMs);
    for (let moves = 0; moves < MOVES_MAX; moves++) {
      const expected = moves === 0 && indexed.sequence >= 0 ? indexed.sequence : await this.#sequenceOf(place);
      if (expected >= below) return;
      const sequence = await this.#publisher.write(subject, body, expected);
      if (sequence === undefined) continue;
      if (sequence > indexed.sequence) indexed.sequence = sequence;
      return;
    }
  }

  async #sequenceOf({ stream, key }: Place): Promise<number> {
    const message = await this.#patience.until(() => this.#jetstream.lastMessage(stream, this.#names.index(key)));
    return message?.sequence ?? 0;
  }
}

function encodeEntry(subject: string, dueAtMs: number): Buffer {
  const body = Buffer.allocUnsafe(ENTRY_BYTES);
  body[0] = FORMAT;
  body.writeDoubleLE(dueAtMs, 1);
  body.writeUInt32LE(crc32(body.subarray(0, 9), crc32(subject)), 9);
  return body;
}

/** The time of an entry. One that is damaged counts as due: looking at an actor in vain does no harm. */
export function decodeEntry({ subject, data }: Pick<StoredMessage, 'subject' | 'data'>): number {
  const sound =
    data.length === ENTRY_BYTES &&
    data[0] === FORMAT &&
    crc32(data.subarray(0, 9), crc32(subject)) === data.readUInt32LE(9);
  return sound ? data.readDoubleLE(1) : 0;
}
