// Events that could not be handled, for all kinds of sources alike: each is an actor of its own, so that there may be many, one
// can be shown, retried and dropped without the others, and the store's lists show them by trigger.

import { actor, type ActorHost, type TroupeError } from '@troupe/actors';
import { DeadLetterNotFoundError } from './errors.ts';
import { eventTags, shortHash } from './event-id.ts';
import { DEAD_LETTER_PAGE_DEFAULT, DEAD_LETTER_PAGE_MAX, ERROR_MESSAGE_LENGTH_MAX } from './limits.ts';
import type { RawMessage, TriggerEvent } from './trigger-event.ts';

/** What went wrong last. */
export interface DeadLetterError {
  /** Its class. */
  readonly name: string;
  /** Its stable code, of those that have one. */
  readonly code?: string;
  readonly message: string;
}

/** An event that could not be handled. */
export interface DeadLetter {
  /** Of the event, within its trigger: the same event has one dead letter, however often it comes. */
  readonly id: string;
  readonly trigger: string;
  /** `permanent`: it would have failed again. `exhausted`: all attempts were made. */
  readonly reason: 'permanent' | 'exhausted';
  readonly error: DeadLetterError;
  /** In all, retries by hand too. */
  readonly attempts: number;
  readonly firstFailedAt: Date;
  readonly lastFailedAt: Date;
  /** Undefined when what came could not be read. */
  readonly event?: TriggerEvent;
  /** What came, when it could not be read. */
  readonly raw?: RawMessage;
  /** This is not all of what came, which could not be kept: it is not tried again. */
  readonly incomplete?: true;
}

export interface DeadLetterPage {
  /** Newest first. */
  readonly deadLetters: readonly DeadLetter[];
  /** Give it back for the next page; absent on the last. */
  readonly cursor?: string;
}

export interface DeadLetterQuery {
  /** Default 50, at most 1,000. */
  readonly limit?: number | undefined;
  readonly cursor?: string | undefined;
}

/** A failure of an event, to be kept. */
export interface EventFailure {
  readonly content: { readonly event: TriggerEvent } | { readonly raw: RawMessage };
  /** `content` is not all of it. */
  readonly incomplete: boolean;
  readonly error: Error;
  readonly reason: DeadLetter['reason'];
  readonly attempts: number;
}

const TYPE = 'trigger-dead-letter';
/** Dead letters do not change status: they are there or not. */
const WAITING = 'waiting';

/** The record of one; times are epoch milliseconds. */
interface Kept {
  letter: (Omit<DeadLetter, 'firstFailedAt' | 'lastFailedAt'> & { firstAtMs: number; lastAtMs: number }) | null;
}

export const deadLetterActor = actor(TYPE, {
  state: (): Kept => ({ letter: null }),
  methods: {
    put(ctx, trigger: string, id: string, failure: Omit<EventFailure, 'error'> & { error: DeadLetterError }): void {
      const { content, incomplete, error, reason, attempts } = failure;
      const before = ctx.state.letter;
      const nowMs = ctx.nowMs();
      ctx.state = {
        letter: {
          id,
          trigger,
          reason,
          error,
          attempts: (before?.attempts ?? 0) + attempts,
          firstAtMs: before?.firstAtMs ?? nowMs,
          lastAtMs: nowMs,
          ...content,
          ...(incomplete ? { incomplete } : {}),
        },
      };
      const named = 'event' in content ? content.event : content.raw.plain;
      ctx.summarize({
        name: trigger,
        status: WAITING,
        createdAtMs: before?.firstAtMs ?? nowMs,
        tags: eventTags(named.source, named.id ?? id, trigger),
      });
    },
    remove(ctx): boolean {
      const found = ctx.state.letter !== null;
      ctx.purge();
      return found;
    },
  },
  readOnly: {
    get: (ctx): Kept['letter'] => ctx.state.letter,
  },
});

/** The dead letters of all triggers of an application. */
export class DeadLetters {
  readonly #host: ActorHost;

  constructor(host: ActorHost) {
    this.#host = host;
  }

