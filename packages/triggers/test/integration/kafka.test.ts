// What is expected of every kind, of Kafka: topics of four partitions on a mock of a cluster, which forgets all when it ends.

import { Kafka, logLevel } from 'kafkajs';
import { KafkaServer } from '../servers/kafka.ts';
import { describeWithServer } from '../servers/needs-servers.ts';
import type { KafkaChildOptions } from './child-sources/kafka.ts';
import { eventually } from '../../../nats/test/integration/eventually.ts';
import type { Origin, OriginHosts, OriginServer, PublishOptions, Published, SourceKit } from './source-kit.ts';
import { sourceSuite } from './source-suite.ts';

const GROUP = 'takers';
const SOURCE = 'urn:shop';
/** Of what is sent at once. */
const BATCH_LENGTH = 10;
/** The mock keeps the newest 5 MiB of a partition, and all may be in one. */
const KEPT_BYTES_MAX = 4 * 1024 * 1024;

/** Without a restart: kafka-source.test.ts cuts it off instead. */
class Cluster implements OriginServer {
  readonly url: string;
  readonly #server: KafkaServer;

  constructor(server: KafkaServer) {
    this.#server = server;
    this.url = server.url;
  }

  async end(): Promise<void> {
    await this.#server.end();
  }
}

const kit: SourceKit<Cluster> = {
  kind: 'kafka',
  runsOn: 'every-host',
  server: async () => new Cluster(await KafkaServer.start()),
  async origin(server, name) {
    // What a killed host had comes again soon.
    const options: KafkaChildOptions = {
      broker: server.url,
      topics: [name],
      groupId: GROUP + name,
      sessionTimeoutMs: 3_000,
    };
    const client = new Kafka({ brokers: [server.url], logLevel: logLevel.NOTHING });
    const producer = client.producer();
    const admin = client.admin();
    await Promise.all([producer.connect(), admin.connect()]);

    const unacknowledged = async (): Promise<number> => {
      const committed = await admin.fetchOffsets({ groupId: options.groupId!, topics: [name] });
      let count = 0;
      for (const { partition, high } of await admin.fetchTopicOffsets(name)) {
        const offset = Number(committed[0]!.partitions.find((of) => of.partition === partition)?.offset ?? -1);
        count += Number(high) - Math.max(offset, 0);
      }
      return count;
    };

    /** Until so many more can be kept. */
    async function room(hosts: OriginHosts, count: number, bytes: number): Promise<void> {
      const fits = async (): Promise<boolean> => ((await unacknowledged()) + count) * bytes <= KEPT_BYTES_MAX;
      if (await fits()) return;
      await hosts.ready();
      await eventually('there is room for more', fits);
    }

    async function publish(
      numbers: readonly number[],
      hosts: OriginHosts,
      { paddingBytes, traceparent }: PublishOptions = {},
    ): Promise<void> {
      const messages = numbers.map((number) => ({
        key: String(number),
        value: JSON.stringify({ number, ...(paddingBytes !== undefined && { text: 'x'.repeat(paddingBytes) }) }),
        headers: {
          ce_specversion: '1.0',
          ce_id: `${name}-${number}`,
          ce_source: SOURCE,
          ce_type: 'order.created',
          'content-type': 'application/json',
          ...(traceparent !== undefined && { traceparent }),
        },
      }));
      for (let at = 0; at < messages.length; at += BATCH_LENGTH) {
        const batch = messages.slice(at, at + BATCH_LENGTH);
        if (paddingBytes !== undefined && at > 0) await room(hosts, batch.length, paddingBytes);
        await producer.send({ topic: name, messages: batch });
      }
    }

    return {
      options,
      publish: async (numbers, hosts, more): Promise<Published[]> => {
        await publish(numbers, hosts, more);
        return numbers.map((number) => ({ source: SOURCE, id: `${name}-${number}`, value: number }));
      },
      publishAgain: (numbers, hosts) => publish(numbers, hosts),
      unacknowledged,
      end: async () => {
        await Promise.all([producer.disconnect(), admin.disconnect()]);
      },
    } satisfies Origin;
  },
};

await describeWithServer('kcat', 'kafka', () => sourceSuite(kit));
