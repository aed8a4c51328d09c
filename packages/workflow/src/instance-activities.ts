// The activities of an instance that have no result yet: their attempts and retries. It leaves running them to the
// activity runner, and what a result leads to to the execution.
//
// I1  An attempt begins when the commit of what asked for it is durable.
// I2  The result of an activity is taken once; a failure only if it is of the latest attempt.
// I3  An activity that waits for its next attempt has a reminder for it. What is under way has none: after a crash it is
//     begun again.

import type { ActivityResult, ActivityTask } from './activity-runner.ts';
import type { Command } from './command.ts';
import type { PendingActivity } from './executor.ts';
import type { InputEvent } from './history.ts';
import type { InstanceHistory } from './instance-history.ts';
import { RETRY_REMINDER } from './instance-reminder.ts';
import { Queue } from './queue.ts';
import type { Context, InstanceServices } from './instance-services.ts';
import type { InstanceState } from './instance-state.ts';
import { retryDelayMs } from './retry.ts';
import { askedElsewhere } from './session-wire.ts';
import { SmallMap } from './small-map.ts';

export class InstanceActivities {
  readonly #instanceId: string;
  readonly #services: InstanceServices;
  readonly #history: InstanceHistory;
  /** Made with the first: many instances only wait. */
  #pending: SmallMap<number, PendingActivity> | undefined;
  /** How many attempts those had that failed for good: workers ask for one of them once more under its number. */
  #failed: Map<number, number> | undefined;
  /** Attempts whose commit is under way, in the order of the turns that asked for them. */
  #toBegin: Queue<ActivityTask> | undefined;
  /** Of the instance when the last of them was asked for. */
  #state: InstanceState | undefined;
  /** So many of them are not to begin. */
  #cancelled = 0;
  /** One for all of them: commits are accepted in order, so each call is for the first that waits. */
  #beginNext: (() => void) | undefined;

  constructor(instanceId: string, services: InstanceServices, history: InstanceHistory) {
    this.#instanceId = instanceId;
    this.#services = services;
    this.#history = history;
  }

  /** Takes over what a replay found pending. */
  restore(pending: SmallMap<number, PendingActivity>, failed: Map<number, number>): void {
    this.#pending = pending;
    this.#failed = failed;
  }

  clear(): void {
    this.#pending?.clear();
    this.#failed = undefined;
  }

