import { z } from 'zod';
import type { JetStreamOptions } from '../jetstream.ts';
import { ACK_WAIT_MS_MIN, SESSION_EXPIRY_MS_MAX } from '../limits.ts';
import type { MqttOptions } from '../mqtt.ts';
import type { NatsOptions, NatsServerOptions } from '../nats.ts';
import {
  options,
  passedThrough,
  secret,
  text,
  textOrTexts,
  texts,
  wholeNumber,
  type OptionShape,
} from './option-schemas.ts';
import type { SourceKind } from './source-kind.ts';

const natsServers = {
  servers: z
    .union([text('A URL.'), texts('URLs.'), secret('A URL.')])
    .meta({ description: 'One server, or several of a cluster, as nats://host:4222.' }),
  credentialsFile: text('Path of a .creds file.').optional(),
  options: passedThrough('Handed on to the client of NATS: user, pass, token, tls and so on.').optional(),
} satisfies OptionShape<NatsServerOptions>;

export const pubsubKinds = {
  jetstream: {
    schema: options(
      {
        ...natsServers,
        stream: text('Name of the stream.'),
        filter: textOrTexts('Subjects, with wildcards. Default: all of the stream.').optional(),
        durable: text('The durable consumer that all hosts share. Default: troupe-<app>-<trigger>.').optional(),
        ackWaitMs: wholeNumber(
          'A message goes to another host when this one has said nothing for so long. Default: 30 s.',
          ACK_WAIT_MS_MIN,
          Number.MAX_SAFE_INTEGER,
        ).optional(),
        startFrom: z
          .union([
            z.enum(['all', 'new']),
            z.strictObject({ sequence: wholeNumber('Of the first message.', 1, Number.MAX_SAFE_INTEGER) }),
            z.strictObject({ time: text('RFC 3339.') }),
          ])
          .meta({ description: 'Where a consumer that is created begins. Default: all.' })
          .optional(),
      } satisfies OptionShape<JetStreamOptions>,
      'Messages of a JetStream stream, shared by all hosts.',
    ),
    make: async (given: JetStreamOptions) => (await import('../jetstream.ts')).jetstream(given),
  },
  nats: {
    schema: options(
      {
        ...natsServers,
        subject: text('With wildcards if need be.'),
        queue: text('The queue group that all hosts are in. Default: troupe-<app>-<trigger>.').optional(),
      } satisfies OptionShape<NatsOptions>,
      'Messages of a subject of NATS, which keeps nothing: what is published while no host listens is gone.',
    ),
    make: async (given: NatsOptions) => (await import('../nats.ts')).nats(given),
  },
  mqtt: {
    schema: options(
      {
        url: secret('As mqtt://host:1883, mqtts://, ws:// or wss://.'),
        topic: text('A topic filter, with + and # if need be.'),
        shared: text('A group that the broker shares the messages among, so that every host reads.').optional(),
        clientId: text('Name of the session; the same after a restart.').optional(),
        version: z.literal([4, 5]).meta({ description: '5, or 4 which is MQTT 3.1.1. Default: 5.' }).optional(),
        username: secret('Name of the user.').optional(),
        password: secret('Password of the user.').optional(),
        sessionExpiryMs: wholeNumber(
          'How long the broker keeps the session while no host is there. Default: 7 days.',
          1_000,
          SESSION_EXPIRY_MS_MAX,
        ).optional(),
        options: passedThrough('Handed on to the client: TLS, keep-alive and so on.').optional(),
      } satisfies OptionShape<MqttOptions>,
      'Messages of an MQTT topic.',
    ),
    make: async (given: MqttOptions) => (await import('../mqtt.ts')).mqtt(given),
  },
} satisfies Readonly<Record<string, SourceKind>>;
