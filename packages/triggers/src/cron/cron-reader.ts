// The reader of a cron source: decides each tick when it is due, starts what waits, and sleeps.
//
// C4  Nothing is forgotten that was not saved first: what is in memory is what the cursor says. A save that failed, or whose
//     outcome is unknown, is made again from there.
// C5  It reads the machine's time at each step and at least once a minute, so whoever sets that is noticed. Set back by up to a
//     day, it waits until the time has caught up with what is decided; by more, it begins anew, and the keys of the events
//     keep what was started from starting twice.
// C6  Once another host reads, nothing of it has an effect but by an event that the other would make in the same way.

import { waitAtMost } from '@troupe/actors';
import { InstanceEndedError, InstanceNotFoundError, isTerminal } from '@troupe/workflow';
import { backOffMs } from '../back-off.ts';
import { StaleReaderError } from '../errors.ts';
import { isoTime } from '../iso-time.ts';
import { CLOCK_CHECK_MS, CLOSE_GRACE_MS, CURSOR_AHEAD_MS_MAX, TICKS_AT_ONCE_MAX } from '../limits.ts';
import { Pause } from '../pause.ts';
import type { SourceContext, SourceCursor, SourceReader } from '../source.ts';
import type { TriggerEvent } from '../trigger-event.ts';
import { decide, progressOf, replacesOther, type Overlap, type Progress } from './progress.ts';
import type { Schedule } from './schedule.ts';

/** A cron source as it is checked and understood. */
export interface CronRule {
  readonly schedule: Schedule;
  readonly overlap: Overlap;
  readonly catchUpMs: number;
  readonly jitterMs: number;
  /** The event of a tick: the same for the same tick, whoever makes it. */
  eventOf(source: string, tickMs: number): TriggerEvent;
}

export class CronReader implements SourceReader {
  readonly #rule: CronRule;
  readonly #context: SourceContext;
  readonly #cursor: SourceCursor;
  /** Of its events. */
  readonly #source: string;
  readonly #closing = new AbortController();
  readonly #pause: Pause;
  readonly #running: Promise<void>;
  #progress: Progress;
  /** It is not what the cursor says yet. */
  #unsaved: boolean;
  #stopped = false;
  /** Whose end ends a rest. */
  #watched: string | undefined;
  /** Who was asked to end and is at its undos. */
  #cancelled: string | undefined;

