import { BACK_OFF_MS_MAX, BACK_OFF_MS_MIN, RECONNECT_DELAY_MS_MAX, RECONNECT_DELAY_MS_MIN } from './limits.ts';

/** Pauses between attempts. */
export interface BackOff {
  /** Before the second attempt; each pause is twice the one before. Default 200 ms. */
  readonly initialMs?: number | undefined;
  /** No pause is longer. Default 30 s. */
  readonly maxMs?: number | undefined;
}

/** How long to wait after so many failures (1, 2, …): up to a quarter less than the rule says, so that many do not come at once. */
export function backOffMs(failures: number, { initialMs, maxMs }: BackOff, random: () => number): number {
  const fullMs = Math.min((initialMs ?? BACK_OFF_MS_MIN) * 2 ** Math.min(failures - 1, 30), maxMs ?? BACK_OFF_MS_MAX);
  return fullMs * (1 - random() / 4);
}

/** How long to wait before a server is connected to again, after so many failures (1, 2, …). */
export function reconnectDelayMs(failures: number, random: () => number): number {
  return backOffMs(failures, { initialMs: RECONNECT_DELAY_MS_MIN, maxMs: RECONNECT_DELAY_MS_MAX }, random);
}
