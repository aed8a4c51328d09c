import type { Schema } from '@troupe/workflow';
import type { Action, FromEvent } from './action.ts';
import type { BackOff } from './back-off.ts';
import {
  ATTEMPTS_DEFAULT,
  ATTEMPTS_MAX,
  CONCURRENCY_DEFAULT,
  CONCURRENCY_MAX,
  DEDUP_FOR_MS_DEFAULT,
  DEDUP_FOR_MS_MAX,
  INTERVAL_MS_MAX,
  TRIGGER_NAME_PATTERN,
} from './limits.ts';
import { numberOption } from './source-options.ts';
import type { Source } from './source.ts';
import type { TriggerEvent } from './trigger-event.ts';

/** What is done with the events of a source. */
export interface TriggerOptions<T = unknown> {
  /** Types of events that are wanted; others are acknowledged and counted as filtered, before anything else is looked at. Default: all. */
  readonly types?: readonly string[] | undefined;
  /** Checks the data, and gives its type. What does not match becomes a dead letter. */
  readonly schema?: Schema<unknown, T> | undefined;
  /** False: acknowledged, counted, and nothing else. */
  readonly filter?: FromEvent<NoInfer<T>, boolean> | undefined;
  /** What to do, or which of several things. */
  readonly do: Action<NoInfer<T>> | FromEvent<NoInfer<T>, Action<NoInfer<T>>>;
  /** How often a failing event is tried before it becomes a dead letter. Default: 5 attempts, 200 ms to 30 s apart. */
  readonly retry?: (BackOff & { readonly maxAttempts?: number | undefined }) | undefined;
  /** False: what cannot be handled is logged and dropped. Default true. */
  readonly deadLetter?: boolean | undefined;
  /** Events that are worked at at once on each host. Default 32. */
  readonly concurrency?: number | undefined;
  /**
   * How long the same event starts nothing after its instance is gone. Longer than the source can redeliver, or a purge and a
   * late redelivery start it twice. Default 7 days.
   */
  readonly dedupForMs?: number | undefined;
}

/** A trigger as it is checked and understood. */
export interface TriggerRule {
  readonly name: string;
  readonly source: Source;
  readonly types: readonly string[] | undefined;
  readonly schema: Schema | undefined;
  readonly filter: FromEvent<unknown, boolean> | undefined;
  readonly action: (event: TriggerEvent) => Action | Promise<Action>;
  readonly attemptsMax: number;
  readonly backOff: BackOff;
  readonly keepsDeadLetters: boolean;
  readonly concurrency: number;
  readonly dedupForMs: number;
}

/** @throws {TypeError} that says what is wrong and what is expected */
export function checkedRule<T>(name: string, source: Source, options: TriggerOptions<T>): TriggerRule {
  if (typeof name !== 'string' || !TRIGGER_NAME_PATTERN.test(name))
    throw new TypeError(
      `a trigger's name is 1 to 64 letters, digits, "-" and "_", and begins with a letter or digit, got ${JSON.stringify(name)}`,
    );
  const where = `trigger ${name}`;
  if (typeof source?.open !== 'function')
    throw new TypeError(`${where} needs a source, as cron({ … }) or jetstream({ … }) give one`);
  const action = options.do;
  if (typeof action !== 'function' && typeof action?.perform !== 'function')
    throw new TypeError(`${where} needs \`do\`: start(workflow), raiseEvent({ … }), … or a function that gives one`);
  const { maxAttempts = ATTEMPTS_DEFAULT, ...backOff } = options.retry ?? {};
  const { types } = options;
  if (types !== undefined && !(Array.isArray(types) && types.every((type) => typeof type === 'string')))
    throw new TypeError(`${where}: types is a list of strings`);
  if (options.schema !== undefined && typeof options.schema['~standard']?.validate !== 'function')
    throw new TypeError(`${where}: schema is a Standard Schema, as zod, valibot and arktype give one`);
  if (options.filter !== undefined && typeof options.filter !== 'function')
    throw new TypeError(`${where}: filter is a function of the event`);
  const { initialMs, maxMs } = backOff;
  if (initialMs !== undefined) numberOption(where, 'retry.initialMs', initialMs, { min: 1, max: INTERVAL_MS_MAX });
  if (maxMs !== undefined) numberOption(where, 'retry.maxMs', maxMs, { min: initialMs ?? 1, max: INTERVAL_MS_MAX });
  return {
    name,
    source,
    types,
    schema: options.schema,
    // Checked by the schema, or claimed by whoever wrote the rule.
    filter: options.filter as TriggerRule['filter'],
    action: (typeof action === 'function' ? action : () => action) as TriggerRule['action'],
    attemptsMax: numberOption(where, 'retry.maxAttempts', maxAttempts, { min: 1, max: ATTEMPTS_MAX }),
    backOff,
    keepsDeadLetters: options.deadLetter ?? true,
    concurrency: numberOption(where, 'concurrency', options.concurrency ?? CONCURRENCY_DEFAULT, {
      min: 1,
      max: CONCURRENCY_MAX,
    }),
    dedupForMs: numberOption(where, 'dedupForMs', options.dedupForMs ?? DEDUP_FOR_MS_DEFAULT, {
      min: 1,
      max: DEDUP_FOR_MS_MAX,
    }),
  };
}
