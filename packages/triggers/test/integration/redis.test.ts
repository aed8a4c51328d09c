// What is expected of every kind, of streams of Redis.

import { createClient } from 'redis';
import type { RedisStreamOptions } from '../../src/redis.ts';
import { describeWithServer } from '../servers/needs-servers.ts';
import { RedisServer } from '../servers/redis.ts';
import type { Origin, PublishOptions, Published, SourceKit } from './source-kit.ts';
import { sourceSuite } from './source-suite.ts';

const GROUP = 'takers';
const SOURCE = 'urn:shop';
/** Commands that wait for an answer: the client gives each five seconds. */
const AT_ONCE = 10;

const kit: SourceKit<RedisServer> = {
  kind: 'redis',
  runsOn: 'every-host',
  server: () => RedisServer.start(),
  async origin(server, name) {
    // What a killed host had comes again soon.
    const options: RedisStreamOptions = { url: server.url, stream: name, group: GROUP, idleMs: 2_000 };
    const client = createClient({ url: server.url, RESP: 2 });
    client.on('error', () => {});
    await client.connect();

    async function publish(
      numbers: readonly number[],
      { paddingBytes, traceparent }: PublishOptions = {},
    ): Promise<void> {
      for (let at = 0; at < numbers.length; at += AT_ONCE) {
        await Promise.all(numbers.slice(at, at + AT_ONCE).map((number) => add(number, paddingBytes, traceparent)));
      }
    }

    async function add(
      number: number,
      paddingBytes: number | undefined,
      traceparent: string | undefined,
    ): Promise<void> {
      const data = { number, ...(paddingBytes !== undefined && { text: 'x'.repeat(paddingBytes) }) };
      const fields = {
        ce_specversion: '1.0',
        ce_id: `${name}-${number}`,
        ce_source: SOURCE,
        ce_type: 'order.created',
        'content-type': 'application/json',
        data: JSON.stringify(data),
        ...(traceparent !== undefined && { traceparent }),
      };
      await client.sendCommand(['XADD', name, '*', ...Object.entries(fields).flat()]);
    }

    return {
      options,
      publish: async (numbers, _hosts, more): Promise<Published[]> => {
        await publish(numbers, more);
        return numbers.map((number) => ({ source: SOURCE, id: `${name}-${number}`, value: number }));
      },
      publishAgain: (numbers) => publish(numbers),
      unacknowledged: async () => {
        const groups = (await client.sendCommand(['XINFO', 'GROUPS', name])) as unknown as unknown[][];
        const fields = groups[0] ?? [];
        const valueOf = (field: string): number => Number(fields[fields.indexOf(field) + 1]);
        return valueOf('pending') + valueOf('lag');
      },
      end: async () => client.destroy(),
    } satisfies Origin;
  },
};

await describeWithServer('redis-server', 'redis', () => sourceSuite(kit));
