// Reads topics as a member of a group. Messages of a partition are handed over in order, worked at side by side, and may be
// settled in any order; what is committed is the offset up to which all are.
//
// K1  An offset is committed only when every message before it is settled.
// K2  Of partitions that the group has given to another member nothing is committed any more. What is out of them comes
//     again there, and is the same event.
// K3  A message that is out, or was settled beyond the committed offset, is skipped when it is fetched again.
// K4  While it waits for room a reader stays a member: it says so every `KAFKA_HEARTBEAT_MS`.

import { waitAtMost } from '@troupe/actors';
import { SourceError } from '../errors.ts';
import { GrowingPause } from '../growing-pause.ts';
import type { KafkaOptions } from '../kafka.ts';
import {
  CONNECT_TIMEOUT_MS,
  KAFKA_COMMIT_RETRY_MS,
  KAFKA_HEARTBEAT_MS,
  KAFKA_UNCOMMITTED_MAX,
  KAFKA_WAIT_MS,
} from '../limits.ts';
import { SettledPrefix } from '../settled-prefix.ts';
import { sharedName } from '../shared-name.ts';
import type { SourceContext, SourceReader } from '../source.ts';
import type { KafkaAdmin, KafkaBatchPayload, KafkaConsumer, KafkaMessage } from './kafka-client.ts';
import { rawMessageOf } from './kafka-message.ts';

/** As many as the client sends in the time that it has by default. */
const HEARTBEATS_PER_SESSION = 10;

/** A partition that this member has. */
interface Partition {
  readonly topic: string;
  readonly partition: number;
  readonly settled: SettledPrefix;
  /** Not fetched from, since too much is beyond the first message that is not settled. */
  paused: boolean;
  /** The group has given it to another (K2). */
  lost: boolean;
}

export class KafkaReader implements SourceReader {
  readonly #options: KafkaOptions;
  readonly #context: SourceContext;
  readonly #groupId: string;
  readonly #pause: GrowingPause;
  readonly #partitions = new Map<string, Partition>();
  /** Those whose offset has moved and is to be committed. */
  readonly #uncommitted = new Set<Partition>();
  #consumer: KafkaConsumer | undefined;
  #admin: Promise<KafkaAdmin> | undefined;
  #committing: Promise<void> | undefined;
  /** Messages that may still be handed over of what was asked for last. */
  #room = 0;
  #draining = false;
  #close = (): void => {};
  readonly #closed = new Promise<void>((resolve) => (this.#close = resolve));
  readonly #done: Promise<void>;

  constructor(options: KafkaOptions, context: SourceContext) {
    this.#options = options;
    this.#context = context;
    this.#groupId = options.groupId ?? sharedName(context);
    this.#pause = new GrowingPause(context.clock, context.random);
    this.#done = this.#run();
  }

