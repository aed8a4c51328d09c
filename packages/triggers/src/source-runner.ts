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
import { Pause, pauseUnless } from './pause.ts';
import { openCursor, readerCursorActor } from './reader-cursor.ts';
import type { Settlement, SourceContext, SourceCursor, SourceMessage, SourceReader } from './source.ts';
import type { TriggerRule } from './trigger.ts';
import { WorkPlaces } from './work-places.ts';

/** How a trigger does on this host. `standby`: another host reads. `unhealthy`: the runtime cannot take work just now. */
export type TriggerState = 'starting' | 'running' | 'standby' | 'failing' | 'unhealthy' | 'stopping' | 'stopped';

/** A source from the beginning of its opening until it is closed. */
interface Session {
  /** Undefined while it is being opened. */
  reader: SourceReader | undefined;
  /** Aborts when it is to end. */
  readonly ended: AbortController;
  /** Another host has become the reader. */
  isStale: boolean;
}

export class SourceRunner {
  readonly rule: TriggerRule;
  readonly pipeline: EventPipeline;
  readonly counters: EventCounters;
  readonly #services: PipelineServices;
  readonly #clock: Clock;
  /** Aborts when nothing new is wanted. */
  readonly #stopping = new AbortController();
  readonly #places: WorkPlaces;
  /** Of the loop. */
  readonly #pause: Pause;
  #session: Session | undefined;
  /** Why the source cannot work just now. */
  #failure: Error | undefined;
  #fatal = false;
  #running: Promise<void> = Promise.resolve();
  #stopped = false;

  constructor(rule: TriggerRule, services: PipelineServices) {
    this.rule = rule;
    this.#services = services;
    this.#clock = services.clock;
    this.pipeline = new EventPipeline(rule, services);
    this.counters = new EventCounters(services.clock);
    this.#places = new WorkPlaces(rule.concurrency);
    this.#pause = new Pause(services.clock);
  }

  /** Begins; what it cannot reach it tries again. Rejects when the source can never work. */
  async start(): Promise<void> {
    if (this.rule.source.runsOn === 'every-host') {
      const opening = this.#open();
      // What it fails by is told here.
      this.#running = opening.catch(() => {});
      await opening;
    }
    this.#running = this.#run();
  }

  get reader(): SourceReader | undefined {
    return this.#session?.reader;
  }

  get inFlight(): number {
    return this.#places.taken;
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
    if (this.reader !== undefined) return 'running';
    return this.rule.source.runsOn === 'one-host' && !this.#isOwner ? 'standby' : 'starting';
  }

  /** Hands a message over as its source would: settled within the trigger's concurrency. Never rejects. */
  async deliver(message: SourceMessage, signal: AbortSignal = this.#stopping.signal): Promise<Settlement> {
    if (!(await this.#places.take())) return this.counters.settled({ outcome: 'released' });
    const stopExtending = this.#extend(message);
    try {
      return this.counters.settled(await this.pipeline.settle(message, signal));
    } finally {
      stopExtending();
      this.#places.leave();
    }
  }

  async stop(graceMs: number): Promise<void> {
    this.#stopping.abort();
    this.#session?.ended.abort();
    this.#places.wake();
    this.#pause.wake();
    // An opening that goes on for longer closes what it has opened.
    const settled = this.#running.then(() => this.#drain(this.reader)).then(() => this.#places.idle());
    await waitAtMost(this.#clock, graceMs, settled);
    this.#places.close();
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
        if (this.#session === undefined) {
          if (!this.#fatal && this.#healthy && (!oneHost || this.#isOwner)) await this.#open();
        } else if (oneHost && (this.#session.isStale || !this.#isOwner)) {
          // It may be opened again, but not at once: two hosts that both take themselves for the owner would take turns.
          await this.#close();
          this.#failure = undefined;
        }
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
      await this.#pause.wait(pauseMs);
    }
  }

  async #open(): Promise<void> {
    const { host } = this.#services;
    const { name, source } = this.rule;
    const session: Session = { reader: undefined, ended: new AbortController(), isStale: false };
    const failureBefore = this.#failure;
    this.#session = session;
    let reader: SourceReader;
    try {
      const cursor = source.runsOn === 'one-host' ? await openCursor(host.actors, name) : undefined;
      reader = await source.open(this.#contextOf(session, cursor));
    } catch (error) {
      if (this.#session === session) this.#session = undefined;
      throw error;
    }
    // A stop has not waited for it.
    if (this.#session !== session) return this.#end(reader);
    session.reader = reader;
    if (this.#failure === failureBefore) this.#working();
  }

  #contextOf(session: Session, cursor: SourceCursor | undefined): SourceContext {
    const { host, clock, logger, random, endings } = this.#services;
    const { signal } = session.ended;
    return {
      trigger: this.rule.name,
      app: host.actors.app,
      host,
      clock,
      logger,
      random,
      concurrency: this.rule.concurrency,
      signal,
      free: () => (signal.aborted || !this.#healthy ? 0 : this.#places.free),
      room: () => this.#room(signal),
      deliver: (message) => this.deliver(message, signal),
      endings,
      cursor: cursor && {
        get value() {
          return cursor.value;
        },
        save: async (value) => {
          try {
            await cursor.save(value);
          } catch (error) {
            if (error instanceof StaleReaderError) {
              session.isStale = true;
              this.#pause.wake();
            }
            throw error;
          }
        },
      },
      failing: (error) => this.#failing(error),
      working: () => this.#working(),
    };
  }

  async #close(): Promise<void> {
    const session = this.#session;
    if (session === undefined) return;
    this.#session = undefined;
    session.ended.abort();
    this.#places.wake();
    if (session.reader !== undefined) await this.#end(session.reader);
  }

  /** Never rejects: what one reader cannot do is nothing that the others, and the stop, have to wait for. */
  async #end(reader: SourceReader): Promise<void> {
    await this.#drain(reader);
    await reader.close().catch((error: unknown) => this.#cannotEnd(error));
  }

  async #drain(reader: SourceReader | undefined): Promise<void> {
    await reader?.drain().catch((error: unknown) => this.#cannotEnd(error));
  }

  #cannotEnd(error: unknown): void {
    this.#services.logger.warn(
      { trigger: this.rule.name, kind: this.rule.source.kind, err: error },
      'a source could not be closed as it should',
    );
  }

  async #room(signal: AbortSignal): Promise<number> {
    while (!signal.aborted) {
      if (!this.#healthy) await pauseUnless(signal, this.#clock, UNHEALTHY_PAUSE_MS);
      else if (this.#places.free > 0) return this.#places.free;
      else await this.#places.room();
    }
    return 0;
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
