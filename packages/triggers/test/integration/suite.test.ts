// The suite of sources, tried on a source of its own: one that works passes, and each that is wrong is found.

import { expect, onTestFinished, test } from 'vitest';
import { acceptance, isClean, type AcceptanceOptions } from './acceptance.ts';
import { logKit } from './log-origin.ts';
import type { LogFault } from './child-sources/log.ts';
import { boundedMemory, unsettledComesAgain } from './scenarios.ts';
import { Scene } from './scene.ts';
import { ATTEMPTS_MANY, sourceSuite } from './source-suite.ts';
import { thorough } from './thorough.ts';
import { TriggerHosts, type TriggerHostsOptions } from './trigger-hosts.ts';

const OPTIONS: AcceptanceOptions = { events: 100, duplicates: 10, kills: 2, seed: 3, quietMs: 2_000 };

// A source that is right: the suite lets it pass.
if (thorough) sourceSuite(logKit());

test('a source that acknowledges before the create is durable is found: what was killed does not come again', async () => {
  const at = await scene('acknowledges-early', { attemptsMax: ATTEMPTS_MANY });
  await expect(unsettledComesAgain(at, { end: 'kill', timeoutMs: 3_000 })).rejects.toThrow(
    '0 activities of 5 have run',
  );

  const result = await acceptance(logKit('acknowledges-early'), { end: async () => {} }, 'early', OPTIONS);
  expect(isClean(result), JSON.stringify(result)).toBe(false);
  expect(result).toMatchObject({ directed: 1, redelivered: 0 });
});

test('a source that never acknowledges is found: its origin holds all of them', async () => {
  const result = await acceptance(logKit('never-acknowledges'), { end: async () => {} }, 'never', OPTIONS);
  expect(isClean(result)).toBe(false);
  expect(result).toMatchObject({ lost: [], unacknowledged: OPTIONS.events + OPTIONS.duplicates });
});

test('a source that names an event anew at each delivery is found: instances too many', async () => {
  const result = await acceptance(logKit('names-anew'), { end: async () => {} }, 'anew', OPTIONS);
  expect(isClean(result)).toBe(false);
  expect(result.doubled).not.toEqual([]);
});

test('a source that hands over more than there is room for is found', async () => {
  const at = await scene('reads-ahead', { concurrency: 4 });
  const backlog = { events: 50, paddingBytes: undefined, concurrency: 4, durable: true, timeoutMs: 60_000 };
  await expect(boundedMemory(at, backlog)).rejects.toThrow(/to be less than or equal to 4/);
});

test('a source that acknowledges what is released is found: it does not come again', async () => {
  const at = await scene('ignores-release', { attemptsMax: ATTEMPTS_MANY });
  await expect(unsettledComesAgain(at, { end: 'stop', timeoutMs: 3_000 })).rejects.toThrow('activities of 5 have run');
});

async function scene(fault: LogFault, options: Partial<TriggerHostsOptions>): Promise<Scene> {
  const { kind, origin: originOf, server } = logKit(fault);
  const origin = await originOf(await server(), fault);
  const hosts = await TriggerHosts.prepare(1, { kind, trigger: fault, origin, ...options });
  onTestFinished(async () => {
    await hosts.end();
    await origin.end?.();
  });
  return new Scene(origin, hosts);
}
