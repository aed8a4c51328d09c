import { systemClock } from '@troupe/actors';
import { ManualClock } from '@troupe/actors/testing';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { connectWire } from '../../src/connection.ts';
import { STEPDOWN_INTERVAL_MS, STUCK_AFTER_MS } from '../../src/limits.ts';
import { InboxRequests } from '../../src/requests.ts';
import { StuckStreams } from '../../src/stuck-streams.ts';
import { eventually } from './eventually.ts';
import { NatsServers } from './nats-servers.ts';
import { describeWithNats, natsServerProgram } from './needs-server.ts';

const STREAM = 'STUCK';

describeWithNats('a stream whose leader refuses in vain', () => {
  let servers: NatsServers;
  beforeAll(async () => {
    servers = await NatsServers.start(3, { program: natsServerProgram() });
    await servers.waitForLeader();
  });
  afterAll(() => servers.end());

  test('gets another leader, once it has refused for long, and not again at once', async () => {
    const warnings: unknown[] = [];
    const logger = { ...console, warn: (_: object, message: string) => void warnings.push(message) };
    const wire = await connectWire({ servers: servers.urls }, { clock: systemClock, logger });
    const requests = new InboxRequests(wire, systemClock);
    const create = { name: STREAM, subjects: ['stuck.>'], num_replicas: 3 };
    await eventually('the stream is made', async () => {
      const body = Buffer.from(JSON.stringify(create));
      const answer = await requests.ask(`$JS.API.STREAM.CREATE.${STREAM}`, body, 5_000);
      return !Buffer.from(answer.data).toString().includes('"error"');
    });
    const first = await servers.waitForLeader(STREAM);
    const clock = new ManualClock();
    const stuck = new StuckStreams(requests, clock, logger);
    const sinceMs = clock.nowMs();

    await clock.advance(STUCK_AFTER_MS - 1);
    stuck.refusedSince(sinceMs, STREAM, 'stuck.a');
    expect(warnings).toEqual([]);

    await clock.advance(1);
    stuck.refusedSince(sinceMs, STREAM, 'stuck.a');
    await eventually('another server leads', async () => (await servers.waitForLeader(STREAM)).name !== first.name);

    await clock.advance(STEPDOWN_INTERVAL_MS - 1);
    stuck.refusedSince(sinceMs, STREAM, 'stuck.b');
    expect(warnings).toEqual([expect.stringContaining('is asked for another leader')]);
    await clock.advance(1);
    stuck.refusedSince(sinceMs, STREAM, 'stuck.b');
    expect(warnings).toHaveLength(2);
    requests.stop();
    await wire.close();
  }, 60_000);
});
