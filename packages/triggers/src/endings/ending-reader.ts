// Hands the endings that the inbox has over to a trigger, and tells the inbox which are settled.

import { waitAtMost } from '@troupe/actors';
import type { Ending } from '@troupe/workflow';
import { TRIGGER_TAG } from '../event-id.ts';
import { CLOSE_GRACE_MS, ENDINGS_WAITING_MAX } from '../limits.ts';
import type { SourceContext, SourceReader } from '../source.ts';
import type { TriggerEvent } from '../trigger-event.ts';
import type { EndingInbox } from './ending-inbox.ts';

export interface EndingRule {
  /** Hears also of instances that this very trigger started. */
  readonly ownInstances: boolean;
  eventOf(ending: Ending): TriggerEvent;
}

export class EndingReader implements SourceReader {
  readonly #rule: EndingRule;
  readonly #context: SourceContext;
  readonly #inbox: EndingInbox;
  readonly #leave: () => void;
  /** Taken over, by the ids of their actors, in order. */
  readonly #waiting = new Map<string, Ending>();
  /** Handed over, and what tells the inbox. */
  readonly #out = new Map<string, Promise<void>>();
  #pumping = false;
  #stopped = false;

  constructor(rule: EndingRule, context: SourceContext, inbox: EndingInbox) {
    this.#rule = rule;
    this.#context = context;
    this.#inbox = inbox;
    this.#leave = inbox.open(context.trigger, (actorId, ending) => this.#take(actorId, ending));
  }

  drain(): Promise<void> {
    this.#stopped = true;
    this.#leave();
    // The inbox has them still.
    this.#waiting.clear();
    return Promise.resolve();
  }

  async close(): Promise<void> {
    await this.drain();
    await waitAtMost(this.#context.clock, CLOSE_GRACE_MS, Promise.all(this.#out.values()));
  }

  lag(): Promise<number> {
    return Promise.resolve(this.#waiting.size);
  }

  #take(actorId: string, ending: Ending): void {
    if (this.#stopped || this.#waiting.size >= ENDINGS_WAITING_MAX || this.#out.has(actorId)) return;
    this.#waiting.set(actorId, ending);
    if (!this.#pumping) void this.#pump();
  }

  async #pump(): Promise<void> {
    this.#pumping = true;
    while (this.#waiting.size > 0) {
      let room = await this.#context.room();
      if (room === 0 || this.#stopped) break;
      for (const [actorId, ending] of this.#waiting) {
        if (room-- === 0) break;
        this.#waiting.delete(actorId);
        this.#out.set(
          actorId,
          this.#settle(actorId, ending).finally(() => this.#out.delete(actorId)),
        );
      }
    }
    this.#pumping = false;
  }

  /** Never rejects: what goes wrong here the inbox tries again. */
  async #settle(actorId: string, ending: Ending): Promise<void> {
    const { host, logger, trigger } = this.#context;
    const { instanceId, workflowName } = ending;
    if (ending.tags[TRIGGER_TAG] === trigger && !this.#rule.ownInstances) {
      logger.warn({ trigger, instanceId, workflowName }, OWN_INSTANCE);
    } else {
      const { outcome } = await this.#context.deliver({ event: this.#rule.eventOf(ending) });
      if (outcome === 'released') return;
    }
    try {
      await host.actors.actor(this.#inbox.actor, actorId).settled(trigger);
    } catch (error) {
      logger.debug({ trigger, instanceId, err: error }, 'an ending that is settled comes again');
    }
  }
}

const OWN_INSTANCE =
  'an ending is dropped: the trigger started this instance itself, and to hear of it could go on for ever; see ownInstances';
