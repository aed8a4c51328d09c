// One connection to the broker with one channel, from its opening until something ends it.
//
// A1  A message is acknowledged on the channel that it came by, after it was settled. Once that channel is gone the broker
//     has it back already, and nothing is said about it.
// A2  At most `concurrency` messages are here, those that wait for room among them: the prefetch.
// A3  Messages that have waited for room for `WAIT_FOR_ROOM_MS` go back, and nothing is consumed until there is room: other
//     hosts get them, and the broker, which closes channels that hold a message for too long, has no reason to.

import type { Channel, ChannelModel, ConsumeMessage } from 'amqplib';
import { waitAtMost } from '@troupe/actors';
import type { AmqpOptions } from '../amqp.ts';
import { SourceError } from '../errors.ts';
import { CONNECT_TIMEOUT_MS, WAIT_FOR_ROOM_MS } from '../limits.ts';
import type { SourceContext } from '../source.ts';
import { rawMessageOf } from './amqp-message.ts';

export type AmqpClient = typeof import('amqplib');

export class AmqpSession {
  readonly #options: AmqpOptions;
  readonly #context: SourceContext;
  readonly #connection: ChannelModel;
  readonly #channel: Channel;
  /** They came, and wait for room. */
  readonly #waiting: ConsumeMessage[] = [];
  #consuming = false;
  #drained = false;
  #wake = (): void => {};
  #endedBy: Error | undefined;
  #whenEnded = (): void => {};
  /** Resolves when the broker or the network has ended it. */
  readonly ended = new Promise<void>((resolve) => (this.#whenEnded = resolve));

  /** Connects, and sees to the queue. */
  static async open(client: AmqpClient, options: AmqpOptions, context: SourceContext): Promise<AmqpSession> {
    const connection = await client.connect(options.url, {
      timeout: CONNECT_TIMEOUT_MS,
      clientProperties: { connection_name: `troupe ${context.trigger}` },
    });
    // Errors of a connection that is being opened are those of the calls that fail.
    const ignore = (): void => {};
    connection.on('error', ignore);
    try {
      const channel = await connection.createChannel();
      channel.on('error', ignore);
      await prepareQueue(channel, options);
      await channel.prefetch(context.concurrency);
      return new AmqpSession(options, context, connection, channel);
    } catch (error) {
      await connection.close().catch(ignore);
      throw error;
    }
  }

  private constructor(options: AmqpOptions, context: SourceContext, connection: ChannelModel, channel: Channel) {
    this.#options = options;
    this.#context = context;
    this.#connection = connection;
    this.#channel = channel;
    connection.on('error', (error) => this.#end(error));
    connection.on('close', (error?: Error) => this.#end(error ?? new SourceError('the connection was closed')));
    channel.on('error', (error) => this.#end(error));
    channel.on('close', () => this.#end(new SourceError('the channel was closed')));
    connection.on('blocked', (reason) => {
      context.logger.warn({ trigger: context.trigger, reason }, 'the AMQP broker blocks those that publish');
    });
  }

  /** Why it has ended. */
  get endedBy(): Error | undefined {
    return this.#endedBy;
  }

  /** Hands messages over until it is drained or has ended, or there is no room for long (A3). */
  async consume(): Promise<void> {
    const { queue } = this.#options;
    this.#consuming = true;
    const { consumerTag } = await this.#channel.consume(queue, (message) => {
      if (message === null) this.#end(new SourceError(`the broker cancelled the consumer of queue "${queue}"`));
      else if (this.#consuming) this.#came(message);
      else this.#giveBack(message);
    });
    this.#context.working();
    try {
      while (!this.#drained && this.#endedBy === undefined) {
        if (this.#waiting.length === 0) {
          await new Promise<void>((resolve) => (this.#wake = resolve));
          continue;
        }
        let room = 0;
        await waitAtMost(
          this.#context.clock,
          WAIT_FOR_ROOM_MS,
          Promise.race([this.#context.room().then((found) => (room = found)), this.ended]),
        );
        if (room === 0) return;
        if (this.#drained) return;
        for (const message of this.#waiting.splice(0, room)) void this.#handOver(message);
      }
    } finally {
      this.#consuming = false;
      for (const message of this.#waiting.splice(0)) this.#giveBack(message);
      if (this.#endedBy === undefined) await this.#channel.cancel(consumerTag);
    }
  }

  /** Lets {@link AmqpSession.consume} return. */
  drain(): void {
    this.#drained = true;
    this.#wake();
  }

  /** Messages that wait in the queue. */
  async lag(): Promise<number> {
    // By a channel of its own: a queue that is gone ends the channel that asks for it.
    const channel = await this.#connection.createChannel();
    channel.on('error', (error) => this.#end(error));
    const { messageCount } = await channel.checkQueue(this.#options.queue);
    await channel.close();
    return messageCount;
  }

  /** What was said last on the channel is read before its end is confirmed. */
  async close(): Promise<void> {
    const ending = this.#endedBy === undefined ? Promise.race([this.#channel.close(), this.ended]) : Promise.resolve();
    // Closing fails where the network or the broker has done so already.
    const closing = ending.then(() => this.#connection.close()).catch((error: Error) => this.#end(error));
    await waitAtMost(this.#context.clock, CONNECT_TIMEOUT_MS, closing);
  }

  #came(message: ConsumeMessage): void {
    this.#waiting.push(message);
    this.#wake();
  }

  async #handOver(message: ConsumeMessage): Promise<void> {
    const { queue, source } = this.#options;
    const { outcome } = await this.#context.deliver({ raw: rawMessageOf(message, queue, source) });
    if (outcome === 'released') this.#giveBack(message);
    else this.#say(() => this.#channel.ack(message));
  }

  #giveBack(message: ConsumeMessage): void {
    this.#say(() => this.#channel.nack(message, false, true));
  }

  #say(what: () => void): void {
    if (this.#endedBy !== undefined) return;
    try {
      what();
    } catch (error) {
      // The channel is closing; its end is yet to be heard of.
      this.#end(error instanceof Error ? error : new SourceError(String(error)));
    }
  }

  #end(reason: Error): void {
    if (this.#endedBy !== undefined) return;
    this.#endedBy = reason;
    this.#whenEnded();
    this.#wake();
  }
}

async function prepareQueue(channel: Channel, { queue, declare }: AmqpOptions): Promise<void> {
  if (declare === undefined) {
    await channel.checkQueue(queue);
    return;
  }
  await channel.assertQueue(queue, { durable: true, arguments: declare.arguments });
  for (const { exchange, routingKey } of declare.bindings ?? []) {
    await channel.bindQueue(queue, exchange, routingKey);
  }
}
