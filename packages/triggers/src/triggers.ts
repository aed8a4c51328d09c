// The triggers of one host.

import { consoleLogger, waitAtMost, type AnyActorDefinition } from '@troupe/actors';
import type { EndingListener, WorkflowHost } from '@troupe/workflow';
import type { ActionPlan } from './action.ts';
import {
  deadLetterActor,
  DeadLetters,
  type DeadLetter,
  type DeadLetterPage,
  type DeadLetterQuery,
} from './dead-letter.ts';
import { EndingInbox } from './endings/ending-inbox.ts';
import { DeadLetterNotFoundError, EventFormatError, TriggerNotFoundError, TriggersNotStartedError } from './errors.ts';
import type { PipelineServices } from './event-pipeline.ts';
import { eventTags } from './event-id.ts';
import { failureOf } from './failure-class.ts';
import { busyAnswer, type HttpAnswer, type HttpRequest } from './http-exchange.ts';
import { LAG_TIMEOUT_MS, STOP_GRACE_MS } from './limits.ts';
import { readerCursorActor } from './reader-cursor.ts';
import { SourceRunner, type TriggerState } from './source-runner.ts';
import type { EventOutcome, Settlement, Source, SourceMessage } from './source.ts';
import { checkedRule, type TriggerOptions, type TriggerRule } from './trigger.ts';
import type { TriggerEvent } from './trigger-event.ts';

/** How a trigger does on this host. */
export interface TriggerStatus {
  readonly name: string;
  readonly kind: string;
  readonly runsOn: Source['runsOn'];
  readonly state: TriggerState;
  /** Why it is failing. */
  readonly reason?: string;
  /** Messages that wait at the origin, where it says so. */
  readonly lag?: number;
  readonly inFlight: number;
  /** Events by what became of them, on this host since it began. */
  readonly counts: Readonly<Partial<Record<EventOutcome, number>>>;
  /** In the whole application. */
  readonly deadLetters: number;
  readonly lastEventAt?: Date;
  readonly lastError?: string;
}

/** What a trigger would do with an event. Nothing of it was done. */
export interface DryRun {
  readonly event?: TriggerEvent;
  /** `conflict`: the instance is another's. `failure`: it would become a dead letter, at once or after its attempts. */
  readonly would: ActionPlan['action'] | 'filter' | 'duplicate' | 'conflict' | 'failure';
  readonly plan?: ActionPlan;
  readonly error?: { readonly name: string; readonly message: string; readonly permanent: boolean };
}

/** What retrying all dead letters of a trigger came to. */
export interface RetryReport {
  readonly retried: number;
  /** Still there. */
  readonly failed: number;
}

/** Defines a trigger: what is done with the events of a source. Before {@link Triggers.start} is the time for it. */
export function trigger<T = unknown>(
  triggers: Triggers,
  name: string,
  source: Source,
  options: TriggerOptions<T>,
): void {
  triggers.add(checkedRule(name, source, options));
}

/** The triggers of a host: made before it, started with it, stopped before it. */
export class Triggers implements AsyncDisposable {
  readonly #rules = new Map<string, TriggerRule>();
  readonly #runners = new Map<string, SourceRunner>();
  readonly #random: () => number;
  #services: PipelineServices | undefined;
  #stopping: Promise<void> | undefined;

