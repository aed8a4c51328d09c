// From a message to its settlement: read → types → schema → filter → plan → deed; failures are tried again, or kept.
//
// P1. A message is settled as anything but `released` only when what it did, or its dead letter, is durable.
// P2. An attempt counts when it ended by a fault of the event or of what it is done to. While the runtime is unhealthy, and for
//     a while after an event first met a runtime that was away, none is used up.
// P3. Nothing before the deed has an effect; a dry run is all of it but the deed.

import type { Clock, Logger } from '@troupe/actors';
import { validated, type WorkflowHost } from '@troupe/workflow';
import type { Action, ActionPlan, ActionResult } from './action.ts';
import { backOffMs } from './back-off.ts';
import { readEvent } from './cloud-event.ts';
import type { DeadLetters, EventFailure } from './dead-letter.ts';
import type { EndingInbox } from './endings/ending-inbox.ts';
import { EventFormatError, TryLaterError } from './errors.ts';
import { failureClass, failureOf, PermanentFailure } from './failure-class.ts';
import { EVENT_BYTES_MAX, OVERSIZE_BYTES_KEPT, RUNTIME_PATIENCE_MS } from './limits.ts';
import { pauseUnless } from './pause.ts';
import type { Settlement, SourceMessage } from './source.ts';
import type { TriggerRule } from './trigger.ts';
import type { RawMessage, TriggerEvent } from './trigger-event.ts';

/** What a pipeline works with. */
export interface PipelineServices {
  readonly host: WorkflowHost;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly random: () => number;
  readonly deadLetters: DeadLetters;
  readonly endings: EndingInbox;
}

/** What would be done with an event. */
export type Intent =
  | { readonly filtered: true; readonly event: TriggerEvent }
  | { readonly filtered: false; readonly event: TriggerEvent; readonly action: Action; readonly plan: ActionPlan };

export class EventPipeline {
  readonly #rule: TriggerRule;
  readonly #services: PipelineServices;

  constructor(rule: TriggerRule, services: PipelineServices) {
    this.#rule = rule;
    this.#services = services;
  }

