// What a cron source remembers, and what becomes of a tick. Pure: facts in, what to remember out.
//
// C1  A tick is decided once: `decidedMs` only rises, and what is decided is durable before it has an effect.
// C2  A tick that is to start something is in `waiting` from the commit that decided it to the one that knows what became of
//     it. Whoever crashes between starts it again, by the same event, which the engine then knows.
// C3  `waiting` is in the order of time and bounded.

import { BUFFERED_TICKS_MAX } from '../limits.ts';

/** What happens at a tick while the instance that the tick before started is running. */
export type Overlap = 'skip' | 'buffer-one' | 'buffer-all' | 'cancel-other' | 'terminate-other' | 'allow-all';

export const OVERLAPS: readonly Overlap[] = [
  'skip',
  'buffer-one',
  'buffer-all',
  'cancel-other',
  'terminate-other',
  'allow-all',
];

/** The cursor. */
export interface Progress {
  readonly kind: 'cron';
  /** The fingerprint of the schedule that it was written under. */
  readonly schedule: string;
  /** Every tick up to here is decided. */
  readonly decidedMs: number;
  /** Ticks that start something, oldest first. */
  readonly waiting: readonly number[];
  /** The instance that was started last; null when it is known to have ended. */
  readonly running: string | null;
}

/** What a cursor says; undefined when it is empty or that of another kind of source. */
export function progressOf(value: unknown): Progress | undefined {
  const kept = value as Partial<Progress> | null | undefined;
  return kept?.kind === 'cron' ? (kept as Progress) : undefined;
}

/** Whether a tick takes the place of what runs and of what waits. */
export function replacesOther(overlap: Overlap): boolean {
  return overlap === 'cancel-other' || overlap === 'terminate-other';
}

/** What becomes of a tick. */
export type Fate = 'starts' | 'waits' | 'skipped' | 'overflows';

/** Decides a tick. `busy`: the instance of the tick before is running. */
export function decide(
  progress: Progress,
  tickMs: number,
  overlap: Overlap,
  busy: boolean,
): { readonly progress: Progress; readonly fate: Fate } {
  const { waiting } = progress;
  const decided = (fate: Fate, ticks: readonly number[]): ReturnType<typeof decide> => ({
    progress: { ...progress, decidedMs: tickMs, waiting: ticks },
    fate,
  });
  if (replacesOther(overlap)) return decided(busy ? 'waits' : 'starts', [tickMs]);
  const free = overlap === 'allow-all' || (!busy && waiting.length === 0);
  if (free) return decided('starts', [...waiting, tickMs]);
  if (overlap === 'skip' || (overlap === 'buffer-one' && waiting.length > 0)) return decided('skipped', waiting);
  if (waiting.length >= BUFFERED_TICKS_MAX) return decided('overflows', waiting);
  return decided('waits', [...waiting, tickMs]);
}
