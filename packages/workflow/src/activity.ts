import type { Logger } from '@troupe/actors';
import { checkName } from './name.ts';
import { checkRetryPolicy, type RetryPolicy } from './retry.ts';
import type { Schema } from './schema.ts';

/** What an activity sees. */
export interface ActivityContext {
  readonly activityName: string;
  readonly workflowName: string;
  readonly instanceId: string;
  /** 1 for the first attempt. */
  readonly attempt: number;
  /** The same for every attempt and every re-delivery: give it to services that drop duplicates. */
  readonly idempotencyKey: string;
  /** Aborts when the attempt times out, the workflow ends, or the host stops. */
  readonly signal: AbortSignal;
  /** What the last attempt gave to `heartbeat`, if it is still known. */
  readonly lastHeartbeat: unknown;
  readonly traceparent: string | undefined;
  readonly logger: Logger;
  /** Says that the attempt is alive; `detail` is given to the next one. */
  heartbeat(detail?: unknown): void;
}

/** How an activity is run. Options of a call win over those of the definition. */
export interface ActivityOptions {
  readonly retry?: RetryPolicy;
  /** Longest time for one attempt. Default: no limit. */
  readonly startToCloseTimeoutMs?: number;
  /** Longest silence between heartbeats. Default: no limit. */
  readonly heartbeatTimeoutMs?: number;
}

/** A side-effecting step of workflows, run at least once. Made by {@link activity}. */
export interface ActivityDefinition<I, O> {
  readonly kind: 'activity';
  readonly name: string;
  readonly options: ActivityOptions & { readonly input?: Schema; readonly output?: Schema };
  readonly run: (ctx: ActivityContext, input: I) => O | Promise<O>;
}

// oxlint-disable-next-line typescript/no-explicit-any -- the input varies with each definition
export type AnyActivity = ActivityDefinition<any, unknown>;

/**
 * Defines an activity. Its body may do anything; its result is recorded once per call.
 *
 * @param options besides how it is run: `input` and `output`, Standard Schemas that values are checked against
 */
export function activity<I = undefined, O = unknown>(
  name: string,
  run: (ctx: ActivityContext, input: I) => O | Promise<O>,
  options: ActivityOptions & { readonly input?: Schema<unknown, I>; readonly output?: Schema<unknown, O> } = {},
): ActivityDefinition<I, O> {
  checkName('activity', name);
  if (typeof run !== 'function') throw new TypeError(`activity ${name} needs a function`);
  checkActivityOptions(options, `activity ${name}`);
  return { kind: 'activity', name, options, run };
}

/** @throws {RangeError} that names the setting that makes no sense */
export function checkActivityOptions(options: ActivityOptions, what: string): void {
  if (options.retry !== undefined) checkRetryPolicy(options.retry, what);
  for (const name of ['startToCloseTimeoutMs', 'heartbeatTimeoutMs'] as const) {
    const value = options[name];
    if (value !== undefined && !(typeof value === 'number' && value > 0)) {
      throw new RangeError(`${name} of ${what} is more than 0, got ${String(value)}`);
    }
  }
}
