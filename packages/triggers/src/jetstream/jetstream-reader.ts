// Reads a stream through the consumer that all hosts share.
//
// J1  A message is acknowledged after it was settled, without asking the server whether it has heard: an acknowledgement
//     that is lost brings the message again, which is a duplicate then.
// J2  No more is fetched than there is room for, one fetch at a time, and none over a connection that is lost.
// J3  While a message is worked at the server hears so, three times in each of its waits. When it hears nothing (this host
//     is dead, frozen or cut off) another host gets the message.
// J4  Whatever ends a fetch (the consumer or the stream is deleted, its leader changes, the server stops) leads back to
//     looking for the consumer, after a pause.

import type { Consumer, ConsumerMessages, JetStreamManager, JsMsg } from '@nats-io/jetstream';
import { installed } from '../broker-client.ts';
import { SourceError } from '../errors.ts';
import { GrowingPause } from '../growing-pause.ts';
import { EXTENDS_PER_ACK_WAIT, FETCH_WAIT_MS, RELEASED_DELAY_MS } from '../limits.ts';
import { NatsLink } from '../nats/nats-link.ts';
import { rawMessageOf } from '../nats/nats-message.ts';
import { sharedName } from '../shared-name.ts';
import type { SourceContext, SourceReader } from '../source.ts';
import type { RawMessage } from '../trigger-event.ts';
import type { JetStreamOptions } from '../jetstream.ts';
import { JetStreamConsumer } from './jetstream-consumer.ts';

type Client = typeof import('@nats-io/jetstream');
type Needs = JetStreamOptions & { readonly filter: readonly string[] };

export class JetStreamReader implements SourceReader {
  readonly #client: Client;
  readonly #needs: Needs;
  readonly #context: SourceContext;
  readonly #link: NatsLink;
  readonly #consumer: JetStreamConsumer;
  readonly #pause: GrowingPause;
  #manager: JetStreamManager | undefined;
  #fetching: ConsumerMessages | undefined;
  #draining = false;
  #reading: Promise<void> = Promise.resolve();

  /** @throws {SourceError} when the consumer that is there cannot be used, or the client is not installed */
  static async open(needs: Needs, context: SourceContext): Promise<JetStreamReader> {
    const client = await installed(
      import('@nats-io/jetstream'),
      'the client of JetStream is missing: npm install @nats-io/transport-node @nats-io/jetstream',
    );
    const reader = new JetStreamReader(client, needs, context);
    await reader.#open();
    return reader;
  }

  private constructor(client: Client, needs: Needs, context: SourceContext) {
    this.#client = client;
    this.#needs = needs;
    this.#context = context;
    this.#pause = new GrowingPause(context.clock, context.random);
    this.#consumer = new JetStreamConsumer(client, { ...needs, durable: needs.durable ?? sharedName(context) });
    this.#link = new NatsLink(needs, context, { connected: () => {}, lost: () => this.#fetching?.stop() });
  }

  async #open(): Promise<void> {
    await this.#link.open();
    // What can be known to be wrong is said now; what cannot be reached yet is tried again while it reads.
    if (this.#link.usable) {
      try {
        await this.#ensure();
      } catch (error) {
        if (error instanceof SourceError) {
          await this.#link.close();
          throw error;
        }
      }
    }
    this.#reading = this.#read();
  }

  async drain(): Promise<void> {
    this.#draining = true;
    this.#pause.end();
    this.#fetching?.stop();
  }

  async close(): Promise<void> {
    await this.drain();
    await this.#link.close();
    await this.#reading;
  }

  async lag(): Promise<number | undefined> {
    if (this.#manager === undefined || !this.#link.usable) return undefined;
    const info = await this.#consumer.info(this.#manager);
    return info && info.num_pending + info.num_ack_pending;
  }

  async #read(): Promise<void> {
    while (!this.#draining) {
      try {
        const ensured = await this.#ensure();
        if (ensured === undefined) return;
        this.#context.working();
        this.#pause.reset();
        await this.#fetchWhileConnected(ensured.consumer, ensured.ackWaitMs);
      } catch (error) {
        if (this.#draining) return;
        // The link has said so already when it is the connection.
        if (this.#link.usable) this.#context.failing(error);
        await this.#pause.wait();
      }
    }
  }

  async #ensure(): Promise<{ readonly consumer: Consumer; readonly ackWaitMs: number } | undefined> {
    const connection = await this.#link.connected();
    if (connection === undefined) return undefined;
    this.#manager = await this.#client.jetstreamManager(connection, { checkAPI: false });
    return await this.#consumer.ensure(this.#manager);
  }

  async #fetchWhileConnected(consumer: Consumer, ackWaitMs: number): Promise<void> {
    while (!this.#draining && this.#link.usable) {
      const count = await this.#context.room();
      if (count === 0) {
        // It stops: `drain` is about to be called.
        this.#draining = true;
        return;
      }
      // Room may have taken its time.
      if (!this.#link.usable) return;
      const messages = await consumer.fetch({ max_messages: count, expires: FETCH_WAIT_MS });
      this.#fetching = messages;
      if (this.#draining || !this.#link.usable) messages.stop();
      for await (const message of messages) {
        if (this.#draining) this.#answer(message, () => message.nak());
        else void this.#handle(message, ackWaitMs);
      }
    }
  }

  async #handle(message: JsMsg, ackWaitMs: number): Promise<void> {
    const settlement = await this.#context.deliver({
      raw: this.#raw(message),
      extend: () => this.#answer(message, () => message.working()),
      extendEveryMs: Math.floor(ackWaitMs / EXTENDS_PER_ACK_WAIT),
    });
    this.#answer(message, () => {
      if (settlement.outcome !== 'released') message.ack();
      else message.nak(this.#context.signal.aborted ? undefined : RELEASED_DELAY_MS);
    });
  }

  #raw(message: JsMsg): RawMessage {
    const time = message.time;
    return rawMessageOf(message, {
      // The server's address is none of its business: the stream may move, and be reached by many names.
      source: `jetstream:${this.#needs.stream}`,
      // A stream that is deleted and created again counts from 1 again.
      id: `${message.seq}-${time.getTime()}`,
      time: time.toISOString(),
    });
  }

  /** A connection that was closed for good takes nothing; the message comes again then. */
  #answer(message: JsMsg, answer: () => void): void {
    try {
      answer();
    } catch (error) {
      const { logger, trigger } = this.#context;
      logger.debug({ err: error, trigger, sequence: message.seq }, 'a message could not be answered; it comes again');
    }
  }
}
