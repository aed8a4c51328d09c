// Runs the source of one trigger on one host: opens it, gives it room, counts, closes it.
//
// R1. At most `concurrency` events are worked at; a source that hands over more waits in `deliver`.
// R2. No room is given while the runtime is unhealthy: nothing is fetched that could not be handled.
// R3. A source that runs on one host is open here only while this host owns the trigger's cursor. Two may overlap for a moment:
//     the cursor's session fences the former, and the keys of the deeds make it harmless.
// R4. A stop drains the source, lets what is out be settled within the grace time, then releases the rest.

import { waitAtMost, type CancelTimeout, type Clock } from '@troupe/actors';
import { backOffMs } from './back-off.ts';
import { SourceError, StaleReaderError } from './errors.ts';
import { EventCounters } from './event-counters.ts';
import { EventPipeline, type PipelineServices } from './event-pipeline.ts';
import { OWNER_CHECK_INTERVAL_MS, REOPEN_DELAY_MS_MAX, REOPEN_DELAY_MS_MIN, UNHEALTHY_PAUSE_MS } from './limits.ts';
import { openCursor, readerCursorActor } from './reader-cursor.ts';
import type { Settlement, SourceContext, SourceMessage, SourceReader } from './source.ts';
import type { TriggerRule } from './trigger.ts';

/** How a trigger does on this host. `standby`: another host reads. `unhealthy`: the runtime cannot take work just now. */
export type TriggerState = 'starting' | 'running' | 'standby' | 'failing' | 'unhealthy' | 'stopping' | 'stopped';

export class SourceRunner {
  readonly rule: TriggerRule;
  readonly pipeline: EventPipeline;
  readonly counters: EventCounters;
  readonly #services: PipelineServices;
  readonly #clock: Clock;
  /** Aborts when nothing new is wanted. */
  readonly #stopping = new AbortController();
  /** Aborts when the grace time is over. */
  readonly #givenUp = new AbortController();
  readonly #waiting: (() => void)[] = [];
  #reader: SourceReader | undefined;
  /** Aborts when the open reader is to end. */
  #ended = new AbortController();
  /** Why the source cannot work just now. */
  #failure: Error | undefined;
  #fatal = false;
  #inFlight = 0;
  #idle: (() => void) | undefined;
  #running: Promise<void> = Promise.resolve();
  #stopped = false;
  /** Another host has become the reader. */
  #stale = false;
  /** Cuts the pause of the loop short. */
  #wake: () => void = () => {};

  constructor(rule: TriggerRule, services: PipelineServices) {
    this.rule = rule;
    this.#services = services;
    this.#clock = services.clock;
    this.pipeline = new EventPipeline(rule, services);
    this.counters = new EventCounters(services.clock);
  }

  /** Begins; what it cannot reach it tries again. Rejects when the source can never work. */
  async start(): Promise<void> {
    if (this.rule.source.runsOn === 'every-host') await this.#open();
    this.#running = this.#run();
  }

  get reader(): SourceReader | undefined {
    return this.#reader;
  }

  get inFlight(): number {
    return this.#inFlight;
  }

  /** Why it is failing, if it is. */
  get failure(): Error | undefined {
    return this.#failure;
  }

