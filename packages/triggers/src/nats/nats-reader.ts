// Listens to a subject of core NATS, in a queue group with all other hosts.
//
// NR1 The server keeps nothing for us: a message that came is only here until it is settled, and lost with this process.
// NR2 What there is no room for waits here, up to a bound; beyond it messages are dropped, and counted in the log.
// NR3 Whoever asks for a reply gets one after the settlement, or is told `released` when there is none to come: asking again
//     until there is another reply is at least once. A dropped request is answered too.

import type { Msg, NatsConnection, Subscription } from '@nats-io/transport-node';
import { GrowingPause } from '../growing-pause.ts';
import { sharedName } from '../shared-name.ts';
import type { EventOutcome, SourceContext, SourceReader } from '../source.ts';
import { WaitingRoom } from '../waiting-room.ts';
import type { NatsOptions } from '../nats.ts';
import { NatsLink } from './nats-link.ts';
import { rawMessageOf } from './nats-message.ts';

/** What is answered to a message that asks for a reply, as JSON. */
export interface NatsReply {
  /** `released`: nothing was done; ask again. */
  readonly outcome: EventOutcome;
  readonly instanceId?: string;
  readonly deadLetterId?: string;
  /** Why it became a dead letter, or was released. */
  readonly error?: string;
}

export class NatsReader implements SourceReader {
  readonly #options: NatsOptions;
  readonly #context: SourceContext;
  readonly #link: NatsLink;
  readonly #waiting: WaitingRoom<Msg>;
  readonly #pause: GrowingPause;
  #subscription: Subscription | undefined;
  #draining: Promise<void> | undefined;
  /** Since there was a place last. */
  #dropped = 0;

  /** @throws {SourceError} when the client is not installed */
  static async open(options: NatsOptions, context: SourceContext): Promise<NatsReader> {
    const reader = new NatsReader(options, context);
    await reader.#link.open();
    return reader;
  }

  private constructor(options: NatsOptions, context: SourceContext) {
    this.#options = options;
    this.#context = context;
    this.#pause = new GrowingPause(context.clock, context.random);
    this.#waiting = new WaitingRoom(
      context,
      (message) => message.data.length,
      (message) => void this.#handle(message),
    );
    this.#link = new NatsLink(options, context, {
      connected: (connection) => this.#connected(connection),
      lost: () => {},
    });
  }

  drain(): Promise<void> {
    this.#draining ??= this.#drain();
    return this.#draining;
  }

  async #drain(): Promise<void> {
    this.#pause.end();
    const subscription = this.#subscription;
    this.#subscription = undefined;
    // What the server has sent until it hears of it still comes, and is answered as what waits is.
    if (subscription !== undefined && this.#link.usable) await this.#link.settled(subscription.drain());
    const left = this.#waiting.close();
    for (const message of left) reply(message, { outcome: 'released' });
    if (left.length > 0) this.#lost(left.length, 'messages were not worked at when the trigger stopped; they are lost');
  }

  async close(): Promise<void> {
    await this.drain();
    await this.#link.close();
  }

  /** Only what waits here: the server keeps nothing. */
  async lag(): Promise<number> {
    return this.#waiting.size;
  }

  #connected(connection: NatsConnection): void {
    // The client subscribes again by itself to what it was subscribed to.
    if (this.#subscription === undefined && this.#draining === undefined) this.#subscribe(connection);
    connection.flush().then(
      () => {
        // The server knows of the subscription now, and has refused it by now if it does.
        if (this.#subscription !== undefined) this.#context.working();
      },
      // Lost again: the link says so.
      () => {},
    );
  }

  #subscribe(connection: NatsConnection): void {
    const { subject, queue = sharedName(this.#context) } = this.#options;
    const subscription = connection.subscribe(subject, {
      queue,
      callback: (error, message) => {
        if (error === null) this.#take(message);
        else this.#context.failing(error);
      },
    });
    this.#subscription = subscription;
    void subscription.closed.then(() => this.#ended(subscription));
  }

  /** The server does not let us listen, or not any more: permissions may change. */
  async #ended(subscription: Subscription): Promise<void> {
    if (this.#subscription !== subscription) return;
    this.#subscription = undefined;
    await this.#pause.wait();
    const connection = await this.#link.connected();
    if (connection !== undefined && this.#draining === undefined && this.#subscription === undefined) {
      this.#subscribe(connection);
    }
  }

  #take(message: Msg): void {
    if (this.#draining !== undefined) {
      reply(message, { outcome: 'released' });
      return;
    }
    if (!this.#waiting.full) {
      if (this.#dropped > 0) this.#lost(this.#dropped, 'messages were dropped while too many waited');
      this.#dropped = 0;
      this.#waiting.add(message);
      return;
    }
    if (this.#dropped++ === 0) {
      this.#lost(
        this.#waiting.size,
        'so many messages wait that more are dropped; raise the concurrency, or use jetstream',
      );
    }
    reply(message, { outcome: 'released', error: 'too many messages wait; ask again later' });
  }

  async #handle(message: Msg): Promise<void> {
    const { outcome, instanceId, deadLetterId, error } = await this.#context.deliver({
      raw: rawMessageOf(message, { source: `nats:${message.subject}`, id: undefined }),
    });
    reply(message, {
      outcome,
      ...(instanceId !== undefined && { instanceId }),
      ...(deadLetterId !== undefined && { deadLetterId }),
      ...(error !== undefined && { error: error.message }),
    });
  }

  #lost(messages: number, what: string): void {
    const { logger, trigger } = this.#context;
    logger.warn({ trigger, subject: this.#options.subject, messages }, what);
  }
}

/** A connection that was closed meanwhile answers nobody; whoever asked gives up and asks again. */
function reply(message: Msg, answer: NatsReply): void {
  try {
    message.respond(JSON.stringify(answer));
  } catch {
    // See above.
  }
}
