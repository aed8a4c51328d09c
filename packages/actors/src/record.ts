// What one actor must not lose beside its entries, as one value: user state, reminders, outbox, the numbers and keys by
// which duplicates are dropped. It is replaced whole by each commit that changes it.

import type { ActorAddress } from './address.ts';
import { pack, unpack } from './codec.ts';
import { CorruptRecordError } from './errors.ts';
import { IDEMPOTENCY_KEYS_MAX, IDEMPOTENCY_KEY_TTL_MS } from './limits.ts';
import type { SendStamp } from './transport.ts';

/** The version of everything written below. A reader reads every earlier one. */
export const RECORD_FORMAT = 1;

/** A wake-up that survives everything. */
export interface Reminder {
  readonly name: string;
  readonly dueAtMs: number;
  /** Fires again this long after each due time; undefined: once. */
  readonly periodMs: number | undefined;
  readonly payload: unknown;
  /** Attempts of this occurrence that failed. */
  readonly failedAttempts: number;
}

/** A durable send that its receiver has not acknowledged yet. */
export interface OutboxItem {
  readonly sequence: number;
  readonly to: ActorAddress;
  readonly method: string;
  /** The packed array of arguments. */
  readonly args: Uint8Array;
  readonly traceparent: string | undefined;
}

/** How a call with an idempotency key ended, to be answered again. */
export interface KeptReply {
  readonly atMs: number;
  readonly result: unknown;
}

/** The last send that was taken from a sender. */
interface SendMark {
  readonly sequence: number;
  readonly atMs: number;
}

/** What most actors never have is shared, as nobody can put anything into it. */
const NONE: ReadonlyMap<never, never> = new Map<never, never>();

/** The durable part of an actor that is replaced whole. Its maps are made when something is put into them. */
export class ActorRecord {
  /** Tells this life of the actor from one before a purge. Empty until the first commit. */
  birth = '';
  /** Of the claim under which it was written last. */
  epoch = 0;
  userState: Uint8Array | null = null;
  outboxSequence = 0;
  /** Something is unfinished that no reminder stands for: the actor is to be activated after a crash. */
  hasWork = false;
  #reminders: Map<string, Reminder> | undefined;
  #outbox: Map<number, OutboxItem> | undefined;
  #sendMarks: Map<string, SendMark> | undefined;
  #replies: Map<string, KeptReply> | undefined;

  get reminders(): ReadonlyMap<string, Reminder> {
    return this.#reminders ?? NONE;
  }

  /** Durable sends that are not acknowledged, in the order of their numbers. */
  get outbox(): ReadonlyMap<number, OutboxItem> {
    return this.#outbox ?? NONE;
  }