  /**
   * Whatever of this execution runs or is about to has its signal aborted, and its results are dropped.
   *
   * @param reason what the bodies are told
   * @param isKnown all that runs is in memory
   */
  abort(ctx: Context, executionId: string, reason: Error, isKnown: boolean): void {
    this.#cancelled = this.#toBegin?.length ?? 0;
    // What was to begin may be one that a former owner had begun, on another host.
    const isEverywhere = !isKnown || this.#cancelled > 0;
    // Once it is durable: an owner that was behind ends nothing.
    ctx.afterCommit(() => this.#services.activities.abort(executionId, reason, isEverywhere));
  }

  /** Notes a result that waits for the code. False: it is of none that is pending, or of an attempt before. */
  noteEnded(state: InstanceState, event: InputEvent & { type: 'ActivityCompleted' | 'ActivityFailed' }): boolean {
    const activity = this.#pending?.get(event.sequence);
    if (activity === undefined) return false;
    if (event.type === 'ActivityFailed' && event.attempts !== activity.attempt) return false;
    this.#pending!.delete(event.sequence);
    if (event.type === 'ActivityFailed') this.#noteFailed(state, event.sequence, event.attempts);
    return true;
  }

  #noteFailed({ onWorkers }: InstanceState, sequence: number, attempts: number): void {
    if (onWorkers) (this.#failed ??= new Map()).set(sequence, attempts);
  }

  get anyUnderWay(): boolean {
    return this.#pending?.some(isUnderWay) === true;
  }

  /** Numbers of those whose latest attempt has not ended. */
  underWay(): number[] {
    const found: number[] = [];
    for (const activity of this.#pending?.values() ?? []) if (isUnderWay(activity)) found.push(activity.sequence);
    return found;
  }

  /** After a replay: begins these once more. */
  beginLeftBehind(ctx: Context, state: InstanceState): void {
    for (const sequence of state.leftBehind) {
      const activity = this.#pending?.get(sequence);
      if (activity !== undefined) this.#begin(ctx, state, activity, true);
    }
  }

  schedule(ctx: Context, state: InstanceState, command: Command & { type: 'ScheduleActivity' }): void {
    const { sequence, name, input, kind, details, at } = command.event;
    const activity: PendingActivity = {
      sequence,
      name,
      input,
      kind,
      options: command.options,
      body: command.body,
      details,
      scheduledAtMs: at,
      attempt: 1 + (this.#failed?.get(sequence) ?? 0),
      nextAttemptAtMs: undefined,
      heartbeat: undefined,
    };
    (this.#pending ??= new SmallMap()).set(sequence, activity);
    this.#begin(ctx, state, activity);
  }

  /** `again`: it may be under way somewhere. */
  #begin(ctx: Context, state: InstanceState, activity: PendingActivity, again = false): void {
    const { executionId, workflowName, traceparent, onWorkers } = state;
    const { sequence, attempt, name, input, options, body, details, heartbeat } = activity;
    const toBegin = (this.#toBegin ??= new Queue());
    this.#state = state;
    this.#beginNext ??= () => {
      const task = toBegin.shift()!;
      if (this.#cancelled > 0) this.#cancelled -= 1;
      else if (!task.again || this.#isWanted(task)) this.#services.activities.start(task);
    };
    toBegin.push({
      instanceId: this.#instanceId,
      executionId,
      workflowName,
      sequence,
      attempt,
      name,
      input,
      options,
      body,
      lastHeartbeat: heartbeat,
      traceparent,
      details,
      patient: onWorkers,
      again,
    });
    ctx.afterCommit(this.#beginNext);
  }

  /** What is begun again may have had its result meanwhile, from whoever had it under way. */
  #isWanted({ sequence, attempt }: ActivityTask): boolean {
    const activity = this.#pending?.get(sequence);
    if (activity === undefined) return this.#state?.leftBehind.includes(sequence) === true;
    return activity.attempt === attempt && isUnderWay(activity);
  }

  /** After a replay: begins what was under way once more, and what has become due. */
  beginAgain(ctx: Context, state: InstanceState): void {
    this.#beginIf(ctx, state, () => true);
  }

  /** Begins attempts that became due while nothing could begin. */
  beginDue(ctx: Context, state: InstanceState): void {
    this.#beginIf(ctx, state, (activity) => activity.nextAttemptAtMs !== undefined);
  }

  /** Begins those that are wanted and that no reminder stands for. A clock that was set back makes none wait again. */
  #beginIf(ctx: Context, state: InstanceState, wanted: (activity: PendingActivity) => boolean): void {
    let reminders: ReadonlySet<string> | undefined;
    for (const activity of this.#pending?.values() ?? []) {
      if (!wanted(activity)) continue;
      if (activity.nextAttemptAtMs !== undefined) {
        reminders ??= new Set(ctx.reminders().map(({ name }) => name));
        if (reminders.has(`${RETRY_REMINDER}${activity.sequence}`)) continue;
      }
      const again = activity.nextAttemptAtMs === undefined;
      activity.nextAttemptAtMs = undefined;
      this.#begin(ctx, state, activity, again);
    }
  }

  /** Begins the next attempt that a reminder stood for. False when it has begun already. */
  retry(ctx: Context, state: InstanceState, sequence: number): boolean {
    const activity = this.#pending?.get(sequence);
    if (activity?.nextAttemptAtMs === undefined) return false;
    activity.nextAttemptAtMs = undefined;
    this.#begin(ctx, state, activity);
    return true;
  }

  /**
   * What a result means: `settled`, the code is to see it; `retried`, there is another attempt; `undecided`, only a function
   * on another host can tell; or nothing.
   */
  take(
    ctx: Context,
    state: InstanceState,
    sequence: number,
    attempt: number,
    result: ActivityResult,
  ): 'settled' | 'retried' | 'undecided' | 'ignored' {
    const activity = this.#pending?.get(sequence);
    if (activity === undefined) return 'ignored';
    if (!result.ok && activity.attempt !== attempt) {
      // An older attempt that ran once more after a crash, and kept the right one from beginning meanwhile.
      if (activity.nextAttemptAtMs === undefined) this.#begin(ctx, state, activity);
      return 'ignored';
    }
    if (!result.ok && isUndecided(activity, result)) return 'undecided';
    if (!result.ok && this.#retried(ctx, state, activity, result)) return 'retried';
    this.#pending!.delete(sequence);
    if (result.ok) this.#services.meter.activitiesCompleted += 1;
    else {
      this.#services.meter.activitiesFailed += 1;
      this.#noteFailed(state, sequence, attempt);
    }
    return 'settled';
  }

  /** Decides whether the activity is tried again, and records that. */
  #retried(
    ctx: Context,
    state: InstanceState,
    activity: PendingActivity,
    result: Omit<ActivityResult & { ok: false }, 'ok'>,
  ): boolean {
    const { registry, logger } = this.#services;
    const defined = activity.kind === 'activity' ? registry.activity(activity.name)?.options.retry : undefined;
    const policy = activity.options.retry ?? result.definedRetry ?? defined;
    if (policy === undefined || !result.retryable) return false;
    // What runs beside the undos is not to hold them up.
    if (state.undoing && activity.kind !== 'undo') return false;
    const nowMs = ctx.nowMs();
    let delayMs: number | undefined;
    try {
      delayMs = retryDelayMs(policy, result.failure, activity.attempt, nowMs - activity.scheduledAtMs, ctx.random());
    } catch (error) {
      const of = { instanceId: this.#instanceId, activity: activity.name, err: error };
      logger.error(of, 'retryIf threw; the activity is not tried again');
      return false;
    }
    if (delayMs === undefined) return false;
    const nextAttemptAtMs = Math.ceil(nowMs + delayMs);
    this.#history.append(ctx, state, {
      type: 'ActivityRetried',
      at: nowMs,
      sequence: activity.sequence,
      attempt: activity.attempt,
      failure: result.failure,
      nextAttemptAtMs,
      heartbeat: result.heartbeat,
    });
    activity.attempt += 1;
    activity.nextAttemptAtMs = nextAttemptAtMs;
    activity.heartbeat = result.heartbeat;
    ctx.setReminder(`${RETRY_REMINDER}${activity.sequence}`, { dueAtMs: nextAttemptAtMs });
    return true;
  }
}

/** It has no result, and no reminder stands for its next attempt. */
function isUnderWay(activity: PendingActivity): boolean {
  return activity.nextAttemptAtMs === undefined;
}

function isUndecided({ options }: PendingActivity, { retryable, decided }: ActivityResult & { ok: false }): boolean {
  return retryable && decided !== true && options.retry?.retryIf === askedElsewhere;
}
