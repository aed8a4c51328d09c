import { expect, test } from 'vitest';
import {
  actor,
  LocalNetwork,
  NotExecutedError,
  OutcomeUnknownError,
  singleHostPlacement,
  type Placement,
} from '../src/index.ts';
import { deferred, restart, settled, startRig, watch } from './harness.ts';

let hold: { promise: Promise<void>; resolve(): void } = deferred<void>();

const worker = actor('worker', {
  state: () => ({ done: 0 }),
  reentrant: true,
  methods: {
    async work(ctx) {
      await hold.promise;
      ctx.state.done += 1;
      return ctx.state.done;
    },
    quick: (ctx) => (ctx.state.done += 1),
    async callsBack(ctx): Promise<number> {
      await hold.promise;
      return ctx.actor(worker, ctx.actorId).quick();
    },
    tick: (ctx) => ctx.setTimer('t', 10),
  },
  onTimer: (ctx) => void (ctx.state.done += 1_000),
  readOnly: { done: (ctx) => ctx.state.done },
});

test('running turns finish and are committed, queued calls and new ones are not executed', async () => {
  const rig = await startRig([worker]);
  hold = deferred<void>();
  const running = watch(rig.host.actor(worker, 'a').work());
  const queued = watch(rig.host.actor(worker, 'a').quick());
  await settled();
  const stopped = watch(rig.host.stop());
  expect(rig.host.status().stopping).toBe(true);
  const during = [
    watch(rig.host.actor(worker, 'a').quick()),
    watch(rig.host.actor(worker, 'b').quick()),
    watch(rig.host.actor(worker, 'a').done()),
  ];
  await settled();
  expect(stopped.state).toBe('waiting');
  for (const call of [queued, ...during]) expect(call.error).toBeInstanceOf(NotExecutedError);
  hold.resolve();
  await settled();
  expect([stopped.state, running.value]).toEqual(['done', 1]);
  await expect(rig.host.actor(worker, 'a').quick()).rejects.toBeInstanceOf(NotExecutedError);
  const next = await restart(rig, [worker]);
  expect(await next.host.actor(worker, 'a').done()).toBe(1);
});

test('a turn that takes longer than the grace is lost, and its caller does not know', async () => {
  const rig = await startRig([worker]);
  hold = deferred<void>();
  const running = watch(rig.host.actor(worker, 'a', { timeoutMs: Infinity }).work());
  await settled();
  const stopped = watch(rig.host.stop({ graceMs: 500 }));
  await rig.clock.advance(499);
  expect(stopped.state).toBe('waiting');
  await rig.clock.advance(1);
  expect(stopped.state).toBe('done');
  expect(running.error).toBeInstanceOf(OutcomeUnknownError);
  hold.resolve();
  await settled();
  const next = await restart(rig, [worker]);
  expect(await next.host.actor(worker, 'a').done()).toBe(0);
});

test('a turn that begins after the grace, where nothing was drained yet, does not hold up the stop', async () => {
  const single = singleHostPlacement('h', 8, { actorTypes: [], details: {} });
  const drainLater = deferred<void>();
  const late: Placement = {
    start: (listener) => single.start(listener),
    ownerOf: (partition) => single.ownerOf(partition),
    serving: true,
    members: () => single.members(),
    stop: async () => {
      await drainLater.promise;
      await single.stop();
    },
  };
  const rig = await startRig([worker], { placement: late, transport: new LocalNetwork().transport('h') });
  hold = deferred<void>();
  const first = watch(rig.host.actor(worker, 'a', { timeoutMs: Infinity }).work());
  const second = watch(rig.host.actor(worker, 'a', { timeoutMs: Infinity }).work());
  await settled();
  const stopped = watch(rig.host.stop({ graceMs: 500 }));
  await rig.clock.advance(500);
  drainLater.resolve();
  await settled();
  expect(stopped.state).toBe('done');
  expect(first.error).toBeInstanceOf(OutcomeUnknownError);
  expect(second.state).toBe('failed');
});

test('a running turn may still be called back while its host stops', async () => {
  const rig = await startRig([worker]);
  hold = deferred<void>();
  const running = watch(rig.host.actor(worker, 'a').callsBack());
  await settled();
  const stopped = watch(rig.host.stop());
  hold.resolve();
  await settled();
  expect([running.value, stopped.state]).toEqual([1, 'done']);
});

test('no timer runs while an actor is drained', async () => {
  const rig = await startRig([worker]);
  await rig.host.actor(worker, 'a').tick();
  hold = deferred<void>();
  const running = watch(rig.host.actor(worker, 'a').work());
  await settled();
  const stopped = watch(rig.host.stop());
  await rig.clock.advance(1_000);
  hold.resolve();
  await settled();
  expect([running.value, stopped.state]).toEqual([1, 'done']);
});

test('stopping twice is stopping once, and leaving the scope stops', async () => {
  const rig = await startRig([worker]);
  await rig.host.actor(worker, 'a').quick();
  const first = rig.host.stop();
  expect(rig.host.stop()).toBe(first);
  await first;
  await rig.host[Symbol.asyncDispose]();
  expect(rig.clock.pending).toBe(0);
});

test('a host whose activation is still loading stops when the grace is over', async () => {
  const rig = await startRig([worker]);
  rig.store.faults = (operation) => (operation === 'load' ? { silent: true } : undefined);
  const call = watch(rig.host.actor(worker, 'a').quick());
  await settled();
  const stopped = watch(rig.host.stop({ graceMs: 100 }));
  await rig.clock.advance(100);
  expect(call.error).toBeInstanceOf(NotExecutedError);
  expect(stopped.state).toBe('done');
});

test('calls that wait for an owner end when the host stops', async () => {
  const nobody: Placement = {
    start: async () => {},
    stop: async () => {},
    ownerOf: () => undefined,
    serving: true,
    members: () => [],
  };
  const rig = await startRig([worker], { placement: nobody });
  const call = watch(rig.host.actor(worker, 'a', { timeoutMs: Infinity }).quick());
  await rig.clock.advance(60_000);
  expect(call.state).toBe('waiting');
  await rig.host.stop();
  await settled();
  expect(call.error).toBeInstanceOf(NotExecutedError);
});

test('a placement that fails to stop does not keep the store open', async () => {
  const single = singleHostPlacement('h', 8, { actorTypes: [], details: {} });
  const failing: Placement = {
    start: (listener) => single.start(listener),
    ownerOf: (partition) => single.ownerOf(partition),
    serving: true,
    members: () => single.members(),
    stop: () => Promise.reject(new Error('the cluster is away')),
  };
  const { host, store } = await startRig([worker], { placement: failing });
  await expect(host.stop()).rejects.toThrow('the cluster is away');
  expect(store.failure()).toBeDefined();
});

test('a host that cannot join closes what it opened', async () => {
  const failing: Placement = {
    start: () => Promise.reject(new Error('no')),
    stop: async () => {},
    ownerOf: () => undefined,
    serving: true,
    members: () => [],
  };
  await expect(startRig([worker], { placement: failing })).rejects.toThrow('no');
});
