// The servers that tests of sources start, by the program that each of them needs.

import type { ServerName } from '../../../../scripts/servers.mjs';
import { KafkaServer } from './kafka.ts';
import { MosquittoServer } from './mosquitto.ts';
import { JetStreamServer } from './nats.ts';
import { PostgresServer } from './postgres.ts';
import { RabbitServer } from './rabbitmq.ts';
import { RedisServer } from './redis.ts';

export const servers = {
  'nats-server': () => JetStreamServer.start(),
  mosquitto: () => MosquittoServer.start(),
  'redis-server': () => RedisServer.start(),
  'rabbitmq-server': () => RabbitServer.start(),
  postgres: () => PostgresServer.start(),
  kcat: () => KafkaServer.start(),
} satisfies Record<ServerName, () => Promise<unknown>>;
