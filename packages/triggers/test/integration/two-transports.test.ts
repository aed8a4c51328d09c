// One event that comes by several ways, in several encodings, starts one instance.

import { MemoryStore } from '@troupe/actors';
import { startHost, workflow } from '@troupe/workflow';
import { jetstream as jetstreamClient, jetstreamManager } from '@nats-io/jetstream';
import { connect, headers } from '@nats-io/transport-node';
import { expect, test } from 'vitest';
import { eventually } from '../../../nats/test/integration/eventually.ts';
import { NatsServers } from '../../../nats/test/integration/nats-servers.ts';
import { describeWithNats, natsServerProgram } from '../../../nats/test/integration/needs-server.ts';
import { cloudEvents } from '../../src/http.ts';
import { defaultInstanceId, start, trigger, Triggers, type HttpAnswer } from '../../src/index.ts';
import { jetstream } from '../../src/jetstream.ts';

const order = workflow('order', async (_ctx, input: unknown) => input);
const SOURCE = 'https://shop.example/orders';

describeWithNats('HTTP and JetStream', () => {
  test('the same event by both, in each of their modes, starts one instance under the documented id', async () => {
    const servers = await NatsServers.start(1, { program: natsServerProgram() });
    const { url } = servers.servers[0]!;
    const connection = await connect({ servers: url });
    const triggers = new Triggers();
    trigger(triggers, 'http', cloudEvents(), { do: start(order) });
    trigger(triggers, 'stream', jetstream({ servers: url, stream: 'ORDERS' }), { do: start(order) });
    const host = await startHost({ store: new MemoryStore(), workflows: [order], actors: triggers.actors });
    try {
      await (await jetstreamManager(connection)).streams.add({ name: 'ORDERS', subjects: ['orders.>'] });
      await triggers.start(host);
      const event = (id: string, data: unknown) => ({
        specversion: '1.0',
        id,
        source: SOURCE,
        type: 'order.created',
        data,
      });
      const post = (body: string, given: Record<string, string>): Promise<HttpAnswer> =>
        triggers.receive('http', {
          method: 'POST',
          headers: new Headers(given),
          query: new URLSearchParams(),
          body: async () => Buffer.from(body),
        });
      const binaryHeaders = (prefix: string, id: string) => ({
        [`${prefix}specversion`]: '1.0',
        [`${prefix}id`]: id,
        [`${prefix}source`]: SOURCE,
        [`${prefix}type`]: 'order.created',
        'content-type': 'application/json',
      });
      const structured = { 'content-type': 'application/cloudevents+json' };
      const publish = async (body: string, given: Record<string, string>): Promise<void> => {
        const all = headers();
        for (const [name, value] of Object.entries(given)) all.set(name, value);
        await jetstreamClient(connection).publish('orders.created', body, { headers: all });
      };
      const ids = Array.from({ length: 20 }, (_, number) => `${number} ö%`);
      await Promise.all(
        ids.flatMap((id, number) => {
          const data = { number };
          const encoded = { 'ce-id': encodeURIComponent(id) };
          return [
            post(JSON.stringify(event(id, data)), structured),
            post(JSON.stringify([event(id, data)]), { 'content-type': 'application/cloudevents-batch+json' }),
            post(JSON.stringify(data), { ...binaryHeaders('ce-', 'x'), ...encoded }),
            publish(JSON.stringify(event(id, data)), structured),
            publish(JSON.stringify(data), { ...binaryHeaders('ce-', 'x'), ...encoded }),
          ];
        }),
      );
      await eventually('all are settled', async () => {
        const [http, stream] = await triggers.list();
        const settled = (counts: Readonly<Record<string, number | undefined>>): number =>
          Object.values(counts).reduce<number>((sum, count = 0) => sum + count, 0);
        return settled(http!.counts) === 60 && settled(stream!.counts) === 40 && stream!.lag === 0;
      });
      const counts = (await triggers.list()).map((status) => status.counts);
      const sum = (outcome: 'started' | 'duplicate'): number =>
        counts.reduce((total, count) => total + (count[outcome] ?? 0), 0);
      expect([sum('started'), sum('duplicate')]).toEqual([20, 80]);
      const { instances } = await host.workflows.list({ limit: 100 });
      expect(instances.map(({ instanceId }) => instanceId).sort()).toEqual(
        ids.map((id) => defaultInstanceId(SOURCE, id)).sort(),
      );
      expect(defaultInstanceId(SOURCE, '0 ö%')).toBe('https=3A=2F=2Fshop.example=2Forders=2F0=20=C3=B6=25');
    } finally {
      await triggers.stop();
      await host.stop();
      await connection.close();
      await servers.end();
    }
  });
});
