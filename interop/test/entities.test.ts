// Entities, which of these SDKs only Microsoft's has.

import { expect, test } from 'vitest';
import { eventually } from '../../packages/nats/test/integration/eventually.ts';
import { sharedPeer } from './service.ts';

const peer = sharedPeer('microsoft');

const becomes = (key: string, count: number | undefined): Promise<unknown> =>
  eventually(`${key} is ${count}`, async () => (await peer.ask.entity(key))?.count === count);
const lockedBy = async (key: string): Promise<string | undefined> =>
  (await peer.ask.entities(key, true)).find(({ id }) => id === `@counter@${key}`)?.lockedBy;
const outputOf = async (id: string): Promise<unknown> => JSON.parse((await peer.ask.ended(id))!.output!);

test('signals are run in their order, and what failed has changed nothing', async () => {
  expect(await peer.ask.entity('signals')).toBeUndefined();
  await peer.ask.signal('signals', 'add', 10);
  await peer.ask.signal('signals', 'fail');
  await peer.ask.signal('signals', 'add', -3);
  await becomes('signals', 7);
  for (let count = 0; count < 50; count++) await peer.ask.signal('signals', 'add', 1);
  await becomes('signals', 57);
});

test('a signal waits for its time', async () => {
  await peer.ask.signal('later', 'add', 1, { inMs: 1_000 });
  expect(await peer.ask.entity('later')).toBeUndefined();
  await becomes('later', 1);
});

test('an entity signals another, and starts a workflow', async () => {
  await peer.ask.signal('from', 'add', 42);
  await peer.ask.signal('from', 'passOn', 'to');
  await becomes('to', 42);
  await peer.ask.signal('from', 'begin', 'begun-by-entity');
  await eventually('it is begun', async () => (await peer.ask.state('begun-by-entity')) !== undefined);
  expect(await peer.ask.ended('begun-by-entity')).toMatchObject({ status: 'COMPLETED', output: '42' });
});

test('a workflow calls an entity', async () => {
  const output = await outputOf(await peer.ask.start('calls', 'called'));
  expect(output).toMatchObject({ sum: 15, after: 15, failure: expect.stringContaining('as asked') });
});

test('what is locked nobody else changes', async () => {
  const keys = [['m', 'a', 'z'], ['z', 'm'], ['m'], ['m', 'a']];
  const ids = await Promise.all(keys.map((some) => peer.ask.start('locked', { keys: some })));
  expect(await Promise.all(ids.map(outputOf))).toEqual([1, 1, 1, 1]);
  await becomes('m', 3);
  await becomes('z', 1);
});

test('what a workflow had locked is free when that has failed, or is terminated', async () => {
  const failed = await peer.ask.start('locked', { keys: ['freed'], end: 'fail' });
  expect(await peer.ask.ended(failed)).toMatchObject({ status: 'FAILED' });
  const waiting = await peer.ask.start('locked', { keys: ['freed'], end: 'wait' });
  await becomes('freed', 2);
  expect(await lockedBy('freed')).toBe(waiting);
  await peer.ask.terminate(waiting);
  expect(await outputOf(await peer.ask.start('locked', { keys: ['freed'] }))).toBe(1);
  await becomes('freed', 3);
});

test('entities are found by what their keys begin with, deleted and cleaned away', async () => {
  for (const key of ['found-1', 'found-2', 'found-3']) await peer.ask.signal(key, 'add', 1);
  for (const key of ['found-1', 'found-2', 'found-3']) await becomes(key, 1);
  await peer.ask.signal('found-2', 'delete');
  await becomes('found-2', undefined);
  await eventually('it is listed no more', async () => (await peer.ask.entities('found-')).length === 2);
  expect((await peer.ask.entities('found-', true)).map(({ id }) => id).toSorted()).toEqual([
    '@counter@found-1',
    '@counter@found-2',
    '@counter@found-3',
  ]);
  expect((await peer.ask.clean()).emptyEntitiesRemoved).toBeGreaterThan(0);
  expect(await peer.ask.entities('found-', true)).toHaveLength(2);
  await peer.ask.signal('found-2', 'add', 5);
  await becomes('found-2', 5);
});
