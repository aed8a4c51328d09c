// What waits for a write, and a write under way.

import type { ActorAddress, CommitSource, Tombstone } from '@troupe/actors';
import type { Absence, Head } from './head.ts';
import { addressOfTombstoneKey } from './keys.ts';
import type { Database } from './reading.ts';

export type Batch = ReturnType<Database['batch']>;

/** What waits for a write. Purges and sweeps share the syncs of commits. */
export type Request = CommitSource | Purge | Sweep;

export class Purge {
  readonly address: ActorAddress;
  readonly expectedRevision: number;
  readonly tombstone: Tombstone | undefined;
  readonly accepted: () => void;
  readonly refused: (error: Error) => void;

  constructor(
    address: ActorAddress,
    expectedRevision: number,
    tombstone: Tombstone | undefined,
    accepted: () => void,
    refused: (error: Error) => void,
  ) {
    this.address = address;
    this.expectedRevision = expectedRevision;
    this.tombstone = tombstone;
    this.accepted = accepted;
    this.refused = refused;
  }
}

/** Removes one tombstone, unless there is a record or a later tombstone by now. */
export class Sweep {
  readonly address: ActorAddress;
  readonly key: Buffer;
  /** What stands under the id while the tombstone is the one that was found. */
  readonly row: Buffer;
  removed = false;
  readonly accepted: () => void;
  readonly refused: (error: Error) => void;

  constructor(key: Buffer, row: Buffer, accepted: () => void, refused: (error: Error) => void) {
    this.address = addressOfTombstoneKey(key);
    this.key = key;
    this.row = row;
    this.accepted = accepted;
    this.refused = refused;
  }
}

/** A batch under way and who is in it: parallel arrays, since objects per commit cost more than the rest of the work. */
export class Write {
  readonly batch: Batch;
  readonly requests: Request[] = [];
  readonly heads: (Head | Absence)[] = [];
  /** Pairs of number and bound, for the reaper. */
  readonly reaps: number[] = [];
  bytes = 0;

  constructor(batch: Batch) {
    this.batch = batch;
  }
}