  constructor(rule: CronRule, context: SourceContext, cursor: SourceCursor) {
    this.#rule = rule;
    this.#context = context;
    this.#cursor = cursor;
    this.#source = `cron:${context.trigger}`;
    const kept = progressOf(cursor.value);
    this.#progress = this.#beginning(kept);
    this.#unsaved = this.#progress !== kept;
    this.#pause = new Pause(context.clock);
    context.signal.addEventListener('abort', this.#stop, { once: true });
    this.#running = this.#run();
    if (context.signal.aborted) this.#stop();
  }

  drain(): Promise<void> {
    this.#stop();
    return Promise.resolve();
  }

  async close(): Promise<void> {
    this.#stop();
    this.#closing.abort();
    this.#context.signal.removeEventListener('abort', this.#stop);
    await waitAtMost(this.#context.clock, CLOSE_GRACE_MS, this.#running);
  }

  /** Ticks that wait for the instance before them. */
  lag(): Promise<number> {
    return Promise.resolve(this.#progress.waiting.length);
  }

  readonly #stop = (): void => {
    this.#stopped = true;
    this.#pause.wake();
  };

  /** Where to go on from. A schedule that is new or has changed begins now: no tick of it was missed. */
  #beginning(kept: Progress | undefined): Progress {
    const { fingerprint: schedule } = this.#rule.schedule;
    const { clock, logger, trigger } = this.#context;
    if (kept?.schedule === schedule) return kept;
    const nowMs = clock.nowMs();
    if (kept === undefined) return { kind: 'cron', schedule, decidedMs: nowMs, waiting: [], running: null };
    logger.info({ trigger, schedule, was: kept.schedule }, 'the schedule has changed and begins now');
    return { ...kept, schedule, decidedMs: Math.max(kept.decidedMs, nowMs) };
  }

  async #run(): Promise<void> {
    const { random } = this.#context;
    let failures = 0;
    while (!this.#stopped) {
      try {
        const moved = await this.#step();
        if (failures > 0) this.#context.working();
        failures = 0;
        if (!moved) await this.#rest(this.#idleMs());
      } catch (error) {
        // Whoever made this reader finds out as well, and closes it.
        if (error instanceof StaleReaderError) return this.#stop();
        if (!this.#closing.signal.aborted) this.#context.failing(error);
        await this.#rest(backOffMs(++failures, {}, random));
      }
    }
  }

  /** Does what there is to do now; false when there was nothing. */
  async #step(): Promise<boolean> {
    if (this.#unsaved) await this.#save(this.#progress);
    const { clock } = this.#context;
    await this.#noticeWrongClock();
    const { overlap } = this.#rule;
    const nowMs = clock.nowMs();
    const due = this.#dueMs() <= nowMs;
    if (!due && this.#progress.waiting.length === 0) return false;
    const busy = overlap !== 'allow-all' && (await this.#busy());
    if (!due && busy && !this.#mayEndOther()) return false;
    if ((await this.#context.room()) === 0 || this.#stopped) return false;
    // It may have waited for long, and then everything is another.
    if (clock.nowMs() - nowMs >= 1_000) return true;
    // What is to be replaced at once anyway is not started.
    if (due && (busy || replacesOther(overlap) || this.#progress.waiting.length === 0)) {
      await this.#decideDue(nowMs, busy);
      return true;
    }
    if (busy) return this.#endOther();
    await this.#startFirst();
    return true;
  }

  /** Decides ticks that are due, until one of them can start or there are many. */
  async #decideDue(nowMs: number, busy: boolean): Promise<void> {
    const { overlap, catchUpMs, jitterMs } = this.#rule;
    const { logger, trigger } = this.#context;
    const tooOldMs = nowMs - catchUpMs - jitterMs;
    let progress = this.#progress;
    if (this.#next(progress) < tooOldMs) {
      const missed = { trigger, from: isoTime(this.#next(progress)), before: isoTime(tooOldMs) };
      logger.warn(missed, 'ticks were missed that are older than catchUpMs; they are dropped');
      progress = { ...progress, decidedMs: tooOldMs - 1 };
    }
    let overflown = 0;
    for (let count = 0; count < TICKS_AT_ONCE_MAX && this.#dueMs(progress) <= nowMs; count++) {
      const tickMs = this.#next(progress);
      const decided = decide(progress, tickMs, overlap, busy);
      progress = decided.progress;
      if (decided.fate === 'overflows') overflown++;
      if (decided.fate === 'skipped')
        logger.debug(
          { trigger, tick: isoTime(tickMs) },
          'a tick was skipped: the instance of an earlier one is running',
        );
      if (decided.fate === 'starts' && !replacesOther(overlap)) break;
    }
    await this.#save(progress);
    if (overflown > 0)
      logger.warn(
        { trigger, dropped: overflown, waiting: progress.waiting.length },
        'ticks were dropped: too many wait for the instances before them',
      );
  }

  /** Starts the tick that has waited longest. */
  async #startFirst(): Promise<void> {
    const { waiting } = this.#progress;
    const event = this.#rule.eventOf(this.#source, waiting[0]!);
    const { outcome, instanceId, error } = await this.#context.deliver({ event });
    if (outcome === 'released') {
      if (this.#stopped) return;
      throw error ?? new Error(`the tick of ${event.id} was released`);
    }
    const started = outcome === 'started' || outcome === 'duplicate' ? instanceId : undefined;
    this.#cancelled = undefined;
    await this.#saveUntilClosed({
      ...this.#progress,
      waiting: waiting.slice(1),
      running: started ?? this.#progress.running,
    });
  }

  /** A deed that is done is to be remembered, also when it ended after the source began to stop. */
  async #saveUntilClosed(progress: Progress): Promise<void> {
    for (let failures = 1; ; failures++) {
      try {
        return await this.#save(progress);
      } catch (error) {
        if (error instanceof StaleReaderError || !this.#stopped || this.#closing.signal.aborted) throw error;
        await this.#rest(backOffMs(failures, {}, this.#context.random));
      }
    }
  }

  async #save(progress: Progress): Promise<void> {
    await this.#cursor.save(progress);
    this.#progress = progress;
    this.#unsaved = false;
  }

  /** Whether the instance that was started last is running. */
  async #busy(): Promise<boolean> {
    const { running } = this.#progress;
    if (running === null) return false;
    const found = await this.#context.host.workflows.get(running);
    if (found !== undefined && !isTerminal(found.runtimeStatus)) return true;
    // Need not be saved: whoever reads the cursor next finds out as this one did.
    this.#progress = { ...this.#progress, running: null };
    return false;
  }

  /** Whether what runs can be asked to make room and was not yet. */
  #mayEndOther(): boolean {
    return replacesOther(this.#rule.overlap) && this.#cancelled !== this.#progress.running;
  }

  /** Has what runs make room for what waits; false when that takes its time. */
  async #endOther(): Promise<boolean> {
    if (!this.#mayEndOther()) return false;
    const running = this.#progress.running!;
    const undo = this.#rule.overlap === 'cancel-other';
    try {
      await this.#context.host.workflows.terminate(running, { undo });
    } catch (error) {
      if (!(error instanceof InstanceEndedError || error instanceof InstanceNotFoundError)) throw error;
    }
    this.#cancelled = running;
    return true;
  }

  /** @see C5 */
  async #noticeWrongClock(): Promise<void> {
    const { clock, logger, trigger } = this.#context;
    const nowMs = clock.nowMs();
    const { decidedMs } = this.#progress;
    if (decidedMs - nowMs <= CURSOR_AHEAD_MS_MAX) return;
    logger.warn(
      { trigger, decidedUpTo: isoTime(decidedMs), now: isoTime(nowMs) },
      'ticks were decided under a clock that was far ahead; the schedule begins anew now',
    );
    await this.#save({ ...this.#progress, decidedMs: nowMs });
  }

  #next(progress = this.#progress): number {
    return this.#rule.schedule.next(progress.decidedMs);
  }

  #dueMs(progress = this.#progress): number {
    return this.#rule.schedule.dueMs(this.#next(progress), this.#rule.jitterMs, this.#source);
  }

  #idleMs(): number {
    const { waiting, running } = this.#progress;
    if (waiting.length > 0 && running !== null) this.#watch(running);
    return Math.min(this.#dueMs() - this.#context.clock.nowMs(), CLOCK_CHECK_MS);
  }

  /** Ends a rest when an instance ends. When that cannot be heard, the next look at the clock finds out. */
  #watch(instanceId: string): void {
    if (this.#watched === instanceId) return;
    this.#watched = instanceId;
    const forget = (): void => {
      if (this.#watched === instanceId) this.#watched = undefined;
    };
    this.#context.host.workflows.wait(instanceId, { signal: this.#closing.signal }).then(() => {
      forget();
      this.#pause.wake();
    }, forget);
  }

  /** Waits for a time, or until somebody wakes it. */
  async #rest(delayMs: number): Promise<void> {
    if (!this.#closing.signal.aborted) await this.#pause.wait(delayMs);
  }
}
