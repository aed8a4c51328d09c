// The small part of an entity's record, replaced whole by each commit that changes it. What it has not done stands in the
// entries: a message is an entry from when it comes until it is done, and to take one in does not write the state again.

import type { EntityLockRequest, EntityOperation } from './entity-message.ts';

/** The version of the snapshot below. A reader reads every earlier one. */
const SNAPSHOT_FORMAT = 1;

export interface WaitingOperation {
  readonly number: number;
  readonly operation: EntityOperation;
  readonly lock?: undefined;
}

export interface WaitingLock {
  readonly number: number;
  readonly operation?: undefined;
  readonly lock: EntityLockRequest;
}

/** A message that waits, under the number of its entry. */
export type WaitingMessage = WaitingOperation | WaitingLock;

/** A signal that waits for its time. */
export interface ScheduledOperation {
  readonly dueAtMs: number;
  readonly operation: EntityOperation;
}

/** What is durable of an entity beside its entries. */
export class EntityState {
  createdAtMs = 0;
  lastModifiedMs = 0;
  /** Undefined: it has none, and counts as not there. */
  text: string | undefined;
  /** The request that has it. */
  lock: EntityLockRequest | undefined;
  scheduled: ScheduledOperation[] = [];
  /** Entries below are done. */
  firstEntry = 1;
  /** … and these, which came after others that a lock keeps back. */
  done: number[] = [];

  snapshot(): unknown {
    return [
      SNAPSHOT_FORMAT,
      this.createdAtMs,
      this.lastModifiedMs,
      this.text,
      this.lock,
      this.scheduled.length === 0 ? null : this.scheduled,
      this.firstEntry,
      this.done.length === 0 ? null : this.done,
    ];
  }

  static of(snapshot: unknown): EntityState {
    const fields = snapshot as [number, ...unknown[]];
    if (fields[0] !== SNAPSHOT_FORMAT) {
      throw new TypeError(`an entity was stored in format ${fields[0]}; this version reads up to ${SNAPSHOT_FORMAT}`);
    }
    const state = new EntityState();
    state.createdAtMs = fields[1] as number;
    state.lastModifiedMs = fields[2] as number;
    state.text = (fields[3] as string | null | undefined) ?? undefined;
    state.lock = (fields[4] as EntityLockRequest | null | undefined) ?? undefined;
    state.scheduled = (fields[5] as ScheduledOperation[] | null) ?? [];
    state.firstEntry = fields[6] as number;
    state.done = (fields[7] as number[] | null) ?? [];
    return state;
  }
}

/** The stored form of a message. The entry has its number in it: where entries were trimmed others are read instead. */
export function encodeMessage({ number, operation, lock }: WaitingMessage): unknown[] {
  return [number, operation ?? null, lock ?? null];
}

export function decodeMessage(entry: unknown): WaitingMessage {
  const [number, operation, lock] = entry as [number, EntityOperation | null, EntityLockRequest | null];
  return operation === null ? { number, lock: lock! } : { number, operation };
}
