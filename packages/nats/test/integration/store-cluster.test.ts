import { SUITE_LAYOUT, storeSuite } from '@troupe/actors/conformance';
import { commitOnce, type Store } from '@troupe/actors';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import type { NatsStore } from '../../src/nats-store.ts';
import { eventually } from './eventually.ts';
import { NatsServers } from './nats-servers.ts';
import { describeWithNats, natsServerProgram } from './needs-server.ts';
import { aCommit, at, LAYOUT, put, removeStreams, storeOn, Writers } from './store-harness.ts';

describeWithNats('a cluster of three servers', () => {
  let servers: NatsServers;
  let stores: Store[] = [];
  beforeAll(async () => {
    servers = await NatsServers.start(3, { program: natsServerProgram() });
    await servers.waitForLeader();
  });
  afterEach(async () => {
    await Promise.all(stores.map((store) => store.stop()));
    stores = [];
  });
  afterAll(() => servers.end());

  async function opened(server: number): Promise<NatsStore> {
    const store = storeOn({ servers: [servers.urls[server]!, ...servers.urls] });
    await store.start(LAYOUT);
    stores.push(store);
    return store;
  }

  test('what was acknowledged is seen by everybody at once', async () => {
    const [one, two, three] = [await opened(0), await opened(1), await opened(2)];
    let revision = 0;
    for (let round = 1; round <= 200; round++) {
      revision = await commitOnce(one, at('a'), aCommit(revision, { dueAtMs: round % 2 === 0 ? 0 : null }));
      const [second, third] = await Promise.all([two.load(at('a')), three.load(at('a'))]);
      expect([second.record?.revision, third.record?.revision]).toEqual([revision, revision]);
      if (round % 10 !== 0) continue;
      for (const store of [two, three]) {
        const due = await Promise.all(
          Array.from({ length: 8 }, (_, partition) => store.due(partition, 0, undefined, 10)),
        );
        expect(due.flatMap(({ entries }) => entries).length).toBe(1);
      }
    }
    await removeStreamsAfterStop();
  }, 120_000);

  test('the leader of the stream is killed: commits go on with another, and none is lost or made twice', async () => {
    const store = await opened(0);
    const writers = new Writers(store, 10, 300);
    await eventually('commits begin', () => writers.total > 300);
    const leader = await servers.waitForLeader('TROUPE_test_0');
    // Not the one that this store is connected to: the connection stays, the leader goes.
    const killed = leader === servers.servers[0] ? servers.servers[1]! : leader;
    await killed.kill();
    const before = writers.total;
    await eventually('commits go on', () => writers.total > before + 300);
    await killed.start();
    await servers.servers[0]!.kill();
    await servers.servers[0]!.start();
    const then = writers.total;
    await eventually('commits go on', () => writers.total > then + 300);
    await writers.stop();
    const other = await opened(1);
    await writers.check(other);
    await put(other, 'after');
    await removeStreamsAfterStop();
  }, 180_000);

  async function removeStreamsAfterStop(): Promise<void> {
    await Promise.all(stores.map((store) => store.stop()));
    await removeStreams(servers.urls, LAYOUT.app);
  }

  storeSuite('NatsStore, three replicas', () => ({
    open: async () => storeOn({ servers: servers.urls, app: SUITE_LAYOUT.app }),
    reopen: async () => storeOn({ servers: servers.urls, app: SUITE_LAYOUT.app }),
    dispose: () => removeStreams(servers.urls, SUITE_LAYOUT.app),
  }));
});
