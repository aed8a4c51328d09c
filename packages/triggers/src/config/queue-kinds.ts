import { z } from 'zod';
import type { AmqpOptions } from '../amqp.ts';
import { installed } from '../broker-client.ts';
import type { KafkaClient, KafkaOptions } from '../kafka.ts';
import { INTERVAL_MS_MAX, KAFKA_SESSION_MS_MIN, REDIS_IDLE_MS_MIN } from '../limits.ts';
import type { RedisStreamOptions } from '../redis.ts';
import { flag, options, passedThrough, secret, text, texts, wholeNumber, type OptionShape } from './option-schemas.ts';
import type { SourceKind } from './source-kind.ts';

const source = text('What messages that are no CloudEvents come from.').optional();

/** Kafka's client, which code hands over made, is made here of what `new Kafka` of kafkajs takes. */
interface KafkaFileOptions extends Omit<KafkaOptions, 'client'> {
  readonly brokers: readonly string[];
  readonly clientId?: string;
  readonly ssl?: boolean | Readonly<Record<string, unknown>>;
  readonly sasl?: Readonly<Record<string, unknown>>;
}

export const queueKinds = {
  amqp: {
    schema: options(
      {
        url: secret('As amqp://user:password@host:5672/vhost, or amqps:.'),
        queue: text('Name of the queue.'),
        declare: z
          .strictObject({
            bindings: z
              .array(z.strictObject({ exchange: text('An exchange that exists.'), routingKey: z.string() }))
              .meta({ description: 'Exchanges that the queue is bound to.' })
              .optional(),
            arguments: passedThrough('As { x-queue-type: quorum }.').optional(),
          })
          .meta({ description: 'Declares the queue, durable, and binds it. Without it the queue has to exist.' })
          .optional(),
        source,
      } satisfies OptionShape<AmqpOptions>,
      'Messages of a queue of an AMQP 0-9-1 broker, as RabbitMQ.',
    ),
    make: async (given: AmqpOptions) => (await import('../amqp.ts')).amqp(given),
  },
  redis: {
    schema: options(
      {
        url: secret('As redis://user:password@host:6379/0, or rediss:.'),
        stream: text('Name of the stream.'),
        group: text('The consumer group. Default: troupe-<trigger>.').optional(),
        consumer: text('Name in the group. Default: the id of the host.').optional(),
        idleMs: wholeNumber(
          'After how long an entry whose consumer is gone is taken over. Default: 60 s.',
          REDIS_IDLE_MS_MIN,
          INTERVAL_MS_MAX,
        ).optional(),
        source,
      } satisfies OptionShape<RedisStreamOptions>,
      'Entries of a stream of Redis.',
    ),
    make: async (given: RedisStreamOptions) => (await import('../redis.ts')).redisStream(given),
  },
  kafka: {
    schema: options(
      {
        brokers: texts('As host:9092.'),
        clientId: text('Name of the client.').optional(),
        ssl: z
          .union([z.boolean(), passedThrough('Options of tls.connect.')])
          .meta({ description: 'Whether, or how, TLS is used.' })
          .optional(),
        sasl: passedThrough('As { mechanism: scram-sha-256, username: …, password: { env: NAME } }.').optional(),
        topics: texts('Names of topics.'),
        groupId: text('The group. Default: troupe-<trigger>.').optional(),
        sessionTimeoutMs: wholeNumber(
          'A host that the group has not heard of for this long has lost its partitions. Default: 30 s.',
          KAFKA_SESSION_MS_MIN,
          INTERVAL_MS_MAX,
        ).optional(),
        fromBeginning: flag('A new group begins with the oldest messages. Default: true.').optional(),
        source,
      } satisfies OptionShape<KafkaFileOptions>,
      'Topics of Kafka, or of what speaks its protocol. Needs the package kafkajs.',
    ),
    async make({ brokers, clientId, ssl, sasl, ...given }: KafkaFileOptions) {
      const { kafka } = await import('../kafka.ts');
      const { Kafka, logLevel } = await loadKafka();
      const connection = { brokers, clientId: clientId ?? 'troupe', ssl, sasl, logLevel: logLevel.NOTHING };
      return kafka({ ...given, client: new Kafka(connection) });
    },
  },
} satisfies Readonly<Record<string, SourceKind>>;

/** As far as it is used. */
interface KafkaPackage {
  readonly Kafka: new (options: object) => KafkaClient;
  readonly logLevel: { readonly NOTHING: number };
}

async function loadKafka(): Promise<KafkaPackage> {
  const loaded: { readonly default: unknown } = await installed(
    import('kafkajs'),
    'a source kafka in a file needs the client: npm install kafkajs',
  );
  return loaded.default as KafkaPackage;
}
