import { SUITE_LAYOUT, storeSuite } from '@troupe/actors/conformance';
import { afterAll, beforeAll } from 'vitest';
import { NatsServers } from './nats-servers.ts';
import { describeWithNats, natsServerProgram } from './needs-server.ts';
import { removeStreams, storeOn } from './store-harness.ts';

describeWithNats('one server', () => {
  let servers: NatsServers;
  beforeAll(async () => void (servers = await NatsServers.start(1, { program: natsServerProgram() })));
  afterAll(() => servers.end());

  storeSuite('NatsStore', () => ({
    open: async () => storeOn({ servers: servers.urls, app: SUITE_LAYOUT.app }),
    reopen: async () => storeOn({ servers: servers.urls, app: SUITE_LAYOUT.app }),
    dispose: () => removeStreams(servers.urls, SUITE_LAYOUT.app),
  }));
});
