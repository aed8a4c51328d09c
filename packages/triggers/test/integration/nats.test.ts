import { connect, headers, type NatsConnection } from '@nats-io/transport-node';
import { eventually } from '../../../nats/test/integration/eventually.ts';
import { JetStreamServer } from '../servers/nats.ts';
import { describeWithServer } from '../servers/needs-servers.ts';
import type { NatsOptions, NatsReply } from '../../src/nats.ts';
import type { PublishOptions, SourceKit } from './source-kit.ts';
import { sourceSuite } from './source-suite.ts';

/** So many requests wait for their answers at once. */
const ASKED_AT_ONCE = 64;

const kit: SourceKit<JetStreamServer> = {
  kind: 'nats',
  runsOn: 'every-host',
  durable: false,
  server: () => JetStreamServer.start(),
  async origin(server, name) {
    const connection = await connect({ servers: server.url, maxReconnectAttempts: -1, reconnectTimeWait: 50 });
    const options: NatsOptions = { servers: server.url, subject: `${name}.*` };
    const source = `nats:${name}.numbered`;
    const ask = (number: number, how?: PublishOptions): Promise<void> =>
      request(connection, `${name}.numbered`, number, how);
    return {
      options,
      async publish(numbers, hosts, how) {
        await hosts.ready();
        for (let from = 0; from < numbers.length; from += ASKED_AT_ONCE) {
          await Promise.all(numbers.slice(from, from + ASKED_AT_ONCE).map((number) => ask(number, how)));
        }
        return numbers.map((number) => ({ source, id: `nr-${number}`, value: number }));
      },
      async publishAgain(numbers, hosts) {
        await hosts.ready();
        for (const number of numbers) await ask(number);
      },
      unacknowledged: async () => undefined,
      end: () => connection.close(),
    };
  },
};

/** Asks until it is settled, as whoever must not lose an event does. */
async function request(
  connection: NatsConnection,
  subject: string,
  number: number,
  { paddingBytes, traceparent }: PublishOptions = {},
): Promise<void> {
  const data = { number, ...(paddingBytes !== undefined && { text: 'x'.repeat(paddingBytes) }) };
  const own = headers();
  own.set('Nats-Msg-Id', `nr-${number}`);
  if (traceparent !== undefined) own.set('traceparent', traceparent);
  await eventually(`an answer to ${number}`, async () => {
    const answer = await connection.request(subject, JSON.stringify(data), { headers: own, timeout: 10_000 });
    return answer.json<NatsReply>().outcome !== 'released';
  });
}

await describeWithServer('nats-server', 'nats', () => sourceSuite(kit));
