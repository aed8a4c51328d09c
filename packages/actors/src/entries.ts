import type { ActivationRuntime } from './activation-runtime.ts';
import type { ActorAddress } from './address.ts';
import { unpackAll } from './codec.ts';

/** Reads committed entries of an actor from a number on, at most `limit`. */
export async function readEntries(
  runtime: ActivationRuntime,
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
