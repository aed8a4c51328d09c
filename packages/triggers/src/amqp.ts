// A queue of an AMQP 0-9-1 broker, as RabbitMQ. Readers on all hosts share it.

import { AmqpSession, type AmqpClient } from './amqp/amqp-session.ts';
import { installed } from './broker-client.ts';
import { GrowingPause } from './growing-pause.ts';
import { RECONNECT_DELAY_MS_MAX } from './limits.ts';
import type { Source, SourceContext, SourceReader } from './source.ts';

const MISSING = 'amqp(…) needs the client of AMQP: npm install amqplib';

export interface AmqpOptions {
  /** `amqp://user:password@host:5672/vhost`, or `amqps:`. Parameters as `?heartbeat=10` (seconds) are the client's. */
  readonly url: string;
  readonly queue: string;
  /** Declares the queue, durable, and binds it. Without it the queue has to exist. */
  readonly declare?: {
    /** To exchanges that exist. */
    readonly bindings?: readonly { readonly exchange: string; readonly routingKey: string }[];
    /** As `{ 'x-queue-type': 'quorum' }`. They cannot be changed once the queue exists. */
    readonly arguments?: Readonly<Record<string, unknown>>;
  };
  /** What messages that are no CloudEvents come from. Without it their application (`app-id`), or `amqp:<queue>`. */
  readonly source?: string;
}

/**
 * Messages of a queue. They are acknowledged when they are settled; a released one goes back to the queue.
 *
 * @throws {TypeError} when the options can never work
 */
export function amqp(options: AmqpOptions): Source {
  const { url, queue, declare } = options;
  if (typeof url !== 'string' || !/^amqps?:\/\//.test(url) || !URL.canParse(url)) {
    throw new TypeError('amqp: "url" has to be as amqp://user:password@host:5672/vhost');
  }
  if (typeof queue !== 'string' || queue === '') throw new TypeError('amqp: "queue" has to name a queue');
  for (const binding of declare?.bindings ?? []) {
    if (typeof binding.exchange !== 'string' || binding.exchange === '' || typeof binding.routingKey !== 'string') {
      throw new TypeError('amqp: a binding has to be as { exchange: "events", routingKey: "orders.*" }');
    }
  }
  return {
    kind: 'amqp',
    runsOn: 'every-host',
    open: async (context) => new AmqpReader(await installed(import('amqplib'), MISSING), options, context),
  };
}

/** Opens one session after another: the client does not connect again by itself. */
class AmqpReader implements SourceReader {
  readonly #client: AmqpClient;
  readonly #options: AmqpOptions;
  readonly #context: SourceContext;
  readonly #pause: GrowingPause;
  #session: AmqpSession | undefined;
  #draining = false;
  #close = (): void => {};
  readonly #closed = new Promise<void>((resolve) => (this.#close = resolve));
  readonly #done: Promise<void>;

  constructor(client: AmqpClient, options: AmqpOptions, context: SourceContext) {
    this.#client = client;
    this.#options = options;
    this.#context = context;
    this.#pause = new GrowingPause(context.clock, context.random);
    this.#done = this.#run();
  }

  async drain(): Promise<void> {
    this.#draining = true;
    this.#pause.end();
    this.#session?.drain();
  }

  async close(): Promise<void> {
    await this.drain();
    this.#close();
    await this.#done;
  }

  async lag(): Promise<number | undefined> {
    return this.#session?.lag();
  }

  async #run(): Promise<void> {
    while (!this.#draining) {
      try {
        await this.#connected();
      } catch (error) {
        this.#context.failing(error);
      }
      await this.#pause.wait();
    }
  }

  async #connected(): Promise<void> {
    const session = await AmqpSession.open(this.#client, this.#options, this.#context);
    this.#session = session;
    const openedAtMs = this.#context.clock.nowMs();
    try {
      while (!this.#draining && session.endedBy === undefined) {
        const room = await Promise.race([this.#context.room(), session.ended]);
        if (room === undefined || room === 0) break;
        await session.consume();
      }
      // What is out is still settled over it.
      if (this.#draining || session.endedBy === undefined) await Promise.race([this.#closed, session.ended]);
      if (session.endedBy !== undefined) throw session.endedBy;
    } finally {
      this.#session = undefined;
      if (this.#context.clock.nowMs() - openedAtMs > RECONNECT_DELAY_MS_MAX) this.#pause.reset();
      await session.close();
    }
  }
}
