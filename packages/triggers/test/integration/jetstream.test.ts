import { jetstream, JetStreamApiError, jetstreamManager, type JetStreamClient } from '@nats-io/jetstream';
import { connect, headers, type MsgHdrs } from '@nats-io/transport-node';
import { eventually } from '../../../nats/test/integration/eventually.ts';
import { JetStreamServer } from '../servers/nats.ts';
import { describeWithServer } from '../servers/needs-servers.ts';
import type { JetStreamOptions } from '../../src/jetstream.ts';
import type { PublishOptions, SourceKit } from './source-kit.ts';
import { sourceSuite } from './source-suite.ts';

const CONSUMER_NOT_FOUND = 10_014;

const kit: SourceKit<JetStreamServer> = {
  kind: 'jetstream',
  runsOn: 'every-host',
  server: () => JetStreamServer.start(),
  async origin(server, name) {
    const connection = await connect({ servers: server.url, maxReconnectAttempts: -1, reconnectTimeWait: 50 });
    const manager = await jetstreamManager(connection);
    const client = jetstream(connection);
    // An event that is published twice is to come twice.
    await manager.streams.add({ name, subjects: [`${name}.>`], duplicate_window: 100_000_000 });
    const source = `/streams/${name}`;
    const options: JetStreamOptions = { servers: server.url, stream: name, durable: name, ackWaitMs: 2_000 };
    return {
      options,
      async publish(numbers, _, how) {
        for (const number of numbers) await publish(client, `${name}.numbered`, number, source, how);
        return numbers.map((number) => ({ source, id: `nr/${number}`, value: number }));
      },
      async publishAgain(numbers) {
        for (const number of numbers) await publish(client, `${name}.numbered`, number, source);
      },
      async unacknowledged() {
        try {
          const { num_pending, num_ack_pending } = await manager.consumers.info(name, name);
          return num_pending + num_ack_pending;
        } catch (error) {
          if (!(error instanceof JetStreamApiError) || error.code !== CONSUMER_NOT_FOUND) throw error;
          return (await manager.streams.info(name)).state.messages;
        }
      },
      end: () => connection.close(),
    };
  },
};

/** The server may be killed meanwhile. */
async function publish(
  client: JetStreamClient,
  subject: string,
  number: number,
  source: string,
  { paddingBytes, traceparent }: PublishOptions = {},
): Promise<void> {
  const data = { number, ...(paddingBytes !== undefined && { text: 'x'.repeat(paddingBytes) }) };
  await eventually(`the stream has ${number}`, () =>
    client.publish(subject, JSON.stringify(data), { headers: eventHeaders(source, `nr/${number}`, traceparent) }),
  );
}

function eventHeaders(source: string, id: string, traceparent: string | undefined): MsgHdrs {
  const all = headers();
  const attributes = { 'ce-specversion': '1.0', 'ce-type': 'numbered', 'ce-source': source, 'ce-id': id };
  for (const [name, value] of Object.entries(attributes)) all.set(name, value);
  all.set('Content-Type', 'application/json');
  if (traceparent !== undefined) all.set('traceparent', traceparent);
  return all;
}

await describeWithServer('nats-server', 'jetstream', () => sourceSuite(kit));
