import { connectAsync } from 'mqtt';
import { MosquittoServer } from '../servers/mosquitto.ts';
import { describeWithServer } from '../servers/needs-servers.ts';
import type { MqttOptions } from '../../src/mqtt.ts';
import type { PublishOptions, SourceKit } from './source-kit.ts';
import { sourceSuite } from './source-suite.ts';

const kit: SourceKit<MosquittoServer> = {
  kind: 'mqtt',
  runsOn: 'one-host',
  server: () => MosquittoServer.start(),
  async origin(server, name) {
    const options: MqttOptions = { url: server.url, topic: `${name}/+`, clientId: name };
    // A broker keeps nothing for a session that was never there.
    const session = await connectAsync(server.url, {
      protocolVersion: 5,
      clientId: name,
      clean: false,
      properties: { sessionExpiryInterval: 3_600 },
    });
    await session.subscribeAsync(`${name}/+`, { qos: 1 });
    await session.endAsync();
    const client = await connectAsync(server.url, { protocolVersion: 5, reconnectPeriod: 50 });
    const source = `/topics/${name}`;
    const publish = async (
      numbers: readonly number[],
      { paddingBytes, traceparent }: PublishOptions = {},
    ): Promise<void> => {
      const text = paddingBytes === undefined ? {} : { text: 'x'.repeat(paddingBytes) };
      for (const number of numbers) {
        await client.publishAsync(`${name}/numbered`, JSON.stringify({ number, ...text }), {
          qos: 1,
          properties: {
            contentType: 'application/json',
            userProperties: {
              specversion: '1.0',
              id: `nr/${number}`,
              source,
              type: 'numbered',
              ...(traceparent !== undefined && { traceparent }),
            },
          },
        });
      }
    };
    return {
      options,
      async publish(numbers, _, how) {
        await publish(numbers, how);
        return numbers.map((number) => ({ source, id: `nr/${number}`, value: number }));
      },
      publishAgain: (numbers) => publish(numbers),
      unacknowledged: async () => undefined,
      end: () => client.endAsync(true),
    };
  },
};

await describeWithServer('mosquitto', 'mqtt', () => sourceSuite(kit));