  readonly #inbox = new EndingInbox(
    () => this.#rules.values(),
    () => this.#services?.logger ?? consoleLogger,
  );

  /** Give it to `startHost`: `startHost({ …, actors: triggers.actors })`. The same on all hosts of an application. */
  readonly actors: readonly AnyActorDefinition[] = [deadLetterActor, readerCursorActor, this.#inbox.actor];

  constructor(options: { readonly random?: () => number } = {}) {
    this.#random = options.random ?? Math.random;
  }

  /** Give it to `startHost` too if a trigger hears of endings: `startHost({ …, endings: triggers.endings })`. */
  get endings(): EndingListener {
    return this.#inbox.listener;
  }

  /** What {@link trigger} does. */
  add(rule: TriggerRule): void {
    if (this.#services !== undefined)
      throw new TypeError(`trigger ${rule.name} is defined too late: define triggers before they are started`);
    if (this.#rules.has(rule.name)) throw new TypeError(`trigger ${rule.name} is defined twice`);
    this.#rules.set(rule.name, rule);
  }

  /**
   * Opens all sources. Those that cannot be reached yet are tried again.
   *
   * @throws {TypeError} | {@link SourceError} when one can never work, or they were stopped; then none is open
   */
  async start(host: WorkflowHost): Promise<void> {
    if (this.#services !== undefined) throw new TypeError('triggers are started once');
    this.#checkNotStopped();
    const { activations } = host.actors.status();
    const missing = this.actors.filter(({ type }) => !Object.hasOwn(activations, type));
    if (missing.length > 0)
      throw new TypeError(
        'the host does not know the actors of its triggers: startHost({ …, actors: triggers.actors })',
      );
    const { clock, logger } = host.actors;
    this.#services = {
      host,
      clock,
      logger,
      random: this.#random,
      deadLetters: new DeadLetters(host.actors),
      endings: this.#inbox,
    };
    try {
      for (const rule of this.#rules.values()) {
        const runner = new SourceRunner(rule, this.#services);
        this.#runners.set(rule.name, runner);
        await runner.start();
        this.#checkNotStopped();
      }
    } catch (error) {
      await this.stop();
      throw error;
    }
  }

  /** Stops fetching, lets what is worked at be settled within `graceMs` (default 10 s), and releases the rest. */
  stop(options: { readonly graceMs?: number } = {}): Promise<void> {
    const graceMs = options.graceMs ?? STOP_GRACE_MS;
    return (this.#stopping ??= Promise.all([...this.#runners.values()].map((runner) => runner.stop(graceMs))).then(
      () => {},
    ));
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop();
  }

  /** Every trigger of this host, in the order of their definition. */
  async list(): Promise<readonly TriggerStatus[]> {
    return Promise.all([...this.#rules.keys()].map((name) => this.status(name)));
  }

  /** @throws {TriggerNotFoundError} */
  async status(name: string): Promise<TriggerStatus> {
    const rule = this.#rule(name);
    const { kind, runsOn } = rule.source;
    const runner = this.#runners.get(name);
    if (runner === undefined || this.#services === undefined)
      return { name, kind, runsOn, state: 'starting', inFlight: 0, counts: {}, deadLetters: 0 };
    const { counters, failure } = runner;
    const [lag, deadLetters] = await Promise.all([this.#lagOf(name, runner), this.#services.deadLetters.count(name)]);
    return {
      name,
      kind,
      runsOn,
      state: runner.state,
      ...(failure === undefined ? {} : { reason: failure.message }),
      ...(lag === undefined ? {} : { lag }),
      inFlight: runner.inFlight,
      counts: counters.byOutcome,
      deadLetters,
      ...(counters.lastEventAt === undefined ? {} : { lastEventAt: counters.lastEventAt }),
      ...(counters.lastError === undefined ? {} : { lastError: counters.lastError.message }),
    };
  }

  /**
   * Gives an HTTP request to a trigger whose source takes them.
   *
   * @throws {TriggerNotFoundError} also for triggers of other sources
   */
  async receive(name: string, request: HttpRequest): Promise<HttpAnswer> {
    const { source } = this.#rule(name);
    const reader = this.#runners.get(name)?.reader;
    if (reader?.receive !== undefined) return reader.receive(request);
    // A sender that is told of no such trigger does not send again.
    if (source.verifies !== undefined) return busyAnswer('it is not open');
    throw new TriggerNotFoundError(
      `trigger ${JSON.stringify(name)} takes no HTTP requests: its events come from ${source.kind}`,
    );
  }

  /** Whether a trigger checks by itself who sends it HTTP requests. */
  verifies(name: string): boolean {
    return this.#rules.get(name)?.source.verifies === true;
  }

  /** Hands an event to a trigger, as its source would; resolves when it is settled. */
  async deliver(name: string, message: SourceMessage): Promise<Settlement> {
    return this.#runner(name).deliver(message);
  }

  /**
   * What a trigger would do with an event; nothing is done.
   *
   * @throws {TriggerNotFoundError}
   */
  async dryRun(name: string, message: SourceMessage): Promise<DryRun> {
    const { pipeline } = this.#runner(name);
    const { event: read } = message;
    try {
      const intent = await pipeline.intent(message);
      const { event } = intent;
      if (intent.filtered) return { event, would: 'filter' };
      const { plan } = intent;
      return { event, would: await this.#foreseen(name, event, plan), plan };
    } catch (thrown) {
      const { error, kind } = failureOf(thrown);
      return {
        ...(read === undefined ? {} : { event: read }),
        would: 'failure',
        error: { name: error.name, message: error.message, permanent: kind === 'permanent' },
      };
    }
  }

  async deadLetters(name: string, query?: DeadLetterQuery): Promise<DeadLetterPage> {
    return this.#kept.list(this.#rule(name).name, query);
  }

  /** @throws {DeadLetterNotFoundError} */
  async deadLetter(name: string, id: string): Promise<DeadLetter> {
    return this.#kept.get(this.#rule(name).name, id);
  }

  /** All of them, for export. */
  allDeadLetters(name: string): AsyncGenerator<DeadLetter> {
    return this.#kept.all(this.#rule(name).name);
  }

  /**
   * Tries a dead letter once more, by the rule as it is now. It is gone when that went well; else it stays, with the new error.
   * One that is incomplete is not tried.
   *
   * @throws {DeadLetterNotFoundError}
   */
  async retryDeadLetter(name: string, id: string): Promise<Settlement> {
    const letter = await this.deadLetter(name, id);
    const { pipeline, counters } = this.#runner(name);
    if (letter.incomplete === true) {
      const error = new EventFormatError(`only a part of the event was kept, since: ${letter.error.message}`);
      return { outcome: 'dead-lettered', error, deadLetterId: id };
    }
    const content = letter.event === undefined ? { raw: letter.raw! } : { event: letter.event };
    let settlement: Settlement;
    try {
      settlement = await pipeline.once(content);
    } catch (thrown) {
      const { error, kind } = failureOf(thrown);
      const reason = kind === 'permanent' ? 'permanent' : letter.reason;
      await this.#kept.put(name, { content, incomplete: false, error, reason, attempts: 1 });
      return { outcome: 'dead-lettered', error, deadLetterId: id };
    }
    // Somebody may have been faster: the event was handled once all the same.
    await this.#kept.drop(name, id).catch(unlessGone);
    return counters.settled(settlement);
  }

  /** Tries each dead letter that is there now once more. */
  async retryDeadLetters(name: string): Promise<RetryReport> {
    let retried = 0;
    let failed = 0;
    for await (const { id } of this.allDeadLetters(name)) {
      const settlement = await this.retryDeadLetter(name, id).catch(unlessGone);
      if (settlement === undefined) continue;
      retried++;
      if (settlement.outcome === 'dead-lettered') failed++;
    }
    return { retried, failed };
  }

  /**
   * Forgets a dead letter.
   *
   * @throws {DeadLetterNotFoundError}
   */
  async dropDeadLetter(name: string, id: string): Promise<void> {
    await this.#kept.drop(this.#rule(name).name, id);
  }

  /** Undefined when the origin does not say, or not in time. */
  async #lagOf(name: string, { reader }: SourceRunner): Promise<number | undefined> {
    const { clock, logger } = this.#services!;
    let lag: number | undefined;
    const asking = Promise.resolve(reader?.lag?.()).then(
      (found) => (lag = found),
      (error: unknown) => logger.debug({ trigger: name, err: error }, 'the lag of a source is not known'),
    );
    await waitAtMost(clock, LAG_TIMEOUT_MS, asking);
    return lag;
  }

  #checkNotStopped(): void {
    if (this.#stopping !== undefined) throw new TypeError('the triggers were stopped');
  }

  get #kept(): DeadLetters {
    if (this.#services === undefined) throw new TriggersNotStartedError('the triggers are not started yet');
    return this.#services.deadLetters;
  }

  #rule(name: string): TriggerRule {
    const rule = this.#rules.get(name);
    if (rule !== undefined) return rule;
    const known = [...this.#rules.keys()].join(', ') || 'none';
    throw new TriggerNotFoundError(`there is no trigger ${JSON.stringify(name)}; there are: ${known}`);
  }

  #runner(name: string): SourceRunner {
    this.#rule(name);
    const runner = this.#runners.get(name);
    if (runner === undefined) throw new TriggersNotStartedError('the triggers are not started yet');
    return runner;
  }

  /** What a plan would meet, as far as it can be seen from outside. */
  async #foreseen(name: string, { source, id }: TriggerEvent, plan: ActionPlan): Promise<DryRun['would']> {
    if (plan.action !== 'start' && plan.action !== 'startOrRaise') return plan.action;
    const found = await this.#services!.host.workflows.get(plan.instanceId!);
    if (found === undefined) return plan.action;
    const tags = eventTags(source, id, name);
    const sameEvent =
      found.workflowName === plan.workflowName &&
      found.tags['event-source'] === tags['event-source'] &&
      found.tags['event-id'] === tags['event-id'];
    if (sameEvent) return 'duplicate';
    return plan.eventName === undefined || found.workflowName !== plan.workflowName ? 'conflict' : 'raiseEvent';
  }
}

function unlessGone(error: unknown): undefined {
  if (!(error instanceof DeadLetterNotFoundError)) throw error;
}
