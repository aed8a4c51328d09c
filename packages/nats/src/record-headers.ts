// Headers of heads: what readers of a whole stream need to know, without the bodies.

import type { HeadTombstone } from './head.ts';

/** The checksum and the text of the summary. */
export const SUMMARY_HEADER = 'Troupe-Summary';
/** On tombstones: whether there may be chunks, when it was purged, and the time of what the purge has left, if it has. */
export const PURGED_HEADER = 'Troupe-Purged';

export interface PurgedMark {
  readonly hasChunks: boolean;
  readonly purgedAtMs: number;
  readonly keptAtMs: number | undefined;
}

/** A header as it stands after the first one, with the end of all: what `expecting` takes. */
export function furtherHeader(name: string, value: string): Buffer {
  return Buffer.from(`\r\n${name}: ${value}\r\n\r\n`);
}

/** Encoded as `expecting` takes it. */
export function purgedHeader({ hasChunks, kept }: HeadTombstone, purgedAtMs: number): Buffer {
  return furtherHeader(PURGED_HEADER, JSON.stringify([hasChunks, purgedAtMs, kept?.atMs ?? null]));
}

/** Undefined for what is no such mark. */
export function parsePurged(text: string): PurgedMark | undefined {
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch {
    return undefined;
  }
  if (!Array.isArray(parsed)) return undefined;
  const [hasChunks, purgedAtMs, keptAtMs] = parsed as unknown[];
  if (typeof hasChunks !== 'boolean' || typeof purgedAtMs !== 'number') return undefined;
  if (keptAtMs !== null && typeof keptAtMs !== 'number') return undefined;
  return { hasChunks, purgedAtMs, keptAtMs: keptAtMs ?? undefined };
}
