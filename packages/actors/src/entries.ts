import type { ActivationRuntime } from './activation-runtime.ts';
import type { RecordOpening } from './actor.ts';
import type { ActorAddress } from './address.ts';
import { unpackAll } from './codec.ts';
import type { Tombstone } from './store.ts';

/** Where entries are read from. */
type EntrySource = Pick<ActivationRuntime, 'store' | 'codec'>;

/** Reads committed entries of an actor from a number on, at most `limit`. */
async function readEntries(
  runtime: EntrySource,
  address: ActorAddress,
  fromEntry: number,
  limit: number,
): Promise<unknown[]> {
  const runs = await runtime.store.read(address, fromEntry, limit);
  const entries: unknown[] = [];
  for (const run of runs) {
    const values = unpackAll(runtime.codec.decode(run.bytes));
    for (let index = 0; index < values.length; index++) {
      if (run.first + index >= fromEntry && entries.length < limit) entries.push(values[index]);
    }
  }
  return entries;
}

/** What an activation opens its actor with. */
export class Opening implements RecordOpening {
  readonly address: ActorAddress;
  readonly firstEntry: number;
  readonly nextEntry: number;
  readonly tombstone: Tombstone | undefined;
  /** As it is packed; a record actor's is unpacked before the actor sees it. */
  snapshot: unknown;
  /** A function of its own: whoever opens an actor may take it out of here. */
  readonly read: RecordOpening['read'];

  constructor(
    runtime: EntrySource,
    address: ActorAddress,
    entries: { readonly firstEntry: number; readonly nextEntry: number },
    snapshot: Uint8Array | undefined,
    tombstone: Tombstone | undefined,
  ) {
    this.address = address;
    this.firstEntry = entries.firstEntry;
    this.nextEntry = entries.nextEntry;
    this.snapshot = snapshot;
    this.tombstone = tombstone;
    this.read = (fromEntry, limit) => readEntries(runtime, address, fromEntry, limit);
  }
}
