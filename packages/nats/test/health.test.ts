import { ManualClock } from '@troupe/actors/testing';
import { expect, test } from 'vitest';
import { Health } from '../src/health.ts';
import { FAILING_AFTER_MS, PROBE_INTERVAL_MS } from '../src/limits.ts';

function setUp() {
  const clock = new ManualClock();
  const log: string[] = [];
  const note = (_details: object, message: string): void => void log.push(message);
  const server = { isThere: true, isFull: false, probes: 0 };
  const health = new Health(clock, { debug() {}, info: note, warn: note, error: note }, async () => {
    server.probes++;
    if (!server.isThere) throw new Error('nobody is there');
    return !server.isFull;
  });
  return { clock, log, server, health };
}

test('a connection that was lost for a moment is no failure of a store that nobody uses', async () => {
  const { clock, log, server, health } = setUp();
  health.failing('the connection to NATS is lost');
  await clock.advance(10 * FAILING_AFTER_MS);
  expect(health.failure).toBeUndefined();
  expect(log).toEqual([]);
  expect(server.probes).toBe(1);
  expect(clock.pending).toBe(0);
});

test('what is in vain for long is a failure, until the store has found out by itself that it is none', async () => {
  const { clock, log, server, health } = setUp();
  server.isThere = false;
  health.failing('no answer');
  await clock.advance(FAILING_AFTER_MS - 1);
  expect(health.failure).toBeUndefined();
  await clock.advance(1);
  expect(health.failure?.message).toContain('nobody is there');
  await clock.advance(10 * PROBE_INTERVAL_MS);
  expect(server.probes).toBe(11);
  server.isThere = true;
  await clock.advance(PROBE_INTERVAL_MS);
  expect(health.failure).toBeUndefined();
  expect(log).toHaveLength(2);
  expect(clock.pending).toBe(0);
});

test('what works while it is tried counts, also when the trial fails', async () => {
  const { clock, health, server } = setUp();
  server.isThere = false;
  health.failing('no answer');
  await clock.advance(FAILING_AFTER_MS - 1);
  health.worked();
  health.failing('no answer again');
  await clock.advance(FAILING_AFTER_MS - 1);
  expect(health.failure).toBeUndefined();
  health.stop();
  await clock.advance(FAILING_AFTER_MS);
  expect(server.probes).toBe(0);
});

test('a server that can be read and not written is a failure for as long as that is so', async () => {
  const { clock, log, server, health } = setUp();
  server.isFull = true;
  health.failing('no room');
  await clock.advance(FAILING_AFTER_MS);
  for (let probe = 0; probe < 10; probe++) {
    expect(health.failure?.message).toContain('no room');
    await clock.advance(PROBE_INTERVAL_MS);
  }
  server.isFull = false;
  health.worked();
  await clock.advance(PROBE_INTERVAL_MS);
  expect(health.failure).toBeUndefined();
  expect(log).toHaveLength(2);
});
