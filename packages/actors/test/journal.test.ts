import { expect, test } from 'vitest';
import { journalActor } from '../src/index.ts';
import { failure, restart, startRig } from './harness.ts';

let applied = 0;

const account = journalActor('account', {
  state: () => ({ balance: 0, entries: 0 }),
  apply(state, entry: { amount: number; note?: unknown }) {
    applied++;
    state.balance += entry.amount;
    state.entries += 1;
  },
  methods: {
    deposit(ctx, amount: number) {
      ctx.append({ amount });
      return ctx.state.balance;
    },
    depositAndFail(ctx, amounts: number[]) {
      for (const amount of amounts) ctx.append({ amount });
      throw new RangeError(`saw ${ctx.state.balance}`);
    },
    unstorable: (ctx) => ctx.append({ amount: 1, note: { deep: [new Set()] } }),
    touch(ctx) {
      const entry = { amount: 1 };
      ctx.append(entry);
      entry.amount = 1_000;
    },
  },
  readOnly: { balance: (ctx) => ctx.state.balance, all: (ctx) => ctx.state },
});

const immutable = journalActor('immutable', {
  state: () => [] as readonly string[],
  apply: (state, entry: string) => [...state, entry],
  methods: { add: (ctx, word: string) => ctx.append(word) },
  readOnly: { words: (ctx) => ctx.state },
});

const spoiled = journalActor('spoiled', {
  state: (): Record<string, unknown> => ({}),
  apply(state, entry: string) {
    state[entry] = entry === 'bad' ? new Map() : true;
  },
  methods: { add: (ctx, word: string) => ctx.append(word) },
  readOnly: { words: (ctx) => Object.keys(ctx.state) },
});

test('the state is the fold of the entries, also after a restart', async () => {
  const rig = await startRig([account, immutable]);
  for (let index = 1; index <= 10; index++) expect(await rig.host.actor(account, 'a').deposit(1)).toBe(index);
  await rig.host.actor(immutable, 'w').add('x');
  await rig.host.actor(immutable, 'w').add('y');
  rig.kill();
  const next = await restart(rig, [account, immutable]);
  expect(await next.host.actor(account, 'a').all()).toEqual({ balance: 10, entries: 10 });
  expect(await next.host.actor(immutable, 'w').words()).toEqual(['x', 'y']);
});

test('a fold that changes the state in place leaves the snapshot that it was built from as it was', async () => {
  let rig = await startRig([account]);
  // A reply that is kept has the record, and so the snapshot, written again.
  for (let life = 1; life <= 3; life++) {
    await rig.host.actor(account, 'a', { idempotencyKey: `life ${life}` }).deposit(1);
    rig.kill();
    rig = await restart(rig, [account]);
    expect(await rig.host.actor(account, 'a').all()).toEqual({ balance: life, entries: life });
  }
});

test('a snapshot keeps activation from reading everything, and all entries stay', async () => {
  const rig = await startRig([account]);
  await Promise.all(Array.from({ length: 250 }, () => rig.host.actor(account, 'a').deposit(1)));
  for (let index = 0; index < 5; index++) await rig.host.actor(account, 'a').deposit(1);
  rig.kill();
  applied = 0;
  const next = await restart(rig, [account]);
  expect(await next.host.actor(account, 'a').balance()).toBe(255);
  expect(applied).toBeLessThan(100);
  expect(await next.host.actor(account, 'a').deposit(1)).toBe(256);
  const { record } = await next.store.load({ type: 'account', id: 'a' });
  expect([record!.firstEntry, record!.nextEntry]).toEqual([1, 257]);
});

test('a turn that throws takes its entries back, and their numbers', async () => {
  const rig = await startRig([account]);
  const a = rig.host.actor(account, 'a');
  await a.deposit(1);
  expect((await failure(a.depositAndFail([5, 6]))).message).toBe('saw 12');
  expect(await a.balance()).toBe(1);
  expect(await a.deposit(2)).toBe(3);
  rig.kill();
  const next = await restart(rig, [account]);
  expect(await next.host.actor(account, 'a').all()).toEqual({ balance: 3, entries: 2 });
});

test('an entry that cannot be stored fails the turn with its path', async () => {
  const { host } = await startRig([account]);
  await expect(host.actor(account, 'a').unstorable()).rejects.toMatchObject({ path: '.note.deep[0]' });
  expect(await host.actor(account, 'a').balance()).toBe(0);
});

test('an entry is what it was when it was appended', async () => {
  const rig = await startRig([account]);
  await rig.host.actor(account, 'a').touch();
  expect(await rig.host.actor(account, 'a').balance()).toBe(1);
  rig.kill();
  const next = await restart(rig, [account]);
  expect(await next.host.actor(account, 'a').balance()).toBe(1);
});

test('a fold that cannot be stored fails the turn that made it', async () => {
  const { host } = await startRig([spoiled]);
  const a = host.actor(spoiled, 'a');
  await a.add('good');
  await expect(a.add('bad')).rejects.toMatchObject({ code: 'payload_invalid', path: '.bad' });
  expect(await a.words()).toEqual(['good']);
  await a.add('better');
  expect(await a.words()).toEqual(['good', 'better']);
});

test('entries that are missing in the store fail the activation instead of reading for ever', async () => {
  const rig = await startRig([account]);
  await rig.host.actor(account, 'a').deposit(1);
  rig.kill();
  const next = await restart(rig, [account]);
  next.store.read = () => Promise.resolve([]);
  expect((await failure(next.host.actor(account, 'a').deposit(1))).cause).toMatchObject({ code: 'record_corrupt' });
});