  setReminder(reminder: Reminder): void {
    (this.#reminders ??= new Map()).set(reminder.name, reminder);
  }

  deleteReminder(name: string): void {
    this.#reminders?.delete(name);
  }

  /** Puts a durable send into the outbox, under the next number. */
  addSend(send: Pick<OutboxItem, 'to' | 'method' | 'args'>, traceparent: string | undefined): void {
    const sequence = ++this.outboxSequence;
    (this.#outbox ??= new Map()).set(sequence, { sequence, ...send, traceparent });
  }

  deleteSend(sequence: number): void {
    this.#outbox?.delete(sequence);
  }

  /** When the actor must be looked at: 0 for now, null for never. */
  dueAtMs(): number | null {
    return this.hasWork || this.outbox.size > 0 ? 0 : this.reminderDueAtMs(undefined);
  }

  /** When the next reminder is due that is not one of those being `fired`; null for never. */
  reminderDueAtMs(fired: ReadonlyMap<string, Reminder> | undefined): number | null {
    if (this.#reminders === undefined) return null;
    let due: number | null = null;
    for (const reminder of this.#reminders.values()) {
      if ((due === null || reminder.dueAtMs < due) && fired?.get(reminder.name) !== reminder) due = reminder.dueAtMs;
    }
    return due;
  }

  /** Whether this send, or a later one of the same sender, was taken. */
  hasTaken(stamp: SendStamp): boolean {
    return stamp.sequence <= (this.#sendMarks?.get(stamp.sender)?.sequence ?? 0);
  }

  /** Notes that the send was taken, whatever became of it. */
  markTaken(stamp: SendStamp, atMs: number): void {
    (this.#sendMarks ??= new Map()).set(stamp.sender, { sequence: stamp.sequence, atMs });
  }

  /** Drops the sender's mark, unless it is of a later send. */
  dropMark(stamp: SendStamp): void {
    const mark = this.#sendMarks?.get(stamp.sender);
    if (mark !== undefined && mark.sequence <= stamp.sequence) this.#sendMarks!.delete(stamp.sender);
  }

  /** Drops the marks of senders that were not heard of since, and have not said that they are done. */
  dropOldMarks(beforeMs: number): void {
    if (this.#sendMarks === undefined) return;
    for (const [sender, mark] of this.#sendMarks) if (mark.atMs < beforeMs) this.#sendMarks.delete(sender);
  }

  /** How a call with this key ended, unless it is too long ago. */
  keptReply(key: string, nowMs: number): KeptReply | undefined {
    const kept = this.#replies?.get(key);
    return kept !== undefined && kept.atMs > nowMs - IDEMPOTENCY_KEY_TTL_MS ? kept : undefined;
  }

  /** Keeps how a call with a key ended; makes room by dropping those that are old, or the oldest. */
  keepReply(key: string, result: unknown, nowMs: number): void {
    const replies = (this.#replies ??= new Map<string, KeptReply>());
    for (const [oldest, reply] of replies) {
      if (replies.size < IDEMPOTENCY_KEYS_MAX && reply.atMs > nowMs - IDEMPOTENCY_KEY_TTL_MS) break;
      replies.delete(oldest);
    }
    // Set again it would keep its old place, and the order is what ends the loop above.
    replies.delete(key);
    replies.set(key, { atMs: nowMs, result });
  }

  encode(): Uint8Array {
    return pack([
      RECORD_FORMAT,
      this.birth,
      this.userState,
      this.hasWork,
      this.outboxSequence,
      listed(this.#reminders, (r) => [r.name, r.dueAtMs, r.periodMs, r.payload, r.failedAttempts]),
      listed(this.#outbox, (o) => [o.sequence, o.to.type, o.to.id, o.method, o.args, o.traceparent]),
      listed(this.#sendMarks, (mark, sender) => [sender, mark.sequence, mark.atMs]),
      listed(this.#replies, (r, key) => [key, r.atMs, r.result]),
      this.epoch,
    ]);
  }

  static decode(bytes: Uint8Array): ActorRecord {
    const fields = unpack(bytes);
    // The first ones had no epoch.
    if (!Array.isArray(fields) || (fields.length !== 9 && fields.length !== 10))
      throw new CorruptRecordError('an actor record has other parts than written');
    if (fields[0] !== RECORD_FORMAT) {
      throw new CorruptRecordError(
        `an actor record has format ${String(fields[0])}; this version reads up to ${RECORD_FORMAT}`,
      );
    }
    const record = new ActorRecord();
    record.birth = fields[1] as string;
    record.userState = fields[2] as Uint8Array | null;
    record.hasWork = fields[3] as boolean;
    record.outboxSequence = fields[4] as number;
    for (const [name, dueAtMs, periodMs, payload, failedAttempts] of rows<
      [string, number, number | undefined, unknown, number]
    >(fields[5])) {
      record.setReminder({ name, dueAtMs, periodMs, payload, failedAttempts });
    }
    for (const [sequence, type, id, method, args, traceparent] of rows<
      [number, string, string, string, Uint8Array, string | undefined]
    >(fields[6])) {
      (record.#outbox ??= new Map()).set(sequence, { sequence, to: { type, id }, method, args, traceparent });
    }
    for (const [sender, sequence, atMs] of rows<[string, number, number]>(fields[7]))
      record.markTaken({ sender, sequence }, atMs);
    for (const [key, atMs, result] of rows<[string, number, unknown]>(fields[8]))
      (record.#replies ??= new Map()).set(key, { atMs, result });
    record.epoch = (fields[9] as number | undefined) ?? 0;
    return record;
  }
}

function listed<K, V>(map: ReadonlyMap<K, V> | undefined, row: (value: V, key: K) => unknown[]): unknown[][] | null {
  return map === undefined || map.size === 0 ? null : Array.from(map, ([key, value]) => row(value, key));
}

function rows<R extends unknown[]>(value: unknown): R[] {
  return value === null ? [] : (value as R[]);
}
