// Reads a topic from a session that the broker keeps.
//
// M1  A message is acknowledged after it was settled, over the connection that it came by. On any other connection its
//     number may be another message's; what was not acknowledged there comes again when the session is resumed.
// M2  The subscription is of QoS 1. At QoS 2 the message would be ours as soon as we say that we have it, which the client
//     says before anything is durable; that a message may come twice is what the triggers are for.
// M3  The client would acknowledge by itself as soon as a message was handled, and read no further until then. So it is told
//     that each failed, which keeps it from acknowledging, and the four bytes of a PUBACK are written here.
// M4  The broker has no more out to us than we are willing to work at: the Receive Maximum of MQTT 5. In 3.1.1 it is the
//     broker's own window; beyond what can wait here the connection is not read.
// M5  MQTT has no word for "again, please" within a connection. A message that was released although we go on comes again
//     by a new connection.
// M6  When one host reads, it saves its cursor on each connection: one that has been replaced hears so, and stays away from
//     the session of its successor.

import type { IClientOptions, IPublishPacket, MqttClient } from 'mqtt';
import type { CancelTimeout } from '@troupe/actors';
import { installed } from '../broker-client.ts';
import { StaleReaderError } from '../errors.ts';
import {
  CONNECT_TIMEOUT_MS,
  MQTT_OUT_MAX,
  RECONNECT_DELAY_MS_MAX,
  RECONNECT_DELAY_MS_MIN,
  RELEASED_DELAY_MS,
  SESSION_EXPIRY_MS_DEFAULT,
} from '../limits.ts';
import { sharedName } from '../shared-name.ts';
import type { SourceContext, SourceReader } from '../source.ts';
import { WaitingRoom } from '../waiting-room.ts';
import type { MqttOptions } from '../mqtt.ts';
import { rawMessageOf } from './mqtt-message.ts';
import { OrderedAcks, type AckSlot } from './ordered-acks.ts';

type Client = typeof import('mqtt');
type Stream = MqttClient['stream'];

interface Waiting {
  readonly packet: IPublishPacket;
  /** Of messages that are to be acknowledged. */
  readonly slot: AckSlot | undefined;
  readonly connection: Connection;
}

interface Connection {
  readonly stream: Stream;
  readonly acks: OrderedAcks;
}

const HELD = new Error('acknowledged when it is settled');
/** https://docs.oasis-open.org/mqtt/mqtt/v5.0/os/mqtt-v5.0-os.html#_Toc3901208 */
const SESSION_TAKEN_OVER = 142;
const PUBACK = 0x40;

export class MqttReader implements SourceReader {
  readonly #options: MqttOptions;
  readonly #context: SourceContext;
  readonly #version: 4 | 5;
  readonly #client: MqttClient;
  readonly #waiting: WaitingRoom<Waiting>;
  #connection: Connection | undefined;
  #draining = false;
  #ended: Promise<void> | undefined;
  #dropped = 0;
  #live = false;
  /** Why the broker is about to end the connection, if it has said so. */
  #endReason: Error | undefined;
  /** What the session is subscribed to, as far as is known. */
  #subscribed: string;
  #cancelAgain: CancelTimeout | undefined;

  /** @throws {SourceError} when the client is not installed */
  static async open(options: MqttOptions, context: SourceContext): Promise<MqttReader> {
    const client = await installed(import('mqtt'), 'the client of MQTT is missing: npm install mqtt');
    return new MqttReader(client, options, context);
  }

