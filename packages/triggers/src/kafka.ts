// Topics of Kafka, or of whatever speaks its protocol, read by a group. Readers on all hosts share the partitions.

import type { KafkaClient } from './kafka/kafka-client.ts';
import { KafkaReader } from './kafka/kafka-reader.ts';
import { KAFKA_SESSION_MS_MIN } from './limits.ts';
import type { Source } from './source.ts';

export type { KafkaAdmin, KafkaBatchPayload, KafkaClient, KafkaConsumer, KafkaMessage } from './kafka/kafka-client.ts';

export interface KafkaOptions {
  /** As `new Kafka({ brokers })` of kafkajs. */
  readonly client: KafkaClient;
  readonly topics: readonly string[];
  /** Default `troupe-<application>-<trigger>`. */
  readonly groupId?: string;
  /** Where a new group begins: at the oldest messages (the default), or after the newest. */
  readonly fromBeginning?: boolean;
  /**
   * A host that the group has not heard of for this long has lost its partitions to the others. Default 30 s; brokers take
   * from 6 s to 5 min unless they are told otherwise.
   */
  readonly sessionTimeoutMs?: number;
  /**
   * What messages that are no CloudEvents come from. Default `kafka:<topic>`. Set it when topics of one name are read from
   * several clusters, and change it when a topic is created anew: their offsets repeat.
   */
  readonly source?: string;
}

/**
 * Messages of topics. Offsets are committed up to the first message that is not settled.
 *
 * @throws {TypeError} when the options can never work
 */
export function kafka(options: KafkaOptions): Source {
  const { client, topics, groupId, sessionTimeoutMs } = options;
  if (typeof client?.consumer !== 'function' || typeof client.admin !== 'function') {
    throw new TypeError('kafka: "client" has to be as new Kafka({ brokers: ["localhost:9092"] }) of kafkajs');
  }
  if (
    !Array.isArray(topics) ||
    topics.length === 0 ||
    topics.some((topic) => typeof topic !== 'string' || topic === '')
  ) {
    throw new TypeError('kafka: "topics" has to be a list of names');
  }
  if (groupId === '') throw new TypeError('kafka: "groupId" cannot be empty');
  if (
    sessionTimeoutMs !== undefined &&
    !(Number.isSafeInteger(sessionTimeoutMs) && sessionTimeoutMs >= KAFKA_SESSION_MS_MIN)
  ) {
    throw new TypeError(`kafka: "sessionTimeoutMs" has to be an integer of at least ${KAFKA_SESSION_MS_MIN}`);
  }
  return {
    kind: 'kafka',
    runsOn: 'every-host',
    open: async (context) => new KafkaReader(options, context),
  };
}
