// How long the key of a start stops the same start once its instance is purged.

import type { MemoryStore } from '@troupe/actors';
import { expect, test } from 'vitest';
import { workflow } from '../src/index.ts';
import { InstanceState } from '../src/instance-state.ts';
import {
  KEY_KEPT_MS_MAX,
  TOMBSTONE_STANDS_MS_MIN,
  TOMBSTONE_SWEEP_INTERVAL_MS,
  TOMBSTONE_TTL_MS,
} from '../src/limits.ts';
import { testHost, type TestHost } from '../src/testing.ts';

const DAY_MS = 86_400_000;
const w = workflow('w', { retention: { failed: 0 } }, async (ctx, input: string) => {
  if (input === 'fail') throw new Error('no');
  if (input === 'again') ctx.continueAsNew('last');
  return input;
});

async function started(t: TestHost, keyKeptMs?: number, input = 'x'): Promise<string | undefined> {
  const { outcome } = await t.workflows.start(w, { instanceId: 'i', input, idempotencyKey: 'k', keyKeptMs });
  await t.settle();
  return outcome;
}
const tombstoneIn = async (store: MemoryStore): Promise<unknown> =>
  (await store.load({ type: 'workflow', id: 'i' })).tombstone;

test.each([
  ['the usual time', undefined, TOMBSTONE_TTL_MS],
  ['a moment', 1, 1],
  ['less than an hour', 90_000, 90_000],
  ['a day', DAY_MS, DAY_MS],
  ['a month', 30 * DAY_MS, 30 * DAY_MS],
])('a key that is kept for %s stops the same start until then, and not after', async (_, keyKeptMs, keptMs) => {
  await using t = await testHost({ workflows: [w] });
  expect(await started(t, keyKeptMs)).toBe('started');
  await t.advance(2 * DAY_MS);
  await t.workflows.purge('i');
  await t.advance(keptMs - 1);
  // What a later start says of the time changes nothing.
  expect(await started(t, 5)).toBe('duplicate');
  await expect(
    t.workflows.start(w, { instanceId: 'i', input: 'x', idempotencyKey: 'k', payloadHash: 'other' }),
  ).rejects.toMatchObject({ name: 'IdempotencyMismatchError' });
  expect(await t.workflows.get('i')).toBeUndefined();
  await t.advance(1);
  expect(await started(t, keyKeptMs)).toBe('started');
  expect(await t.workflows.result('i')).toBe('x');
});

test('the time counts from the purge at the end of the retention', async () => {
  await using t = await testHost({ workflows: [w] });
  expect(await started(t, DAY_MS, 'fail')).toBe('started');
  await t.advance('1s');
  expect(await t.workflows.get('i')).toBeUndefined();
  await t.advance(DAY_MS - 2_000);
  expect(await started(t)).toBe('duplicate');
  await t.advance('2s');
  expect(await started(t)).toBe('started');
});

test('continue-as-new keeps the time, and so does a host that is killed before the purge and after it', async () => {
  let t = await testHost({ workflows: [w] });
  await started(t, 30 * DAY_MS, 'again');
  expect(await t.workflows.result('i')).toBe('last');
  t = await t.crash();
  await t.workflows.purge('i');
  t = await t.crash();
  await t.advance(30 * DAY_MS - 1);
  expect(await started(t)).toBe('duplicate');
  await t.advance(1);
  t = await t.crash();
  expect(await started(t)).toBe('started');
  await t[Symbol.asyncDispose]();
});

test('the sweep takes each tombstone when its time is over, but none that a store may still need', async () => {
  await using t = await testHost({ workflows: [w] });
  for (const [keyKeptMs, standsMs] of [
    [1, TOMBSTONE_STANDS_MS_MIN],
    [3 * DAY_MS, 3 * DAY_MS],
    [10 * DAY_MS, 10 * DAY_MS],
  ] as const) {
    await started(t, keyKeptMs);
    await t.workflows.purge('i');
    const lastSweepMs = TOMBSTONE_SWEEP_INTERVAL_MS;
    await t.advance(standsMs - 1);
    expect(await tombstoneIn(t.store)).toMatchObject({ key: 'k' });
    await t.advance(lastSweepMs + 2);
    expect(await tombstoneIn(t.store)).toBeUndefined();
  }
});

test('a time that is none, or of no key, is refused before anything is started', async () => {
  await using t = await testHost({ workflows: [w] });
  for (const keyKeptMs of [0, -1, 1.5, NaN, Infinity, KEY_KEPT_MS_MAX + 1, '5' as never, null as never]) {
    const starting = t.workflows.start(w, { instanceId: 'i', idempotencyKey: 'k', keyKeptMs });
    await expect(starting).rejects.toThrow(RangeError);
    await expect(starting).rejects.toThrow(`keyKeptMs is an integer of milliseconds from 1 to ${KEY_KEPT_MS_MAX}`);
  }
  await expect(t.workflows.start(w, { instanceId: 'i', keyKeptMs: 5 })).rejects.toThrow(TypeError);
  expect(await t.workflows.get('i')).toBeUndefined();
  expect(await started(t, KEY_KEPT_MS_MAX)).toBe('started');
});

test('a record that was written before the time was known is read, and written as it was', () => {
  const state = new InstanceState();
  state.startKey = { key: 'k', hash: 'h', keptMs: undefined };
  const old = state.snapshot() as unknown[];
  expect(old[16]).toEqual(['k', 'h']);
  expect(InstanceState.of(old).startKey).toEqual({ key: 'k', hash: 'h', keptMs: undefined });
  state.startKey = { key: 'k', hash: 'h', keptMs: 5 };
  expect(InstanceState.of(state.snapshot()).startKey).toEqual({ key: 'k', hash: 'h', keptMs: 5 });
});