  private constructor({ connect }: Client, options: MqttOptions, context: SourceContext) {
    this.#options = options;
    this.#context = context;
    this.#version = options.version ?? 5;
    this.#subscribed = subscribedBefore(context.cursor?.value) ?? this.#filter;
    this.#waiting = new WaitingRoom(
      context,
      ({ packet }) => packet.payload.length,
      (waiting) => void this.#handle(waiting),
    );
    const client = connect(options.url, this.#clientOptions());
    this.#client = client;
    client.handleMessage = (packet, next) => this.#take(packet, next);
    client.on('connect', () => void this.#connected());
    client.on('close', () => this.#closed());
    client.on('disconnect', ({ reasonCode }) => (this.#endReason = disconnectError(reasonCode)));
    client.on('error', (error) => this.#failing(error));
  }

  async drain(): Promise<void> {
    this.#draining = true;
    this.#cancelAgain?.();
    // What waits is not acknowledged, so the session has it still; but for what came at QoS 0.
    const lost = this.#waiting.close().filter(({ slot }) => slot === undefined).length;
    if (lost > 0) this.#warn(lost, 'messages of QoS 0 were not worked at when the trigger stopped; they are lost');
  }

  async close(): Promise<void> {
    await this.drain();
    await this.#end();
  }

  #clientOptions(): IClientOptions {
    const { options, clientId, username, password, sessionExpiryMs = SESSION_EXPIRY_MS_DEFAULT } = this.#options;
    return {
      connectTimeout: CONNECT_TIMEOUT_MS,
      ...options,
      protocolVersion: this.#version,
      clientId: clientId ?? sharedName(this.#context),
      clean: false,
      ...(username !== undefined && { username }),
      ...(password !== undefined && { password }),
      reconnectPeriod: RECONNECT_DELAY_MS_MIN,
      // A broker that refuses us while its configuration is being replaced does not end the source.
      reconnectOnConnackError: true,
      // Done on each connection here, whether the session is there or not.
      resubscribe: false,
      ...(this.#version === 5 && {
        properties: {
          receiveMaximum: Math.min(this.#context.concurrency, MQTT_OUT_MAX),
          sessionExpiryInterval: Math.ceil(sessionExpiryMs / 1000),
        },
      }),
    };
  }

  get #filter(): string {
    const { topic, shared } = this.#options;
    return shared === undefined ? topic : `$share/${shared}/${topic}`;
  }

  async #connected(): Promise<void> {
    this.#live = true;
    this.#endReason = undefined;
    this.#client.options.reconnectPeriod = RECONNECT_DELAY_MS_MIN;
    try {
      await this.#save();
      // The session may be one of this trigger when it had another topic.
      if (this.#subscribed !== this.#filter) {
        await this.#client.unsubscribeAsync(this.#subscribed);
        this.#subscribed = this.#filter;
        await this.#save();
      }
      // A retained message comes with a new subscription only; in 3.1.1 with each, and is a duplicate then.
      const [granted] = await this.#client.subscribeAsync(this.#filter, {
        qos: 1,
        ...(this.#version === 5 && { rh: 1 }),
      });
      if (granted?.qos === 0) {
        this.#warn(0, 'the broker grants QoS 0 only: messages are lost when a host ends, and while none is there');
      }
      this.#context.working();
    } catch (error) {
      this.#failing(error);
      if (error instanceof StaleReaderError) void this.#end();
      // Lost again meanwhile, or refused: permissions may change.
      else this.#againSoon(this.#client.stream);
    }
  }

  /** Only the reader that owns the trigger can. */
  async #save(): Promise<void> {
    await this.#context.cursor?.save({ topic: this.#subscribed });
  }

  #closed(): void {
    const { options } = this.#client;
    options.reconnectPeriod =
      Math.min((options.reconnectPeriod ?? RECONNECT_DELAY_MS_MIN) * 2, RECONNECT_DELAY_MS_MAX) *
      (1 - this.#context.random() / 8);
    // What was not acknowledged comes again, waiting or not.
    this.#connection = undefined;
    this.#waiting.keep(({ slot }) => slot === undefined);
    if (this.#live) this.#failing(this.#endReason ?? new Error(`the connection to ${this.#where} was lost`));
    this.#live = false;
  }

  /** Called by the client for each message; it reads on when `next` is called. */
  #take(packet: IPublishPacket, next: (error?: Error) => void): void {
    const { stream } = this.#client;
    if (this.#connection?.stream !== stream) {
      this.#connection = { stream, acks: new OrderedAcks((messageId) => this.#acknowledge(stream, messageId)) };
    }
    const connection = this.#connection;
    if (packet.qos === 0) {
      this.#takeUnkept({ packet, slot: undefined, connection });
      next();
      return;
    }
    const slot = connection.acks.take(packet.messageId!);
    if (!this.#draining) this.#waiting.add({ packet, slot, connection });
    if (this.#draining || !this.#waiting.full) next(HELD);
    else this.#waiting.whenPlace(() => next(HELD));
  }

  #takeUnkept(waiting: Waiting): void {
    if (!this.#draining && !this.#waiting.full) {
      if (this.#dropped > 0) this.#warn(this.#dropped, 'messages of QoS 0 were dropped while too many waited');
      this.#dropped = 0;
      this.#waiting.add(waiting);
    } else if (this.#dropped++ === 0) {
      this.#warn(this.#waiting.size, 'so many messages wait that those of QoS 0 are dropped; publish at QoS 1');
    }
  }

  async #handle({ packet, slot, connection }: Waiting): Promise<void> {
    const { outcome } = await this.#context.deliver({ raw: rawMessageOf(packet, this.#version) });
    if (slot === undefined) return;
    if (outcome !== 'released') connection.acks.settle(slot);
    else if (!this.#draining) this.#againSoon(connection.stream);
  }

  #acknowledge(stream: Stream, messageId: number): void {
    if (this.#client.stream !== stream || !this.#client.connected || stream.destroyed) return;
    stream.write(Buffer.of(PUBACK, 2, messageId >> 8, messageId & 0xff));
  }

  /** Ends the connection after a while, so that another one brings what was not acknowledged. */
  #againSoon(stream: Stream): void {
    this.#cancelAgain?.();
    this.#cancelAgain = this.#context.clock.setTimeout(() => {
      if (!this.#draining && this.#client.stream === stream) stream.destroy();
    }, RELEASED_DELAY_MS);
  }

  #end(): Promise<void> {
    this.#ended ??= new Promise((resolve) => {
      // A broker that hangs does not hold us up.
      const cancel = this.#context.clock.setTimeout(() => this.#client.stream.destroy(), CONNECT_TIMEOUT_MS);
      this.#client.end(!this.#client.connected, {}, () => {
        cancel();
        resolve();
      });
    });
    return this.#ended;
  }

  #failing(error: unknown): void {
    if (this.#ended === undefined) this.#context.failing(error);
  }

  #warn(messages: number, what: string): void {
    const { logger, trigger } = this.#context;
    logger.warn({ trigger, topic: this.#options.topic, messages }, what);
  }

  get #where(): string {
    const { protocol, host } = new URL(this.#options.url);
    return `${protocol}//${host}`;
  }
}

function subscribedBefore(value: unknown): string | undefined {
  const topic = (value as { topic?: unknown } | undefined | null)?.topic;
  return typeof topic === 'string' ? topic : undefined;
}

function disconnectError(reasonCode: number | undefined): Error {
  return new Error(
    reasonCode === SESSION_TAKEN_OVER
      ? 'another client has connected with the same clientId: each host needs one of its own'
      : `the broker ended the connection, reason ${reasonCode ?? 0}`,
  );
}