  /** Keeps a failure, and resolves with the id of its dead letter once that is durable. */
  async put(trigger: string, failure: EventFailure): Promise<string> {
    const id = deadLetterId(failure.content);
    await this.#actor(trigger, id).put(trigger, id, { ...failure, error: describedError(failure.error) });
    return id;
  }

  async list(trigger: string, query: DeadLetterQuery = {}): Promise<DeadLetterPage> {
    const { actorIds, cursor } = await this.#page(trigger, query);
    const found = await Promise.all(actorIds.map((actorId) => this.#host.actor(deadLetterActor, actorId).get()));
    const deadLetters = found.filter((letter) => letter !== null).map(shown);
    return cursor === undefined ? { deadLetters } : { deadLetters, cursor };
  }

  /** @throws {DeadLetterNotFoundError} */
  async get(trigger: string, id: string): Promise<DeadLetter> {
    const letter = isId(id) ? await this.#actor(trigger, id).get() : null;
    if (letter === null) throw notFound(trigger, id);
    return shown(letter);
  }

  /**
   * Forgets one.
   *
   * @throws {DeadLetterNotFoundError}
   */
  async drop(trigger: string, id: string): Promise<void> {
    if (!isId(id) || !(await this.#actor(trigger, id).remove())) throw notFound(trigger, id);
  }

  async count(trigger: string): Promise<number> {
    return (await this.#host.count({ type: TYPE, name: trigger }))[WAITING] ?? 0;
  }

  /** All of them, newest first, one at a time: they may be large. Those that come or go meanwhile may be among them or not. */
  async *all(trigger: string): AsyncGenerator<DeadLetter> {
    let cursor: string | undefined;
    do {
      const page = await this.#page(trigger, { cursor });
      for (const actorId of page.actorIds) {
        const letter = await this.#host.actor(deadLetterActor, actorId).get();
        if (letter !== null) yield shown(letter);
      }
      ({ cursor } = page);
    } while (cursor !== undefined);
  }

  async #page(
    trigger: string,
    { limit = DEAD_LETTER_PAGE_DEFAULT, cursor }: DeadLetterQuery,
  ): Promise<{ readonly actorIds: readonly string[]; readonly cursor: string | undefined }> {
    if (!Number.isSafeInteger(limit) || limit < 1 || limit > DEAD_LETTER_PAGE_MAX)
      throw new RangeError(`limit is an integer from 1 to ${DEAD_LETTER_PAGE_MAX}, got ${String(limit)}`);
    const page = await this.#host.list(
      { type: TYPE, name: trigger },
      cursor === undefined ? { limit } : { limit, cursor },
    );
    return { actorIds: page.actors.map(({ address }) => address.id), cursor: page.cursor };
  }

  #actor(trigger: string, id: string) {
    return this.#host.actor(deadLetterActor, `${trigger}/${id}`);
  }
}

/** The same event, or the same bytes, has the same dead letter. */
function deadLetterId(content: EventFailure['content']): string {
  if ('event' in content) return shortHash(content.event.source, content.event.id);
  const { plain, body } = content.raw;
  return shortHash(plain.source, plain.id ?? '', body);
}

/** Whoever asks for another one gets no actor for it. */
function isId(id: string): boolean {
  return /^[a-z2-7]{26}$/.test(id);
}

function describedError(error: Error): DeadLetterError {
  const { code } = error as Partial<TroupeError>;
  return {
    name: error.name,
    ...(typeof code === 'string' ? { code } : {}),
    message: error.message.slice(0, ERROR_MESSAGE_LENGTH_MAX).toWellFormed(),
  };
}

function shown({ firstAtMs, lastAtMs, ...letter }: NonNullable<Kept['letter']>): DeadLetter {
  return { ...letter, firstFailedAt: new Date(firstAtMs), lastFailedAt: new Date(lastAtMs) };
}

function notFound(trigger: string, id: string): DeadLetterNotFoundError {
  return new DeadLetterNotFoundError(
    `trigger ${JSON.stringify(trigger)} has no dead letter ${JSON.stringify(id.slice(0, 64))}`,
  );
}
