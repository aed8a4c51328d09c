// What the process of a host is told, and what it is asked. Plain data.

import type { Observed } from './observed-source.ts';
import type { TakenInput } from './evidence.ts';

/** What the trigger does with an event. */
export type Rule =
  /** Starts `take`. */
  | 'start'
  /** As `start`, but its schema refuses every event: a permanent failure. */
  | 'refuse'
  /** As `start`, but its mapping can never give the input just now: a transient failure. */
  | 'try-later'
  /** Raises `go` at the instance `the-one`, which may not be there: a transient failure. */
  | 'raise';

export interface TriggerHostSettings {
  /** Names this life of the process. */
  readonly by: string;
  /** Of the evidence and the log. */
  readonly folder: string;
  readonly store: { readonly level: string } | { readonly nats: readonly string[] };
  readonly trigger: string;
  readonly kind: string;
  /** `Origin.options`. */
  readonly options: unknown;
  readonly rule: Rule;
  /** `SourceKit.valueAt`. */
  readonly valueAt: string;
  readonly concurrency: number;
  readonly attemptsMax: number;
  /** Of the source's clock. */
  readonly clockShiftMs: number;
}

/** What a child is told by its environment: to kill itself after so many creates. */
export const KILL_AFTER = 'TROUPE_KILL_AFTER';

export interface TriggerHostReport extends Observed {
  readonly hostId: string;
  readonly ready: boolean;
  /** Actors that are to be looked at within minutes. */
  readonly wakeUps: number;
  readonly url: string;
}

export interface FoundInstance {
  readonly instanceId: string;
  readonly workflowName: string;
  readonly status: string;
  readonly input: unknown;
  readonly output: unknown;
  readonly executionId: string;
  /** `WorkflowStarted` events in its history. */
  readonly starts: number;
}

export interface FoundEnding {
  readonly executionId: string;
  readonly endedAtMs: number;
}

export interface FoundDeadLetter {
  readonly id: string;
  readonly reason: string;
  readonly attempts: number;
  readonly error: { readonly name: string; readonly message: string };
  readonly event: TakenInput | undefined;
}

export interface Question {
  readonly number: number;
  readonly question: string;
  readonly args: readonly unknown[];
}

export interface Reply {
  readonly number: number;
  readonly value?: unknown;
  readonly error?: string;
}
