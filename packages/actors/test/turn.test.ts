import { expect, test } from 'vitest';
import { actor, journalActor } from '../src/index.ts';
import { deferred, settled, startRig, watch } from './harness.ts';

const log: string[] = [];
let hold = deferred();

const counter = actor('counter', {
  state: () => ({ count: 0 }),
  methods: {
    add(ctx, n: number) {
      ctx.state.count += n;
      return ctx.state.count;
    },
    async slowly(ctx, name: string) {
      log.push(`${name} begins`);
      ctx.state.count += 1;
      await hold.promise;
      log.push(`${name} ends`);
      return ctx.state.count;
    },
    note(_ctx, name: string) {
      log.push(name);
    },
    throwing(ctx, how: 'sync' | 'async') {
      ctx.state.count = 99;
      ctx.setReminder('never', { delayMs: 10 });
      ctx.setTimer('never', 10);
      ctx.send(counter, 'other').add(1);
      ctx.summarize({ name: 'n', status: 's', createdAtMs: 1, tags: {} });
      ctx.afterCommit(() => log.push('afterCommit of a failed turn'));
      ctx.purge();
      ctx.deactivate();
      if (how === 'sync') throw new RangeError('no');
      return Promise.reject(new RangeError('no'));
    },
    unstorable(ctx) {
      (ctx.state as unknown as Record<string, unknown>).bad = new Map();
    },
    unstorableResult: (ctx) => {
      ctx.state.count = 50;
      return () => 1;
    },
    replace(ctx, count: number) {
      ctx.state = { count };
    },
    leak: (ctx) => {
      leaked = ctx;
    },
    mutateResult(ctx) {
      return ctx.state;
    },
  },
  onReminder: () => log.push('reminder'),
  onTimer: () => log.push('timer'),
  readOnly: { get: (ctx) => ctx.state.count },
});
let leaked: unknown;

const account = journalActor('account', {
  state: () => ({ balance: 0 }),
  apply(state, entry: { amount: number }) {
    if (entry.amount === 13) {
      state.balance = -1;
      throw new RangeError('unlucky');
    }
    state.balance += entry.amount;
  },
  methods: {
    deposit: (ctx, amount: number) => ctx.append({ amount }),
    swallow(ctx) {
      try {
        ctx.append({ amount: 13 });
      } catch {
        // Wrongly goes on.
      }
      return 'fine';
    },
  },
  readOnly: { balance: (ctx) => ctx.state.balance },
});

test('calls run one at a time in the order they were made, whether they wait or not', async () => {
  const { host } = await startRig([counter]);
  const a = host.actor(counter, 'a');
  hold = deferred();
  log.length = 0;
  const calls = [a.slowly('first'), a.note('second'), a.slowly('third'), a.note('fourth')];
  await settled();
  expect(log).toEqual(['first begins']);
  hold.resolve();
  await Promise.all(calls);
  expect(log).toEqual(['first begins', 'first ends', 'second', 'third begins', 'third ends', 'fourth']);
});

test('actors do not wait for each other', async () => {
  const { host } = await startRig([counter]);
  hold = deferred();
  const slow = watch(host.actor(counter, 'a').slowly('a'));
  expect(await host.actor(counter, 'b').add(1)).toBe(1);
  expect(slow.state).toBe('waiting');
  hold.resolve();
});

test('more turns than run in one go all run, in order', async () => {
  const { host } = await startRig([counter]);
  const a = host.actor(counter, 'a');
  hold = deferred();
  const first = a.slowly('x');
  const rest = Array.from({ length: 3_000 }, () => a.add(1));
  hold.resolve();
  await first;
  expect(await Promise.all(rest)).toEqual(Array.from({ length: 3_000 }, (_, index) => index + 2));
});

test.each(['sync', 'async'] as const)('a turn that throws (%s) leaves nothing behind', async (how) => {
  const { host, clock, store } = await startRig([counter]);
  log.length = 0;
  const a = host.actor(counter, 'a');
  await a.add(1);
  await expect(a.throwing(how)).rejects.toThrow(RangeError);
  await clock.advance(60_000);
  expect(await a.get()).toBe(1);
  expect(await host.actor(counter, 'other').get()).toBe(0);
  expect(log).toEqual([]);
  expect((await store.load({ type: 'counter', id: 'a' })).record?.dueAtMs).toBe(null);
  expect(await host.count({ type: 'counter' })).toEqual({});
});

