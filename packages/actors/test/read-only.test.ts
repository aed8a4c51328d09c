import { expect, test } from 'vitest';
import { actor, InnerCallError, NotExecutedError } from '../src/index.ts';
import { deferred, failure, settled, startRig, watch } from './harness.ts';

let hold = deferred();

const box = actor('box', {
  state: () => ({ items: [] as number[], deep: { when: new Date(5), bytes: Uint8Array.of(1) } }),
  methods: {
    put(ctx, n: number) {
      ctx.state.items.push(n);
    },
    async putSlowly(ctx, n: number) {
      ctx.state.items.push(n);
      await hold.promise;
    },
    async failSlowly(ctx) {
      ctx.state.items.push(-1);
      await hold.promise;
      throw new Error('no');
    },
  },
  readOnly: {
    items: (ctx) => [...ctx.state.items],
    assign: (ctx) => {
      (ctx as { state: unknown }).state = {};
    },
    push: (ctx) => ctx.state.items.push(1),
    change: (ctx) => {
      (ctx.state.deep as { when: unknown }).when = 1;
    },
    remind: (ctx) =>
      (ctx as unknown as { setReminder(name: string, when: object): void }).setReminder('x', { delayMs: 1 }),
    async twice(ctx) {
      const before = ctx.state.items.length;
      await hold.promise;
      return [before, ctx.state.items.length];
    },
    notStorable: () => new Map(),
    inner: (ctx): Promise<unknown> => ctx.actor(refusing, 'r').refuse(),
  },
});

const refusing = actor('refusing', {
  methods: {
    refuse(ctx) {
      throw new NotExecutedError(ctx.address, 'as asked');
    },
  },
});

test('reads run beside a long turn and see what the last ended turn left', async () => {
  const { host } = await startRig([box]);
  const a = host.actor(box, 'a');
  await a.put(1);
  hold = deferred();
  const slow = watch(a.putSlowly(2));
  expect(await a.items()).toEqual([1]);
  expect(slow.state).toBe('waiting');
  hold.resolve();
  await settled();
  expect(await a.items()).toEqual([1, 2]);
});

test('reads never see what a failing turn did', async () => {
  const { host } = await startRig([box]);
  const a = host.actor(box, 'a');
  await a.items();
  hold = deferred();
  const failing = watch(a.failSlowly());
  expect(await a.items()).toEqual([]);
  hold.resolve();
  await settled();
  expect(failing.state).toBe('failed');
  expect(await a.items()).toEqual([]);
});

test('turns go on beside a long read', async () => {
  const { host } = await startRig([box]);
  const a = host.actor(box, 'a');
  hold = deferred();
  const read = watch(a.twice());
  await settled();
  await a.put(1);
  expect(read.state).toBe('waiting');
  hold.resolve();
  await settled();
  expect(read.value).toEqual([0, 1]);
});

test.each(['assign', 'push', 'change', 'remind'] as const)(
  'a read-only method cannot change the actor (%s)',
  async (method) => {
    const { host } = await startRig([box]);
    await expect(host.actor(box, 'a')[method]()).rejects.toThrow(TypeError);
    expect(await host.actor(box, 'a').items()).toEqual([]);
  },
);

test('the result of a read is checked as every payload is', async () => {
  const { host } = await startRig([box]);
  await expect(host.actor(box, 'a').notStorable()).rejects.toMatchObject({ code: 'payload_invalid' });
});

test('a failed call inside a method does not pass for the fate of the call itself', async () => {
  const { host } = await startRig([box, refusing]);
  const error = await failure(host.actor(box, 'a').inner());
  expect(error).toBeInstanceOf(InnerCallError);
  expect(error).not.toBeInstanceOf(NotExecutedError);
});

test('a read does not keep an actor from being deactivated for ever, but as long as it runs', async () => {
  const { host, clock } = await startRig([box], { idleTimeoutMs: 1_000 });
  hold = deferred();
  const read = watch(host.actor(box, 'a', { timeoutMs: Infinity }).twice());
  await clock.advance(10_000);
  expect(host.status().activations.box).toBe(1);
  hold.resolve();
  await clock.advance(10_000);
  expect(read.state).toBe('done');
  expect(host.status().activations.box).toBe(0);
});
