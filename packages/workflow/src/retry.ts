import { REOPEN_DELAY_MS_MAX, REOPEN_DELAY_MS_MIN } from './limits.ts';
import type { Failure } from './status.ts';

/** When a failed attempt is followed by another. */
export interface RetryPolicy {
  /** Attempts in all, the first one included. Default 1: no retry. Infinity is allowed. */
  readonly maxAttempts?: number;
  /** Delay before the second attempt. Default 1,000. */
  readonly initialIntervalMs?: number;
  /** Each further delay is this times the one before. Default 2. */
  readonly backoff?: number;
  /** No delay is longer. Default 60,000. */
  readonly maxIntervalMs?: number;
  /** Delays vary by up to this part of themselves, both ways, so that many failures do not return together. Default 0.1. */
  readonly jitter?: number;
  /** No attempt begins later than this after the first was scheduled. Default: no limit. */
  readonly totalTimeoutMs?: number;
  /** Names of errors (`error.name`) that are not tried again. */
  readonly nonRetryable?: readonly string[];
  /** Asked after each failure that the rest would retry; false ends it. */
  readonly retryIf?: (failure: Failure, attempt: number) => boolean;
}

/** @throws {RangeError} that names the setting that makes no sense */
export function checkRetryPolicy(policy: RetryPolicy, what: string): void {
  const rules: [string, number | undefined, (value: number) => boolean, string][] = [
    [
      'maxAttempts',
      policy.maxAttempts,
      (n) => n === Infinity || (Number.isSafeInteger(n) && n >= 1),
      'an integer of at least 1, or Infinity',
    ],
    [
      'initialIntervalMs',
      policy.initialIntervalMs,
      (n) => Number.isFinite(n) && n >= 0,
      'a finite number of at least 0',
    ],
    ['backoff', policy.backoff, (n) => Number.isFinite(n) && n >= 1, 'a finite number of at least 1'],
    ['maxIntervalMs', policy.maxIntervalMs, (n) => n >= 0, 'at least 0'],
    ['jitter', policy.jitter, (n) => n >= 0 && n <= 1, 'from 0 to 1'],
    ['totalTimeoutMs', policy.totalTimeoutMs, (n) => n >= 0, 'at least 0'],
  ];
  for (const [name, value, holds, rule] of rules) {
    if (value !== undefined && !(typeof value === 'number' && holds(value))) {
      throw new RangeError(`retry.${name} of ${what} is ${rule}, got ${String(value)}`);
    }
  }
}

/**
 * The delay before the next attempt, or undefined when there is none. `attempt` is the number of the one that failed,
 * `elapsedMs` the time since the first was scheduled, `random` a number in [0, 1).
 */
export function retryDelayMs(
  policy: RetryPolicy,
  failure: Failure,
  attempt: number,
  elapsedMs: number,
  random: number,
): number | undefined {
  if (attempt >= (policy.maxAttempts ?? 1)) return undefined;
  if (policy.nonRetryable?.includes(failure.type) === true) return undefined;
  const plainMs = (policy.initialIntervalMs ?? 1_000) * (policy.backoff ?? 2) ** (attempt - 1);
  const boundedMs = Math.min(plainMs, policy.maxIntervalMs ?? 60_000);
  const delayMs = boundedMs * (1 + (policy.jitter ?? 0.1) * (2 * random - 1));
  if (elapsedMs + delayMs > (policy.totalTimeoutMs ?? Infinity)) return undefined;
  if (policy.retryIf !== undefined && !policy.retryIf(failure, attempt)) return undefined;
  return delayMs;
}

/** What the function of a policy says; one that throws says no. */
export function askedOf({ retryIf }: RetryPolicy, failure: Failure, attempt: number): boolean {
  try {
    return retryIf === undefined || retryIf(failure, attempt);
  } catch {
    // As where it is asked beside the instance: the activity is not tried again.
    return false;
  }
}

/** How long an instance that could not go on so often waits before it is asked again. */
export function reopenDelayMs(failures: number): number {
  return Math.min(REOPEN_DELAY_MS_MIN * 2 ** Math.min(failures, 10), REOPEN_DELAY_MS_MAX);
}
