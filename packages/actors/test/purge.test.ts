import { expect, test } from 'vitest';
import { actor, OutcomeUnknownError } from '../src/index.ts';
import { deferred, failNext, restart, settled, startRig, watch } from './harness.ts';

let hold: { promise: Promise<void>; resolve(): void } | undefined;
const callbacks: string[] = [];

const target = actor('target', {
  state: () => ({ got: 0 }),
  methods: {
    async take(ctx) {
      await hold?.promise;
      ctx.state.got += 1;
    },
  },
  readOnly: { got: (ctx) => ctx.state.got },
});

const thing = actor('thing', {
  state: () => ({ value: 0 }),
  methods: {
    set(ctx, value: number) {
      ctx.state.value = value;
      ctx.setReminder('later', { delayMs: 1_000 });
      ctx.summarize({ name: 'thing', status: 'there', createdAtMs: 1, tags: {} });
    },
    purge: (ctx, key?: string) => ctx.purge(key === undefined ? undefined : { key, hash: 'h', atMs: 1 }),
    sendAndPurge(ctx) {
      ctx.send(target, 't').take();
      ctx.afterCommit(() => callbacks.push('purged'));
      ctx.purge();
      return 'gone';
    },
    purgeAndFail(ctx) {
      ctx.purge();
      throw new Error('no');
    },
  },
  onReminder: () => callbacks.push('reminder'),
  readOnly: { value: (ctx) => ctx.state.value },
});
const actors = [target, thing];
const address = { type: 'thing', id: 'a' };

test('a purge removes the record, its reminders and its summary, and the next call meets a new actor', async () => {
  const { host, store, clock } = await startRig(actors);
  callbacks.length = 0;
  await host.actor(thing, 'a').set(5);
  await host.actor(thing, 'a').purge();
  expect(await store.load(address)).toEqual({ record: undefined, tombstone: undefined });
  expect(await host.count({ type: 'thing' })).toEqual({});
  expect(await host.actor(thing, 'a').value()).toBe(0);
  await clock.advance(10_000);
  expect(callbacks).toEqual([]);
});

test('a purge leaves the tombstone that it was given, also when there was no record', async () => {
  const { host, store } = await startRig(actors);
  await host.actor(thing, 'a').set(5);
  await host.actor(thing, 'a').purge('k');
  expect((await store.load(address)).tombstone).toMatchObject({ key: 'k' });
  await host.actor(thing, 'b').purge('l');
  expect((await store.load({ type: 'thing', id: 'b' })).tombstone).toMatchObject({ key: 'l' });
});

test('a purge waits until the durable sends are taken; calls meanwhile meet the next life', async () => {
  const { host, store } = await startRig(actors);
  await host.actor(thing, 'a').set(5);
  hold = deferred<void>();
  callbacks.length = 0;
  const purging = watch(host.actor(thing, 'a').sendAndPurge());
  const later = watch(host.actor(thing, 'a').set(7));
  await settled(30);
  expect([purging.state, later.state]).toEqual(['waiting', 'waiting']);
  expect((await store.load(address)).record).toBeDefined();
  hold.resolve();
  hold = undefined;
  await settled(30);
  expect([purging.value, later.state]).toEqual(['gone', 'done']);
  expect(callbacks).toEqual(['purged']);
  expect(await host.actor(thing, 'a').value()).toBe(7);
  expect(await host.actor(target, 't').got()).toBe(1);
});

const pair = actor('pair', {
  state: () => ({}),
  methods: {
    hear: () => {},
    purgeToo: (ctx) => ctx.purge(),
    tellAndPurge(ctx, others: readonly string[], method: 'hear' | 'purgeToo' = 'hear') {
      for (const other of others) ctx.send(pair, other)[method]();
      ctx.purge();
    },
  },
});

test('actors that are purged while they send to each other, or to themselves, do not wait for ever', async () => {
  const { host, store, clock } = await startRig([pair]);
  const gone = Promise.all([
    host.actor(pair, 'a').tellAndPurge(['b', 'a']),
    host.actor(pair, 'b').tellAndPurge(['a', 'b', 'a']),
    host.actor(pair, 'c').tellAndPurge(['c'], 'purgeToo'),
  ]);
  await clock.advance(5_000);
  expect(await gone).toEqual([undefined, undefined, undefined]);
  for (const id of ['a', 'c']) expect((await store.load({ type: 'pair', id })).record).toBeUndefined();
});

test('a turn that fails purges nothing', async () => {
  const { host } = await startRig(actors);
  await host.actor(thing, 'a').set(5);
  await expect(host.actor(thing, 'a').purgeAndFail()).rejects.toThrow('no');
  expect(await host.actor(thing, 'a').value()).toBe(5);
});

test('a purge that the store fails has an unknown outcome, and the actor goes on', async () => {
  const { host, store } = await startRig(actors);
  await host.actor(thing, 'a').set(5);
  failNext(store, 'purge', { fail: 'before-write' });
  await expect(host.actor(thing, 'a').purge()).rejects.toBeInstanceOf(OutcomeUnknownError);
  expect(await host.actor(thing, 'a').value()).toBe(5);
  failNext(store, 'purge', { fail: 'after-write' });
  await expect(host.actor(thing, 'a').purge()).rejects.toBeInstanceOf(OutcomeUnknownError);
  expect(await host.actor(thing, 'a').value()).toBe(0);
});

test('a host that stops during a purge says that the outcome is unknown', async () => {
  const rig = await startRig(actors);
  await rig.host.actor(thing, 'a').set(5);
  hold = deferred<void>();
  const purging = watch(rig.host.actor(thing, 'a').sendAndPurge());
  await settled(30);
  const stopped = watch(rig.host.stop({ graceMs: 1_000 }));
  await rig.clock.advance(1_000);
  expect(stopped.state).toBe('done');
  expect(purging.error).toBeInstanceOf(OutcomeUnknownError);
  hold.resolve();
  hold = undefined;
  const next = await restart(rig, actors);
  expect(await next.host.actor(thing, 'a').value()).toBe(5);
});
