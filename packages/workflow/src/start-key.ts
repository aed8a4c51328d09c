// How long the key of a start stops the same start: as long as the instance is there, then as long as its tombstone says.

import type { Tombstone } from '@troupe/actors';
import type { StartOptions } from './client-interface.ts';
import { KEY_KEPT_MS_MAX, TOMBSTONE_STANDS_MS_MIN, TOMBSTONE_TTL_MS } from './limits.ts';

/** The idempotency key that an instance was started with, and the hash of what came with it. */
export interface StartKey {
  readonly key: string;
  readonly hash: string;
  /** How long it stops the same start after a purge; undefined: as long as most. */
  readonly keptMs: number | undefined;
}

/**
 * The key of a start that is to be kept.
 *
 * @throws {RangeError} when it is to be kept for a time that is none
 * @throws {TypeError} when there is no key to keep
 */
export function startKeyOf({ idempotencyKey, payloadHash = '', keyKeptMs }: StartOptions): StartKey | undefined {
  if (keyKeptMs !== undefined) {
    if (!Number.isSafeInteger(keyKeptMs) || keyKeptMs < 1 || keyKeptMs > KEY_KEPT_MS_MAX) {
      throw new RangeError(
        `keyKeptMs is an integer of milliseconds from 1 to ${KEY_KEPT_MS_MAX}, got ${String(keyKeptMs)}`,
      );
    }
    if (idempotencyKey === undefined)
      throw new TypeError('keyKeptMs says how long an idempotencyKey is kept: give one');
  }
  return idempotencyKey === undefined ? undefined : { key: idempotencyKey, hash: payloadHash, keptMs: keyKeptMs };
}

/** What the purge of an instance leaves. It goes with the sweep of all tombstones when its time is over. */
export function tombstoneOf({ key, hash, keptMs }: StartKey, nowMs: number): Tombstone {
  if (keptMs === undefined) return { key, hash, atMs: nowMs };
  const standsMs = Math.max(keptMs, TOMBSTONE_STANDS_MS_MIN);
  return { key, hash, atMs: nowMs + standsMs - TOMBSTONE_TTL_MS, untilMs: nowMs + keptMs };
}

/** A tombstone whose time is over stops nothing, though no sweep has met it. */
export function standing(tombstone: Tombstone | undefined, nowMs: number): Tombstone | undefined {
  if (tombstone === undefined) return undefined;
  return nowMs < (tombstone.untilMs ?? tombstone.atMs + TOMBSTONE_TTL_MS) ? tombstone : undefined;
}