  get state(): TriggerState {
    if (this.#stopped) return 'stopped';
    if (this.#stopping.signal.aborted) return 'stopping';
    if (this.#failure !== undefined) return 'failing';
    if (!this.#healthy) return 'unhealthy';
    if (this.#reader !== undefined) return 'running';
    return this.rule.source.runsOn === 'one-host' && !this.#isOwner ? 'standby' : 'starting';
  }

  /** Hands a message over as its source would: settled within the trigger's concurrency. Never rejects. */
  async deliver(message: SourceMessage): Promise<Settlement> {
    while (this.#inFlight >= this.rule.concurrency && !this.#givenUp.signal.aborted)
      await new Promise<void>((resolve) => this.#waiting.push(resolve));
    if (this.#givenUp.signal.aborted) return this.counters.settled({ outcome: 'released' });
    this.#inFlight++;
    const stopExtending = this.#extend(message);
    try {
      return this.counters.settled(await this.pipeline.settle(message, this.#stopping.signal));
    } finally {
      stopExtending();
      this.#inFlight--;
      this.#waiting.shift()?.();
      if (this.#inFlight === 0) this.#idle?.();
    }
  }

  async stop(graceMs: number): Promise<void> {
    this.#stopping.abort();
    this.#wake();
    for (const wake of this.#waiting.splice(0)) wake();
    await this.#running;
    const idle = new Promise<void>((resolve) => (this.#idle = resolve));
    if (this.#inFlight > 0) await waitAtMost(this.#clock, graceMs, idle);
    this.#givenUp.abort();
    for (const wake of this.#waiting.splice(0)) wake();
    await this.#close();
    this.#stopped = true;
  }

  get #healthy(): boolean {
    return this.#services.host.status().ready;
  }

  get #isOwner(): boolean {
    const { actors } = this.#services.host;
    return actors.ownerOf(readerCursorActor, this.rule.name) === actors.hostId;
  }

  /** Keeps the source open where and while it is to be open. */
  async #run(): Promise<void> {
    const oneHost = this.rule.source.runsOn === 'one-host';
    for (let failures = 0; !this.#stopping.signal.aborted;) {
      let pauseMs = OWNER_CHECK_INTERVAL_MS;
      try {
        if (oneHost && this.#reader !== undefined && (this.#stale || !this.#isOwner)) await this.#close();
        if (this.#reader === undefined && !this.#fatal && this.#healthy && (!oneHost || this.#isOwner))
          await this.#open();
        failures = 0;
      } catch (error) {
        failures++;
        pauseMs = Math.max(
          pauseMs,
          backOffMs(failures, { initialMs: REOPEN_DELAY_MS_MIN, maxMs: REOPEN_DELAY_MS_MAX }, this.#services.random),
        );
        if (error instanceof TypeError || error instanceof SourceError) this.#fatal = true;
        this.#failing(error);
      }
      await new Promise<void>((resolve) => {
        const cancel: CancelTimeout = this.#clock.setTimeout(resolve, pauseMs);
        this.#wake = () => {
          cancel();
          resolve();
        };
        if (this.#stopping.signal.aborted) this.#wake();
      });
    }
    if (this.#reader !== undefined) await this.#drain(this.#reader);
  }

  async #open(): Promise<void> {
    const { host, clock, logger, random } = this.#services;
    const { name, source, concurrency } = this.rule;
    const cursor = source.runsOn === 'one-host' ? await openCursor(host.actors, name) : undefined;
    const ended = new AbortController();
    const context: SourceContext = {
      trigger: name,
      app: host.actors.app,
      host,
      clock,
      logger,
      random,
      concurrency,
      signal: AbortSignal.any([this.#stopping.signal, ended.signal]),
      free: () => this.#free,
      room: () => this.#room(context.signal),
      deliver: (message) => this.deliver(message),
      endings: this.#services.endings,
      cursor: cursor && {
        get value() {
          return cursor.value;
        },
        save: async (value) => {
          try {
            await cursor.save(value);
          } catch (error) {
            if (error instanceof StaleReaderError) this.#lost();
            throw error;
          }
        },
      },
      failing: (error) => this.#failing(error),
      working: () => this.#working(),
    };
    const opened = await source.open(context);
    this.#stale = false;
    this.#ended = ended;
    this.#reader = opened;
  }

  /** Another host reads: this one closes, and looks again whether it is to. */
  #lost(): void {
    this.#stale = true;
    this.#wake();
  }

  async #close(): Promise<void> {
    const reader = this.#reader;
    if (reader === undefined) return;
    this.#reader = undefined;
    await this.#drain(reader);
    await reader.close();
  }

  async #drain(reader: SourceReader): Promise<void> {
    this.#ended.abort();
    for (const wake of this.#waiting.splice(0)) wake();
    await reader.drain();
  }

  get #free(): number {
    if (this.#stopping.signal.aborted || !this.#healthy) return 0;
    return Math.max(0, this.rule.concurrency - this.#inFlight);
  }

  async #room(signal: AbortSignal): Promise<number> {
    while (!signal.aborted) {
      if (this.#free > 0) return this.#free;
      await (this.#healthy
        ? new Promise<void>((resolve) => this.#waiting.push(resolve))
        : this.#unhealthyPause(signal));
    }
    return 0;
  }

  #unhealthyPause(signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const cut = (): void => {
        cancel();
        resolve();
      };
      const cancel = this.#clock.setTimeout(() => {
        signal.removeEventListener('abort', cut);
        resolve();
      }, UNHEALTHY_PAUSE_MS);
      signal.addEventListener('abort', cut, { once: true });
    });
  }

  #failing(error: unknown): void {
    const failure = error instanceof Error ? error : new Error(String(error));
    const told = this.#failure?.message === failure.message;
    this.#failure = failure;
    if (told || this.#stopping.signal.aborted) return;
    this.#services.logger.warn(
      { trigger: this.rule.name, kind: this.rule.source.kind, err: failure },
      'a source fails',
    );
  }

  #working(): void {
    if (this.#failure === undefined) return;
    this.#failure = undefined;
    this.#services.logger.info({ trigger: this.rule.name, kind: this.rule.source.kind }, 'a source works again');
  }

  /** Has the origin know that a message is worked at; the returned function ends it. */
  #extend({ extend, extendEveryMs }: SourceMessage): () => void {
    if (extend === undefined || extendEveryMs === undefined) return () => {};
    let cancel: CancelTimeout;
    let ended = false;
    const again = (): void => {
      cancel = this.#clock.setTimeout(() => {
        Promise.resolve()
          .then(extend)
          .catch((error: unknown) => {
            // Then it may come a second time, which does no harm.
            this.#services.logger.debug({ trigger: this.rule.name, err: error }, 'a message could not be kept');
          })
          .finally(() => {
            if (!ended) again();
          });
      }, extendEveryMs);
    };
    again();
    return () => {
      ended = true;
      cancel();
    };
  }
}
