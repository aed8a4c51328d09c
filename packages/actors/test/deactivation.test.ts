import { expect, test } from 'vitest';
import { actor } from '../src/index.ts';
import { deferred, seededRandom, settled, startRig, watch } from './harness.ts';

const log: string[] = [];
let hold: { promise: Promise<void>; resolve(): void } | undefined;
let deactivating: { promise: Promise<void>; resolve(): void } | undefined;

const counter = actor('counter', {
  state: () => ({ count: 0, fill: '' }),
  onActivate: (ctx) => void log.push(`+${ctx.actorId}`),
  async onDeactivate(ctx) {
    await deactivating?.promise;
    log.push(`-${ctx.actorId} ${ctx.state.count}`);
  },
  methods: {
    add: (ctx, n: number) => (ctx.state.count += n),
    fill: (ctx, length: number) => void (ctx.state.fill = 'x'.repeat(length)),
    async busy() {
      await hold?.promise;
    },
    leave: (ctx) => ctx.deactivate(),
    throwing: () => 1,
  },
  readOnly: { count: (ctx) => ctx.state.count },
});
const alive = (rig: { host: { status(): { activations: Readonly<Record<string, number>> } } }): number =>
  rig.host.status().activations.counter!;

test('an actor without messages is deactivated, and the next call activates it again', async () => {
  const rig = await startRig([counter], { idleTimeoutMs: 10_000 });
  log.length = 0;
  await rig.host.actor(counter, 'a').add(2);
  await rig.clock.advance(9_000);
  expect(alive(rig)).toBe(1);
  await rig.clock.advance(10_000);
  expect(alive(rig)).toBe(0);
  expect(await rig.host.actor(counter, 'a').add(1)).toBe(3);
  expect(log).toEqual(['+a', '-a 2', '+a']);
});

test('an actor that is used is not idle', async () => {
  const rig = await startRig([counter], { idleTimeoutMs: 10_000 });
  log.length = 0;
  for (let index = 0; index < 20; index++) {
    await rig.host.actor(counter, 'a').add(1);
    await rig.clock.advance(5_000);
  }
  expect(log).toEqual(['+a']);
});

test('an actor that is busy is not idle', async () => {
  const rig = await startRig([counter], { idleTimeoutMs: 1_000 });
  hold = deferred<void>();
  const busy = watch(rig.host.actor(counter, 'a', { timeoutMs: Infinity }).busy());
  await rig.clock.advance(60_000);
  expect(alive(rig)).toBe(1);
  hold.resolve();
  await rig.clock.advance(60_000);
  expect([busy.state, alive(rig)]).toEqual(['done', 0]);
});

test('calls that meet a deactivation are served by the next activation', async () => {
  const rig = await startRig([counter], { idleTimeoutMs: 1_000 });
  log.length = 0;
  await rig.host.actor(counter, 'a').add(1);
  deactivating = deferred<void>();
  await rig.clock.advance(5_000);
  const calls = [watch(rig.host.actor(counter, 'a').add(1)), watch(rig.host.actor(counter, 'a').count())];
  await settled();
  expect(calls.map((call) => call.state)).toEqual(['waiting', 'waiting']);
  deactivating.resolve();
  deactivating = undefined;
  await settled();
  expect(calls.map((call) => call.value)).toEqual([2, 2]);
  expect(log).toEqual(['+a', '-a 1', '+a']);
});

test('no call is lost or doubled when calls race with deactivations', async () => {
  const rig = await startRig([counter], { idleTimeoutMs: 100 });
  const random = seededRandom(7);
  let expected = 0;
  const calls: Promise<unknown>[] = [];
  for (let round = 0; round < 300; round++) {
    for (let index = Math.floor(random() * 3); index > 0; index--) {
      expected++;
      calls.push(rig.host.actor(counter, 'a').add(1));
    }
    if (random() < 0.2) calls.push(rig.host.actor(counter, 'a').leave());
    await (random() < 0.5 ? settled(1) : rig.clock.advance(random() * 200));
  }
  await Promise.all(calls);
  expect(await rig.host.actor(counter, 'a').count()).toBe(expected);
});

test('an actor can ask to be deactivated after its turn, once nothing waits', async () => {
  const rig = await startRig([counter]);
  log.length = 0;
  const calls = [
    rig.host.actor(counter, 'a').add(1),
    rig.host.actor(counter, 'a').leave(),
    rig.host.actor(counter, 'a').add(1),
  ];
  await Promise.all(calls);
  await settled();
  expect(log).toEqual(['+a', '-a 2']);
});

test('more activations than allowed go, the least recently used first, and the busy ones stay', async () => {
  const rig = await startRig([counter], { activationCountMax: 5, idleTimeoutMs: 20_000 });
  hold = deferred<void>();
  const busy = watch(rig.host.actor(counter, 'busy', { timeoutMs: Infinity }).busy());
  for (let index = 0; index < 20; index++) await rig.host.actor(counter, `a${index}`).add(1);
  await settled();
  expect(alive(rig)).toBeLessThanOrEqual(6);
  expect(busy.state).toBe('waiting');
  hold.resolve();
  await rig.clock.advance(6_000);
  expect(busy.state).toBe('done');
  expect(alive(rig)).toBeLessThanOrEqual(5);
  for (let index = 0; index < 20; index++) expect(await rig.host.actor(counter, `a${index}`).count()).toBe(1);
});

test('the bound in bytes counts what actors grow to', async () => {
  const rig = await startRig([counter], { activationBytesMax: 1_000_000 });
  for (let index = 0; index < 20; index++) {
    await rig.host.actor(counter, `a${index}`).count();
    await rig.host.actor(counter, `a${index}`).fill(100_000);
    await settled();
  }
  expect(alive(rig)).toBeLessThanOrEqual(4);
  expect(alive(rig)).toBeGreaterThan(0);
});

test('an actor larger than the bound still serves', async () => {
  const rig = await startRig([counter], { activationBytesMax: 10_000 });
  await rig.host.actor(counter, 'a').fill(100_000);
  expect(await rig.host.actor(counter, 'a').add(1)).toBe(1);
});

test.each([
  [
    'fails at once',
    () => {
      throw new RangeError('no');
    },
    'failed',
  ],
  ['wants to go at once', (ctx: { deactivate(): void }) => ctx.deactivate(), 'done'],
] as const)('the call that activates an actor whose onActivate %s is answered', async (_, onActivate, outcome) => {
  const hasty = actor('hasty', { onActivate, methods: { ask: () => 'answer' } });
  const { host } = await startRig([hasty]);
  const calls = [1, 2].map(() => watch(host.actor(hasty, 'a').ask()));
  await settled();
  expect(calls.map(({ state }) => state)).toEqual([outcome, outcome]);
});
