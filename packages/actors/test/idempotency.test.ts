import { expect, test } from 'vitest';
import { actor, NotExecutedError, OutcomeUnknownError } from '../src/index.ts';
import { deferred, failNext, failure, restart, settled, startRig, watch } from './harness.ts';

let runs = 0;
let hold: { promise: Promise<void>; resolve(): void } | undefined;

const counter = actor('counter', {
  state: () => ({ count: 0 }),
  reentrant: true,
  methods: {
    async add(ctx, n: number) {
      runs++;
      await hold?.promise;
      ctx.state.count += n;
      return { count: ctx.state.count, key: ctx.idempotencyKey };
    },
    other: (ctx) => {
      ctx.state.count += 100;
      return ctx.state.count;
    },
    fail: () => {
      runs++;
      throw new RangeError('no');
    },
    nothing: () => {
      runs++;
    },
    dropped(ctx) {
      runs++;
      ctx.dropReply();
    },
    async around(ctx): Promise<unknown> {
      return ctx.actor(counter, ctx.actorId, { idempotencyKey: 'inside' }).add(1);
    },
  },
  readOnly: { count: (ctx) => ctx.state.count },
});

test('a repeated key gets the first reply and changes nothing', async () => {
  const { host } = await startRig([counter]);
  const a = host.actor(counter, 'a', { idempotencyKey: 'k' });
  expect(await a.add(1)).toEqual({ count: 1, key: 'k' });
  expect(await a.add(5)).toEqual({ count: 1, key: 'k' });
  expect(await host.actor(counter, 'a').count()).toBe(1);
  expect(await host.actor(counter, 'a', { idempotencyKey: 'l' }).add(1)).toMatchObject({ count: 2 });
});

test('a key belongs to one method of one actor', async () => {
  const { host } = await startRig([counter]);
  await host.actor(counter, 'a', { idempotencyKey: 'k' }).add(1);
  expect(await host.actor(counter, 'a', { idempotencyKey: 'k' }).other()).toBe(101);
  expect(await host.actor(counter, 'b', { idempotencyKey: 'k' }).add(1)).toMatchObject({ count: 1 });
});

test('concurrent repeats run once', async () => {
  const { host } = await startRig([counter]);
  runs = 0;
  hold = deferred<void>();
  const calls = Array.from({ length: 10 }, () => host.actor(counter, 'a', { idempotencyKey: 'k' }).add(1));
  await settled();
  hold.resolve();
  hold = undefined;
  expect(new Set((await Promise.all(calls)).map((reply) => reply.count))).toEqual(new Set([1]));
  expect(runs).toBe(1);
});

test('a reply is kept over a crash, even one of a turn that changed nothing', async () => {
  const rig = await startRig([counter]);
  runs = 0;
  await rig.host.actor(counter, 'a', { idempotencyKey: 'k' }).add(1);
  await rig.host.actor(counter, 'a', { idempotencyKey: 'k' }).nothing();
  rig.kill();
  const next = await restart(rig, [counter]);
  expect(await next.host.actor(counter, 'a', { idempotencyKey: 'k' }).add(1)).toMatchObject({ count: 1 });
  await next.host.actor(counter, 'a', { idempotencyKey: 'k' }).nothing();
  expect(runs).toBe(2);
});

test('a turn that fails, or drops its reply, is executed again', async () => {
  const { host } = await startRig([counter]);
  runs = 0;
  const a = host.actor(counter, 'a', { idempotencyKey: 'k' });
  for (let index = 0; index < 2; index++) await expect(a.fail()).rejects.toThrow(RangeError);
  for (let index = 0; index < 2; index++) await a.dropped();
  expect(runs).toBe(4);
});

test('the key of a reentrant call is kept with the turn around it', async () => {
  const { host } = await startRig([counter]);
  runs = 0;
  await host.actor(counter, 'a').around();
  expect(await host.actor(counter, 'a', { idempotencyKey: 'inside' }).add(1)).toMatchObject({ count: 1 });
  expect(runs).toBe(1);
});

test('the last thousand keys are kept, for a day', async () => {
  const { host, clock } = await startRig([counter], { idleTimeoutMs: Infinity });
  const add = async (key: string): Promise<number> =>
    (await host.actor(counter, 'a', { idempotencyKey: key }).add(1)).count;
  for (let index = 0; index <= 1_000; index++) await add(`k${index}`);
  expect(await add('k1000')).toBe(1_001);
  expect(await add('k1')).toBe(2);
  expect(await add('k0')).toBe(1_002);
  await clock.advance(24 * 60 * 60 * 1000 + 1);
  expect(await add('k1000')).toBe(1_003);
});

test('a key lets the runtime find out what became of a lost commit', async () => {
  const { host, store, clock } = await startRig([counter]);
  await host.actor(counter, 'a').count();
  store.faults = (operation) => (operation === 'commit' ? { fail: 'before-write' } : undefined);
  const call = watch(host.actor(counter, 'a', { idempotencyKey: 'k' }).add(1));
  await clock.advance(6_000);
  expect(call.state).toBe('waiting');
  store.faults = undefined;
  await clock.advance(10_000);
  expect(call.value).toMatchObject({ count: 1 });
});

test('once an attempt may have run, the call never says that it was not executed', async () => {
  const { host, store, clock } = await startRig([counter]);
  await host.actor(counter, 'a').count();
  const giveUp = new AbortController();
  store.faults = (operation) => (operation === 'commit' || operation === 'load' ? { fail: 'before-write' } : undefined);
  const timed = watch(host.actor(counter, 'a', { idempotencyKey: 'k', timeoutMs: 20_000 }).add(1));
  const aborted = watch(
    host.actor(counter, 'a', { idempotencyKey: 'l', timeoutMs: Infinity, signal: giveUp.signal }).add(1),
  );
  await clock.advance(6_000);
  giveUp.abort();
  await settled();
  expect(aborted.error).toBeInstanceOf(OutcomeUnknownError);
  await clock.advance(20_000);
  expect(timed.error).toBeInstanceOf(OutcomeUnknownError);
});

test('an attempt that was certainly not executed says so', async () => {
  const { host, store } = await startRig([counter]);
  failNext(store, 'load', { fail: 'before-write' });
  expect(await failure(host.actor(counter, 'a', { idempotencyKey: 'k' }).add(1))).toBeInstanceOf(NotExecutedError);
});

test('an empty or overlong key is refused', async () => {
  const { host } = await startRig([counter]);
  for (const idempotencyKey of ['', 'x'.repeat(513), 5 as unknown as string]) {
    await expect(host.actor(counter, 'a', { idempotencyKey }).add(1)).rejects.toThrow(TypeError);
  }
});
