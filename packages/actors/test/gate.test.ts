import { expect, test } from 'vitest';
import { actor } from '../src/index.ts';
import { Pause, settled, startRig, watch } from './harness.ts';

const events: string[] = [];

const counter = actor('counter', {
  state: () => ({ count: 0 }),
  methods: {
    add(ctx, n: number) {
      ctx.state.count += n;
      ctx.afterCommit(() => events.push(`committed ${n}`));
      return ctx.state.count;
    },
    nothing: () => 'nothing',
    fail(ctx) {
      throw new RangeError(`saw ${ctx.state.count}`);
    },
    forward(ctx, to: string) {
      ctx.send(counter, to).add(1);
    },
    async ask(ctx, to: string): Promise<number> {
      return await ctx.actor(counter, to).add(1);
    },
    async askTwice(ctx, to: string, list: number[]): Promise<unknown> {
      const first = ctx.actor(sink, to).take(list);
      list.push(99);
      const second = ctx.actor(sink, to).take(list);
      return [await first, await second];
    },
    throwingCallback(ctx) {
      ctx.state.count += 1;
      ctx.afterCommit(() => {
        throw new Error('from the callback');
      });
    },
  },
  readOnly: { get: (ctx) => ctx.state.count },
});
const sink = actor('sink', { methods: { take: (_ctx, value: unknown) => value } });

test('no reply, callback or read leaves before the commit that covers it', async () => {
  const { host, store } = await startRig([counter]);
  const a = host.actor(counter, 'a');
  await a.nothing();
  const pause = new Pause(store);
  events.length = 0;
  pause.close();
  const waiting = [a.add(1), a.get(), a.nothing(), a.fail()].map((call) => watch(call as Promise<unknown>));
  await settled();
  expect(waiting.map((call) => call.state)).toEqual(['waiting', 'waiting', 'waiting', 'waiting']);
  expect(events).toEqual([]);
  pause.open();
  await settled();
  expect(waiting.map((call) => call.state)).toEqual(['done', 'done', 'done', 'failed']);
  expect(waiting[1]!.value).toBe(1);
  expect(waiting[3]!.error).toMatchObject({ message: 'saw 1' });
  expect(events).toEqual(['committed 1']);
});

test('a durable send waits for the commit of its turn', async () => {
  const { host, store } = await startRig([counter]);
  const pause = new Pause(store);
  await host.actor(counter, 'a').nothing();
  await host.actor(counter, 'b').nothing();
  pause.close();
  void host.actor(counter, 'a').forward('b');
  await settled();
  expect(host.status().activations.counter).toBe(2);
  expect(pause.commits).toBe(1);
  pause.open();
  await settled();
  expect(await host.actor(counter, 'b').get()).toBe(1);
});

test('a call from inside a turn waits for what earlier turns did', async () => {
  const { host, store } = await startRig([counter]);
  const a = host.actor(counter, 'a');
  await a.nothing();
  const pause = new Pause(store);
  pause.close();
  events.length = 0;
  void a.add(5);
  const asked = watch(a.ask('b') as Promise<unknown>);
  await settled();
  expect(pause.commits).toBe(1);
  pause.open();
  await settled();
  expect(asked).toMatchObject({ state: 'done', value: 1 });
});

test('arguments of a call that waits are taken when it is made', async () => {
  const { host, store } = await startRig([counter, sink]);
  const a = host.actor(counter, 'a');
  const pause = new Pause(store);
  pause.close();
  void a.add(1);
  const asked = watch(a.askTwice('s', [1]));
  await settled();
  pause.open();
  await settled();
  expect(asked.value).toEqual([[1], [1, 99]]);
});

test('turns run ahead of the disk, and many of them share a commit', async () => {
  const { host, store } = await startRig([counter]);
  const a = host.actor(counter, 'a');
  await a.nothing();
  const pause = new Pause(store);
  pause.close();
  const calls = Array.from({ length: 1_000 }, () => a.add(1));
  await settled();
  pause.open();
  expect(await Promise.all(calls)).toEqual(Array.from({ length: 1_000 }, (_, index) => index + 1));
  expect(pause.commits).toBeLessThanOrEqual(2);
});

test('a turn that changes nothing is not committed', async () => {
  const { host, store } = await startRig([counter]);
  const pause = new Pause(store);
  for (let index = 0; index < 10; index++) await host.actor(counter, 'a').nothing();
  expect(pause.commits).toBe(0);
});

test('a volatile actor replies at once and stores nothing', async () => {
  const { host, store } = await startRig([sink]);
  const pause = new Pause(store);
  expect(await host.actor(sink, 'a').take(5)).toBe(5);
  expect(pause.commits).toBe(0);
});

test('a callback that throws is logged and hurts nobody', async () => {
  const { host, logger } = await startRig([counter]);
  const a = host.actor(counter, 'a');
  await Promise.all([a.throwingCallback(), a.add(1)]);
  expect(logger.lines).toEqual(['an afterCommit callback threw']);
  expect(await a.get()).toBe(2);
});