  async drain(): Promise<void> {
    if (this.#draining) return;
    this.#draining = true;
    this.#pause.end();
    this.#pauseAll();
  }

  async close(): Promise<void> {
    await this.drain();
    await waitAtMost(this.#context.clock, CONNECT_TIMEOUT_MS, this.#commit());
    this.#close();
    await this.#done;
    const admin = await this.#admin?.catch(() => undefined);
    await admin?.disconnect();
  }

  /** Messages after what the group has committed. */
  async lag(): Promise<number> {
    const admin = await this.#connectedAdmin();
    const topics = [...this.#options.topics];
    const committed = await admin.fetchOffsets({ groupId: this.#groupId, topics });
    let lag = 0;
    for (const { topic, partitions } of committed) {
      const offsets = new Map(partitions.map(({ partition, offset }) => [partition, Number(offset)]));
      for (const { partition, high, low } of await admin.fetchTopicOffsets(topic)) {
        const offset = offsets.get(partition) ?? -1;
        if (offset >= 0) lag += Math.max(0, Number(high) - Math.max(offset, Number(low)));
        else if (this.#options.fromBeginning !== false) lag += Number(high) - Number(low);
      }
    }
    return lag;
  }

  #pauseAll(): void {
    this.#tell((consumer) => consumer.pause(this.#options.topics.map((topic) => ({ topic }))));
  }

  async #run(): Promise<void> {
    while (!this.#draining) {
      try {
        await this.#consume();
      } catch (error) {
        this.#context.failing(error);
      }
      await this.#pause.wait();
    }
  }

  /** One consumer's life: the client tries again for a while by itself, and then leaves it to us. */
  async #consume(): Promise<void> {
    const { client, sessionTimeoutMs } = this.#options;
    const consumer = client.consumer({
      groupId: this.#groupId,
      ...(sessionTimeoutMs !== undefined && {
        sessionTimeout: sessionTimeoutMs,
        heartbeatInterval: sessionTimeoutMs / HEARTBEATS_PER_SESSION,
      }),
      maxWaitTimeInMs: KAFKA_WAIT_MS,
      retry: { restartOnFailure: async () => false },
    });
    try {
      const crashed = new Promise<Error>((resolve) => {
        consumer.on('consumer.crash', ({ payload }) => resolve(payload.error));
      });
      consumer.on('consumer.group_join', ({ payload }) => this.#joined(consumer, payload.memberAssignment));
      await consumer.connect();
      const topics = [...this.#options.topics];
      await consumer.subscribe({ topics, fromBeginning: this.#options.fromBeginning ?? true });
      this.#consumer = consumer;
      for (const partition of this.#partitions.values()) partition.paused = false;
      await consumer.run({
        autoCommit: false,
        eachBatchAutoResolve: false,
        eachBatch: (payload) => this.#handOverBatch(payload),
      });
      const reason = await Promise.race([crashed, this.#closed]);
      if (reason !== undefined) throw reason;
    } finally {
      this.#consumer = undefined;
      await waitAtMost(this.#context.clock, CONNECT_TIMEOUT_MS, consumer.disconnect());
    }
  }

  /** The group has shared the partitions out anew. */
  #joined(consumer: KafkaConsumer, assigned: Readonly<Record<string, readonly number[]>>): void {
    this.#pause.reset();
    this.#context.working();
    if (this.#draining) this.#pauseAll();
    for (const [key, partition] of this.#partitions) {
      if (assigned[partition.topic]?.includes(partition.partition)) continue;
      partition.lost = true;
      this.#partitions.delete(key);
      this.#uncommitted.delete(partition);
      this.#resume(partition);
    }
    if (this.#options.fromBeginning === false) {
      this.#commitBeginning(consumer, assigned).catch((error: unknown) => this.#context.failing(error));
    }
  }

  /** A group that has committed nothing begins after the newest message each time that it begins: its beginning is fixed. */
  async #commitBeginning(
    consumer: KafkaConsumer,
    assigned: Readonly<Record<string, readonly number[]>>,
  ): Promise<void> {
    const admin = await this.#connectedAdmin();
    const committed = await admin.fetchOffsets({ groupId: this.#groupId, topics: [...this.#options.topics] });
    for (const { topic, partitions } of committed) {
      const newest = await admin.fetchTopicOffsets(topic);
      const offsets = partitions
        .filter(({ partition, offset }) => offset === '-1' && assigned[topic]?.includes(partition))
        .filter(({ partition }) => !this.#partitions.has(`${topic}/${partition}`))
        .map(({ partition }) => ({ topic, partition, offset: newest.find((of) => of.partition === partition)!.high }));
      if (offsets.length > 0) await consumer.commitOffsets(offsets);
    }
  }

  async #handOverBatch(payload: KafkaBatchPayload): Promise<void> {
    const { topic, partition, messages } = payload.batch;
    for (const message of messages) {
      const position = Number(message.offset);
      const log = this.#partition(topic, partition, position);
      if (log.settled.size >= KAFKA_UNCOMMITTED_MAX && position >= log.settled.end) {
        log.paused = true;
        this.#tell((consumer) => consumer.pause([{ topic, partitions: [partition] }]));
        return;
      }
      if (this.#room === 0) this.#room = await this.#nextRoom(payload);
      // Much may have changed meanwhile. What is not resolved is fetched again.
      if (this.#room === 0 || this.#draining || log.lost || !payload.isRunning() || payload.isStale()) return;
      if (log.settled.take(position)) {
        this.#room--;
        void this.#handOver(log, position, message);
      }
      payload.resolveOffset(message.offset);
      // The client sends one when it is due.
      await payload.heartbeat();
    }
  }

  /** Rejects when the group is shared out anew: the client joins it then. */
  async #nextRoom(payload: KafkaBatchPayload): Promise<number> {
    const found: number[] = [];
    const asked = this.#context.room().then((room) => found.push(room));
    while (found.length === 0) {
      await waitAtMost(this.#context.clock, KAFKA_HEARTBEAT_MS, asked);
      await payload.heartbeat();
    }
    return found[0]!;
  }

  #partition(topic: string, partition: number, first: number): Partition {
    const key = `${topic}/${partition}`;
    let found = this.#partitions.get(key);
    if (found === undefined) {
      found = { topic, partition, settled: new SettledPrefix(first), paused: false, lost: false };
      this.#partitions.set(key, found);
    }
    return found;
  }

  async #handOver(log: Partition, position: number, message: KafkaMessage): Promise<void> {
    const { topic, partition, settled } = log;
    const source = this.#options.source ?? `kafka:${topic}`;
    const { outcome } = await this.#context.deliver({ raw: rawMessageOf(topic, partition, message, source) });
    if (log.lost) return;
    if (outcome === 'released') {
      settled.release(position);
      if (this.#draining) return;
      this.#tell((consumer) => consumer.seek({ topic, partition, offset: String(settled.firstReleased) }));
      this.#resume(log);
      return;
    }
    if (settled.settle(position)) {
      this.#uncommitted.add(log);
      void this.#commit();
    }
    if (settled.size < KAFKA_UNCOMMITTED_MAX / 2) this.#resume(log);
  }

  #resume(log: Partition): void {
    if (!log.paused || this.#draining) return;
    log.paused = false;
    const { topic, partition } = log;
    this.#tell((consumer) => consumer.resume([{ topic, partitions: [partition] }]));
  }

  /** Commits what has moved, one commit at a time: those that move meanwhile share the next. Never rejects. */
  #commit(): Promise<void> {
    this.#committing ??= this.#commitAll().finally(() => (this.#committing = undefined));
    return this.#committing;
  }

  async #commitAll(): Promise<void> {
    while (this.#uncommitted.size > 0 && this.#consumer !== undefined) {
      const partitions = [...this.#uncommitted];
      this.#uncommitted.clear();
      try {
        await this.#consumer.commitOffsets(
          partitions.map(({ topic, partition, settled }) => ({ topic, partition, offset: String(settled.next) })),
        );
      } catch (error) {
        // As while the group is being shared out. What cannot be committed comes again.
        this.#context.logger.debug({ trigger: this.#context.trigger, err: error }, 'offsets could not be committed');
        for (const partition of partitions) if (!partition.lost) this.#uncommitted.add(partition);
        await waitAtMost(this.#context.clock, KAFKA_COMMIT_RETRY_MS, this.#closed);
      }
    }
  }

  /** Says something to the consumer, if there is one that runs; the next one begins with what is committed. */
  #tell(what: (consumer: KafkaConsumer) => void): void {
    if (this.#consumer === undefined) return;
    try {
      what(this.#consumer);
    } catch (error) {
      this.#context.logger.debug({ trigger: this.#context.trigger, err: error }, 'the consumer is not running');
    }
  }

  #connectedAdmin(): Promise<KafkaAdmin> {
    this.#admin ??= this.#connectAdmin().catch((cause: unknown) => {
      this.#admin = undefined;
      throw new SourceError('the brokers of Kafka cannot be reached', { cause });
    });
    return this.#admin;
  }

  async #connectAdmin(): Promise<KafkaAdmin> {
    const admin = this.#options.client.admin();
    await admin.connect();
    return admin;
  }
}
