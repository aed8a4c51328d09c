import { Kafka, logLevel } from 'kafkajs';
import type { Source } from '../../../src/index.ts';
import { kafka, type KafkaOptions } from '../../../src/kafka.ts';

/** What is plain data of the options. */
export interface KafkaChildOptions extends Omit<KafkaOptions, 'client'> {
  readonly broker: string;
}

export default ({ broker, ...options }: KafkaChildOptions): Source =>
  kafka({ ...options, client: new Kafka({ brokers: [broker], logLevel: logLevel.NOTHING }) });