test('a state that cannot be stored fails the turn and is rolled back', async () => {
  const { host } = await startRig([counter]);
  const a = host.actor(counter, 'a');
  await a.add(3);
  await expect(a.unstorable()).rejects.toMatchObject({ code: 'payload_invalid', path: '.bad' });
  await expect(a.unstorableResult()).rejects.toMatchObject({ code: 'payload_invalid' });
  expect(await a.get()).toBe(3);
});

test('a state can be replaced as a whole', async () => {
  const { host } = await startRig([counter]);
  await host.actor(counter, 'a').replace(7);
  expect(await host.actor(counter, 'a').get()).toBe(7);
});

test('arguments and results share nothing with the actor', async () => {
  const { host } = await startRig([counter]);
  const a = host.actor(counter, 'a');
  const seen = await a.mutateResult();
  seen.count = 1_000;
  expect(await a.get()).toBe(0);
});

test('a context changes nothing after its turn', async () => {
  const { host } = await startRig([counter]);
  const a = host.actor(counter, 'a');
  await a.leak();
  const ctx = leaked as { state: unknown; setReminder(name: string, when: object): void; send: () => unknown };
  expect(() => ctx.setReminder('x', { delayMs: 1 })).toThrow(/after its turn had ended/);
  expect(() => (ctx.state = {})).toThrow(/after its turn had ended/);
  expect(await a.get()).toBe(0);
});

test('a turn fails when an entry could not be applied, even if its method carries on', async () => {
  const { host } = await startRig([account]);
  const a = host.actor(account, 'a');
  await a.deposit(5);
  await expect(a.swallow()).rejects.toThrow('unlucky');
  expect(await a.balance()).toBe(5);
  await a.deposit(1);
  expect(await a.balance()).toBe(6);
});

test('an unknown type or method is a typed error', async () => {
  const { host } = await startRig([counter]);
  const foreign = actor('foreign', { methods: { x: () => 1 } });
  await expect(host.actor(foreign, 'a').x()).rejects.toMatchObject({ code: 'not_defined' });
  const lying = { ...counter, methods: { ...counter.methods, extra: () => 1 } };
  await expect((host.actor(lying, 'a') as unknown as { extra(): Promise<unknown> }).extra()).rejects.toMatchObject({
    code: 'not_defined',
  });
});

test('methods may be named like those of maps, and not like those of promises and objects', async () => {
  const mapLike = actor('map-like', {
    state: () => ({ kept: 0 }),
    methods: {
      set: (ctx, n: number) => void (ctx.state.kept = n),
      has: () => true,
      hasOwnProperty: () => 'mine',
      call: () => 'c',
      name: () => 'n',
    },
    readOnly: { get: (ctx) => ctx.state.kept, size: () => 1 },
  });
  const { host } = await startRig([mapLike]);
  const a = host.actor(mapLike, 'a');
  await a.set(4);
  expect(await Promise.all([a.get(), a.has(), a.size(), a.hasOwnProperty(), a.call(), a.name()])).toEqual([
    4,
    true,
    1,
    'mine',
    'c',
    'n',
  ]);
  for (const name of ['then', 'constructor', '__proto__', 'toString', 'valueOf', 'toJSON']) {
    expect(() => actor('bad', { methods: { [name]: () => 1 } })).toThrow(/cannot have a method named/);
  }
  expect(() => actor('bad', { methods: { get: () => 1 }, readOnly: { get: () => 2 } })).toThrow(/defined twice/);
  expect(() => actor('bad', { methods: { get: 5 as never } })).toThrow(/not a function/);
  expect(() => actor('bad type', { methods: {} })).toThrow(/actor type/);
});

test('two definitions of one type are refused', async () => {
  await expect(startRig([counter, actor('counter', { methods: {} })])).rejects.toMatchObject({ code: 'not_defined' });
});
