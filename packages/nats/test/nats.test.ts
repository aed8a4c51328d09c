import { consoleLogger, systemClock } from '@troupe/actors';
import { expect, test } from 'vitest';
import { nats } from '../src/index.ts';

const servers = 'nats://127.0.0.1:1';

test('what cannot be meant is refused before anything is connected', async () => {
  expect(() => nats({})).toThrow(/either servers or a connection/);
  for (const count of [0, -1, 1.5, NaN]) {
    expect(() => nats({ servers, replicas: count })).toThrow(/replicas is an integer of at least 1/);
    expect(() => nats({ servers, streams: count })).toThrow(/streams is an integer of at least 1/);
  }
  for (const app of ['', 'a.b', 'a b', '*', '>', 'ä', 'a'.repeat(65)]) {
    const connecting = nats({ servers }).connect({
      app,
      partitionCount: 8,
      announcement: { actorTypes: [], details: {} },
      clock: systemClock,
      logger: consoleLogger,
      random: Math.random,
    });
    await expect(connecting).rejects.toThrow(/an application name is 1 to 64 letters/);
  }
});
