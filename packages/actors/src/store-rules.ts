// What every implementation of the store decides in the same way.

import { formatAddress, type ActorAddress } from './address.ts';
import { LayoutMismatchError, LimitError } from './errors.ts';
import { COMMIT_BYTES_MAX } from './limits.ts';
import type { Commit, Layout, ListFilter, Summary } from './store.ts';

/**
 * Checks that a commit fits the record that it is for, as every store does before it writes.
 *
 * @throws {LimitError} when it is too large
 * @throws {TypeError} when the writer has miscounted its entries, says "same" of a state that never was, or is due at
 * no time
 */
export function checkCommit(
  address: ActorAddress,
  commit: Commit,
  record: { readonly firstEntry: number; readonly nextEntry: number } | undefined,
): void {
  const { state, entries, keepFrom } = commit;
  const bytes = (state === 'same' ? 0 : state.length) + (entries === null ? 0 : entries.bytes.length);
  if (bytes > COMMIT_BYTES_MAX) {
    throw new LimitError(
      `a commit of ${formatAddress(address)} has ${bytes} bytes; COMMIT_BYTES_MAX is ${COMMIT_BYTES_MAX}`,
    );
  }
  if (commit.dueAtMs !== null && !Number.isFinite(commit.dueAtMs)) {
    throw new TypeError(`a commit of ${formatAddress(address)} is due at ${commit.dueAtMs}`);
  }
  if (commit.summary !== 'same' && commit.summary !== null && !Number.isFinite(commit.summary.createdAtMs)) {
    throw new TypeError(`a summary of ${formatAddress(address)} is created at ${commit.summary.createdAtMs}`);
  }
  if (state === 'same' && record === undefined) {
    throw new TypeError(`the first commit of ${formatAddress(address)} has no state`);
  }
  let nextEntry = record?.nextEntry ?? 1;
  if (entries !== null) {
    if (entries.first !== nextEntry || !(entries.count >= 1)) {
      throw new TypeError(
        `a commit of ${formatAddress(address)} appends ${entries.count} entries from ${entries.first} on; ` +
          `the next entry is ${nextEntry}`,
      );
    }
    nextEntry += entries.count;
  }
  const firstEntry = record?.firstEntry ?? 1;
  if (keepFrom !== 'same' && !(keepFrom >= firstEntry && keepFrom <= nextEntry)) {
    throw new TypeError(
      `a commit of ${formatAddress(address)} keeps entries from ${keepFrom} on; ` +
        `it has ${firstEntry} to ${nextEntry - 1}`,
    );
  }
}

/**
 * Checks that a store that was laid out as `settled` can be started as `asked`.
 *
 * @throws {LayoutMismatchError} naming what differs, with both values
 */
export function checkLayout(settled: Layout, asked: Layout): void {
  for (const part of ['app', 'partitionCount', 'hash'] as const) {
    if (settled[part] !== asked[part]) {
      throw new LayoutMismatchError(
        `the store was laid out with ${part} ${settled[part]} and cannot be started with ${part} ${asked[part]}`,
      );
    }
  }
  if (settled.format > asked.format) {
    throw new LayoutMismatchError(
      `the store has records of format ${settled.format}; ` +
        `this version knows formats up to ${asked.format}: start a newer version`,
    );
  }
}

/** Whether a summary is asked for; the type is taken as given. */
export function matchesFilter(filter: ListFilter, address: ActorAddress, summary: Summary): boolean {
  if (filter.name !== undefined && summary.name !== filter.name) return false;
  if (filter.statuses !== undefined && !filter.statuses.includes(summary.status)) return false;
  if (filter.idPrefix !== undefined && !address.id.startsWith(filter.idPrefix)) return false;
  if (filter.createdAfterMs !== undefined && summary.createdAtMs < filter.createdAfterMs) return false;
  if (filter.createdBeforeMs !== undefined && summary.createdAtMs >= filter.createdBeforeMs) return false;
  for (const [tag, value] of Object.entries(filter.tags ?? {})) {
    if (!Object.hasOwn(summary.tags, tag) || summary.tags[tag] !== value) return false;
  }
  return true;
}

/** Orders text by its UTF-8 bytes: UTF-16 units sort as those do, but for surrogates, which belong behind the rest. */
export function compareUtf8(a: string, b: string): number {
  const length = Math.min(a.length, b.length);
  for (let index = 0; index < length; index++) {
    const x = a.charCodeAt(index);
    const y = b.charCodeAt(index);
    if (x === y) continue;
    const xHigh = x >= 0xd800 && x <= 0xdfff;
    const yHigh = y >= 0xd800 && y <= 0xdfff;
    return xHigh === yHigh ? x - y : xHigh ? 1 : -1;
  }
  return a.length - b.length;
}

/** A place in an order by a number and a text, as a cursor. */
export function printCursor(number: number, text: string): string {
  return Buffer.from(JSON.stringify([number, text])).toString('base64url');
}

/** @throws {TypeError} when {@link printCursor} has not printed it */
export function parseCursor(cursor: string): { readonly number: number; readonly text: string } {
  try {
    const [number, text] = JSON.parse(Buffer.from(cursor, 'base64url').toString()) as [unknown, unknown];
    if (typeof number === 'number' && typeof text === 'string') return { number, text };
  } catch {
    // As below.
  }
  throw new TypeError(`not a cursor of this store: ${cursor.slice(0, 80)}`);
}
