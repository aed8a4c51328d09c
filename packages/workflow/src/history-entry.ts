import { plainPayload } from '@troupe/actors';
import type { HistoryEntry } from './client-interface.ts';
import { decodeEvent } from './history.ts';

/** A stored event as a person or a tool reads it. */
export function historyEntry(encoded: unknown, number: number, birth: string): HistoryEntry {
  const { event, stamp } = decodeEvent(encoded);
  const { type, at, sequence, ...rest } = event as typeof event & { sequence?: number };
  const details: Record<string, unknown> = {};
  for (const [name, value] of Object.entries(rest)) {
    if (value === undefined) continue;
    // Instants are dates in everything that is shown.
    if (name.endsWith('AtMs')) details[name.slice(0, -'Ms'.length)] = new Date(value as number);
    else details[name] = plainPayload(value);
  }
  return {
    number,
    type,
    at: new Date(at),
    executionId: `${birth}.${stamp.generation}`,
    version: stamp.version,
    ...(sequence === undefined ? {} : { sequence }),
    details,
  };
}
