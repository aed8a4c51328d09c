// What a client of the shape of kafkajs has, as far as this package uses it. It is handed in, so that whoever runs Kafka
// chooses how to reach it.

export interface KafkaClient {
  consumer(config: {
    readonly groupId: string;
    readonly sessionTimeout?: number;
    readonly heartbeatInterval?: number;
    readonly maxWaitTimeInMs: number;
    readonly retry: { readonly restartOnFailure: () => Promise<boolean> };
  }): KafkaConsumer;
  admin(): KafkaAdmin;
}

export interface KafkaConsumer {
  connect(): Promise<void>;
  disconnect(): Promise<void>;
  subscribe(subscription: { topics: string[]; fromBeginning: boolean }): Promise<void>;
  run(config: {
    readonly autoCommit: false;
    readonly eachBatchAutoResolve: false;
    readonly eachBatch: (payload: KafkaBatchPayload) => Promise<void>;
  }): Promise<void>;
  commitOffsets(offsets: { topic: string; partition: number; offset: string }[]): Promise<void>;
  seek(position: { topic: string; partition: number; offset: string }): void;
  pause(topics: { topic: string; partitions?: number[] }[]): void;
  resume(topics: { topic: string; partitions?: number[] }[]): void;
  on(event: 'consumer.crash', listener: (event: { readonly payload: { readonly error: Error } }) => void): unknown;
  on(
    event: 'consumer.group_join',
    listener: (event: { readonly payload: { readonly memberAssignment: Readonly<Record<string, number[]>> } }) => void,
  ): unknown;
}

export interface KafkaAdmin {
  connect(): Promise<void>;
  disconnect(): Promise<void>;
  fetchOffsets(options: {
    groupId: string;
    topics: string[];
  }): Promise<
    { readonly topic: string; readonly partitions: { readonly partition: number; readonly offset: string }[] }[]
  >;
  fetchTopicOffsets(
    topic: string,
  ): Promise<{ readonly partition: number; readonly high: string; readonly low: string }[]>;
}

export interface KafkaBatchPayload {
  readonly batch: { readonly topic: string; readonly partition: number; readonly messages: readonly KafkaMessage[] };
  resolveOffset(offset: string): void;
  heartbeat(): Promise<void>;
  isRunning(): boolean;
  isStale(): boolean;
}

type KafkaText = Buffer | string;

export interface KafkaMessage {
  readonly key: Buffer | null;
  readonly value: Buffer | null;
  /** Milliseconds since the epoch. */
  readonly timestamp: string;
  readonly offset: string;
  readonly headers?: Readonly<Record<string, KafkaText | readonly KafkaText[] | undefined>>;
}