  /** Handles a message until it is settled, or `signal` aborts. Never rejects. */
  async settle(message: SourceMessage, signal: AbortSignal): Promise<Settlement> {
    const { clock, host, random } = this.#services;
    const { attemptsMax } = this.#rule;
    const firstAtMs = clock.nowMs();
    let attempts = 0;
    let failures = 0;
    for (;;) {
      try {
        return await this.once(message);
      } catch (thrown) {
        const { error, kind } = failureOf(thrown);
        failures++;
        const patient = !host.status().ready || (kind === 'runtime' && clock.nowMs() - firstAtMs < RUNTIME_PATIENCE_MS);
        if (kind === 'permanent' || !patient) attempts++;
        if (kind === 'permanent' || attempts >= attemptsMax) {
          const reason = kind === 'permanent' ? 'permanent' : 'exhausted';
          return this.#bury({ ...keptOf(message), error, reason, attempts }, signal);
        }
        if (!(await pauseUnless(signal, clock, backOffMs(failures, this.#rule.backOff, random))))
          return { outcome: 'released', error };
      }
    }
  }

  /** One attempt. Throws what it failed by. */
  async once(message: SourceMessage): Promise<Settlement> {
    const intent = await this.intent(message);
    if (intent.filtered) return { outcome: 'filtered' };
    const { event, action, plan } = intent;
    const { name: trigger, dedupForMs } = this.#rule;
    const result: ActionResult = await action.perform(plan, { host: this.#services.host, trigger, event, dedupForMs });
    return result;
  }

  /**
   * What would be done. Has no effect.
   *
   * @throws {PermanentFailure} | {@link TryLaterError}
   */
  async intent(message: SourceMessage): Promise<Intent> {
    const { types, schema, filter, action: actionOf } = this.#rule;
    try {
      const read = message.event ?? readRaw(message);
      if (types !== undefined && !types.includes(read.type)) return { filtered: true, event: read };
      const what = `the data of event ${JSON.stringify(read.id)}`;
      const event = schema === undefined ? read : { ...read, data: await validated(schema, read.data, what) };
      if (filter !== undefined && !(await filter(event))) return { filtered: true, event };
      const action = await actionOf(event);
      const plan = await action.plan(event);
      checkPlan(plan);
      return { filtered: false, event, action, plan };
    } catch (error) {
      if (error instanceof TryLaterError) throw error;
      throw new PermanentFailure(error);
    }
  }

  /** Keeps a failure for people, or settles the message without, as the rule says. */
  async #bury(failure: EventFailure, signal: AbortSignal): Promise<Settlement> {
    const { logger, clock, deadLetters, random } = this.#services;
    const { name: trigger, attemptsMax } = this.#rule;
    const { error } = failure;
    const named = 'event' in failure.content ? failure.content.event : failure.content.raw.plain;
    const about = { trigger, source: named.source, id: named.id, err: error, attempts: failure.attempts };
    if (!this.#rule.keepsDeadLetters) {
      logger.error(about, 'an event could not be handled, and is dropped');
      return { outcome: 'dropped', error };
    }
    let kept = failure;
    for (let failures = 1; ; failures++) {
      try {
        const deadLetterId = await deadLetters.put(trigger, kept);
        logger.warn({ ...about, deadLetterId }, 'an event could not be handled, and is a dead letter now');
        return { outcome: 'dead-lettered', error, deadLetterId };
      } catch (thrown) {
        logger.warn({ ...about, err: thrown }, 'a dead letter could not be stored; it is tried again');
        // It would never be, and keep its place for ever.
        const kind = failureClass(thrown);
        if (kind === 'permanent' || (kind === 'transient' && failures >= attemptsMax)) kept = withoutData(failure);
        if (!(await pauseUnless(signal, clock, backOffMs(failures, this.#rule.backOff, random))))
          return { outcome: 'released', error };
      }
    }
  }
}

function readRaw({ raw, refused }: Extract<SourceMessage, { readonly raw: RawMessage }>): TriggerEvent {
  if (refused !== undefined) throw refused;
  if (raw.body.byteLength > EVENT_BYTES_MAX)
    throw new EventFormatError(
      `an event has at most ${EVENT_BYTES_MAX} bytes, this one has ${raw.body.byteLength}: keep large data elsewhere and send a reference`,
    );
  return readEvent(raw);
}

/** What is kept of a message that could not be handled. */
function keptOf(message: SourceMessage): Pick<EventFailure, 'content' | 'incomplete'> {
  if (message.event !== undefined) return { content: { event: message.event }, incomplete: false };
  const { raw, refused } = message;
  if (refused !== undefined) return { content: { raw }, incomplete: true };
  if (raw.body.byteLength > EVENT_BYTES_MAX)
    return { content: { raw: { ...raw, body: raw.body.slice(0, OVERSIZE_BYTES_KEPT) } }, incomplete: true };
  try {
    return { content: { event: readEvent(raw) }, incomplete: false };
  } catch {
    // That is why it is kept as it came.
    return { content: { raw }, incomplete: false };
  }
}

/** The names of an event alone: they can be stored in any case. */
function withoutData({ content, ...failure }: EventFailure): EventFailure {
  const { source, id, type } = 'event' in content ? content.event : content.raw.plain;
  const named = { source: String(source), id: String(id), type: String(type) };
  return {
    ...failure,
    content: { event: { ...named, extensions: {}, headers: {}, data: undefined } },
    incomplete: true,
  };
}

/** @throws {TypeError} when a rule's functions gave something that cannot be meant */
function checkPlan({ action, instanceId, eventName, startAt, tags }: ActionPlan): void {
  if (action !== 'callActor' && action !== 'drop' && (typeof instanceId !== 'string' || instanceId === ''))
    throw new TypeError(`instanceId of ${action} is a string that is not empty, the mapping gave ${shown(instanceId)}`);
  if (eventName !== undefined && (typeof eventName !== 'string' || eventName === ''))
    throw new TypeError(`eventName of ${action} is a string that is not empty, the mapping gave ${shown(eventName)}`);
  if (startAt !== undefined && !(startAt instanceof Date && !Number.isNaN(startAt.getTime())))
    throw new TypeError(`startAt of ${action} is a valid Date, the mapping gave ${shown(startAt)}`);
  if (tags !== undefined && (typeof tags !== 'object' || tags === null))
    throw new TypeError(`tags of ${action} are an object of strings, the mapping gave ${shown(tags)}`);
}

function shown(value: unknown): string {
  return typeof value === 'string' ? JSON.stringify(value.slice(0, 64)) : String(value);
}
