// What becomes of calls when owners change, and of those that wait for a host that is gone.

import { expect, test } from 'vitest';
import {
  actor,
  LocalNetwork,
  MemoryContents,
  NotExecutedError,
  OutcomeUnknownError,
  partitionOf,
  singleHostPlacement,
  type Placement,
  type PlacementListener,
  type Transport,
  type TransportReceiver,
} from '../src/index.ts';
import type { Call } from '../src/call.ts';
import { pack } from '../src/codec.ts';
import { Router, type RouterHost } from '../src/router.ts';
import { ManualClock } from '../src/testing.ts';
import { deferred, MemoryLogger, settled, startRig, watch, type Rig } from './harness.ts';
import { SharedPlacement } from './shared-placement.ts';

const PARTITIONS = 8;
let hold = deferred<void>();

const counter = actor('counter', {
  state: () => 0,
  methods: {
    add: (ctx, n: number) => (ctx.state += n),
    async addSlowly(ctx, n: number) {
      await hold.promise;
      return (ctx.state += n);
    },
    sendSlowly(ctx, to: string, n: number) {
      ctx.send(counter, to).addSlowly(n);
    },
  },
  readOnly: {
    get: (ctx) => ctx.state,
    async getSlowly(ctx) {
      await hold.promise;
      return ctx.state;
    },
  },
});

const desk = actor('desk', { hostBound: true, methods: {}, readOnly: { wait: () => new Promise<void>(() => {}) } });

interface Pair {
  readonly one: Rig;
  readonly two: Rig;
  readonly clock: ManualClock;
  readonly placement: SharedPlacement;
}

const partition = (id: string): number => partitionOf({ type: 'counter', id }, PARTITIONS);

/** Actor `a` lives on host two, everything else on host one. */
async function startPair(): Promise<Pair> {
  const network = new LocalNetwork();
  const placement = new SharedPlacement(PARTITIONS);
  const clock = new ManualClock();
  const options = { clock, contents: new MemoryContents(), partitionCount: PARTITIONS };
  const start = (hostId: string): Promise<Rig> =>
    startRig([counter, desk], { ...options, transport: network.transport(hostId), placement: placement.of(hostId) });
  hold = deferred<void>();
  const pair = { one: await start('one'), two: await start('two'), clock, placement };
  await placement.move(partition('a'), 'two');
  return pair;
}

test('a call that waits for an owner goes on as soon as there is one', async () => {
  const { one, two, clock, placement } = await startPair();
  await placement.move(partition('a'), undefined);
  const call = watch(one.host.actor(counter, 'a').add(1));
  await clock.advance(5_000);
  expect(call.state).toBe('waiting');
  await placement.move(partition('a'), 'two');
  await settled();
  expect(call.value).toBe(1);
  expect(await two.host.actor(counter, 'a').get()).toBe(1);
});

test('a change of one owner does not touch calls of other partitions', async () => {
  const { one, clock, placement } = await startPair();
  const other = ['b', 'c', 'd', 'e'].find((id) => partition(id) !== partition('a'))!;
  await placement.move(partition('a'), undefined);
  await placement.move(partition(other), undefined);
  const call = watch(one.host.actor(counter, other).add(1));
  await clock.advance(5_000);
  placement.beliefs.set('one', 'one');
  await placement.move(partition('a'), 'two');
  await settled();
  expect(call.state).toBe('waiting');
});

test('calls that wait for a host that is gone end, or are tried again where that does no harm', async () => {
  const { one, two, clock, placement } = await startPair();
  await two.host.actor(counter, 'a').add(1);
  const patient = { timeoutMs: 60_000 };
  const plain = watch(one.host.actor(counter, 'a', patient).addSlowly(10));
  const keyed = watch(one.host.actor(counter, 'a', { ...patient, idempotencyKey: 'k' }).addSlowly(100));
  const read = watch(one.host.actor(counter, 'a', patient).getSlowly());
  const bound = watch(one.host.actor(desk, 'two', patient).wait());
  await one.host.actor(counter, 'b').sendSlowly('a', 1_000);
  await settled();
  two.kill();
  hold.resolve();
  placement.seize('two', 'one');
  await clock.advance(1_100);
  expect([plain.error, bound.error].map((error) => error instanceof OutcomeUnknownError)).toEqual([true, true]);
  await clock.advance(5_000);
  expect([keyed.state, read.state]).toEqual(['done', 'done']);
  expect(await one.host.actor(counter, 'a').get()).toBe(1_101);
});

test('the answers that a host sent before it left are heard', async () => {
  const { one, two, clock, placement } = await startPair();
  const call = watch(one.host.actor(counter, 'a').addSlowly(1));
  await settled();
  placement.seize('two', 'one');
  await settled();
  hold.resolve();
  await clock.advance(100);
  expect(call.value).toBe(1);
  await two.host.stop();
});

test('a call that a stopping host gets after its release is done by the next owner', async () => {
  const network = new LocalNetwork();
  const placement = new SharedPlacement(PARTITIONS);
  const clock = new ManualClock();
  const options = { clock, contents: new MemoryContents(), partitionCount: PARTITIONS };
  const end = deferred<void>();
  const transport = network.transport('two');
  const slow: Transport = {
    hostId: 'two',
    start: (receiver) => transport.start(receiver),
    send: (to, envelope) => transport.send(to, envelope),
    stop: () => end.promise.then(() => transport.stop()),
  };
  const one = await startRig([counter], {
    ...options,
    transport: network.transport('one'),
    placement: placement.of('one'),
  });
  const two = await startRig([counter], { ...options, transport: slow, placement: placement.of('two') });
  await placement.move(partition('a'), 'two');
  expect(await one.host.actor(counter, 'a').add(1)).toBe(1);
  const stopped = watch(two.host.stop());
  await settled();
  expect(placement.ownerOf(partition('a'))).toBe('one');
  // Host one has not heard of it.
  placement.beliefs.set('one', 'two');
  const call = watch(one.host.actor(counter, 'a').add(1));
  await settled();
  expect([call.state, stopped.state]).toEqual(['waiting', 'waiting']);
  expect(placement.members.map(({ hostId }) => hostId)).toEqual(['one', 'two']);
  placement.beliefs.clear();
  await clock.advance(100);
  expect(call.value).toBe(2);
  end.resolve();
  await settled();
  expect(stopped.state).toBe('done');
  expect(placement.members.map(({ hostId }) => hostId)).toEqual(['one']);
  await one.host.stop();
});

test('an answer that was not delivered is sent again, as long as its host is a member', async () => {
  const network = new LocalNetwork();
  const members = ['one', 'other'];
  let membersChanged = (): void => {};
  const placement: Placement = {
    start: async (listener) => {
      membersChanged = () => listener.membersChanged();
      for (let index = 0; index < PARTITIONS; index++) listener.acquired(index, 1);
    },
    stop: async () => {},
    ownerOf: () => 'one',
    serving: true,
    members: () => members.map((hostId) => ({ hostId, announcement: { actorTypes: [], details: {} } })),
  };
  const { clock, host } = await startRig([counter], {
    transport: network.transport('one'),
    placement,
    partitionCount: PARTITIONS,
  });
  const other = network.transport('other');
  const answers: number[] = [];
  const receiver: TransportReceiver = {
    receive: (_from, envelope) => void (envelope.kind === 'reply' && answers.push(envelope.callId)),
    undeliverable() {},
  };
  await other.start(receiver);
  /** Its host is away when the answer comes. */
  const call = async (callId: number): Promise<void> => {
    hold = deferred<void>();
    const rest = { timeoutMs: undefined, idempotencyKey: undefined, chain: [], traceparent: undefined } as const;
    const address = { type: 'counter', id: String(callId) };
    other.send('one', {
      kind: 'call',
      callId,
      address,
      method: 'addSlowly',
      args: pack([1]),
      send: undefined,
      ...rest,
    });
    await settled();
    await other.stop();
    hold.resolve();
    await clock.advance(1_000);
    expect(answers).not.toContain(callId);
  };
  await call(1);
  await other.start(receiver);
  await clock.advance(1_000);
  expect(answers).toEqual([1]);
  // One that goes for good.
  await call(2);
  members.pop();
  membersChanged();
  await clock.advance(60_000);
  members.push('other');
  membersChanged();
  await other.start(receiver);
  await clock.advance(10_000);
  expect(answers).toEqual([1]);
  // One that waits to be sent again when the host stops is sent at once.
  await call(3);
  await other.start(receiver);
  await host.stop();
  await settled();
  expect(answers).toEqual([1, 3]);
});

test('a call of another host that waits here when this one stops is for the next owner', async () => {
  const network = new LocalNetwork();
  const [transport, other] = [network.transport('one'), network.transport('other')];
  const outcomes: string[] = [];
  await other.start({
    receive: (_from, envelope) => void (envelope.kind === 'reply' && outcomes.push(envelope.outcome)),
    undeliverable() {},
  });
  const clock = new ManualClock();
  const delivered: Call[] = [];
  const host: RouterHost = {
    clock,
    hostId: 'one',
    partitionCount: PARTITIONS,
    placement: { ...singleHostPlacement('one', PARTITIONS, { actorTypes: [], details: {} }), ownerOf: () => 'one' },
    transport,
    logger: new MemoryLogger(),
    stopping: false,
    random: () => 0.5,
    deliverToActive: () => false,
    deliver: (call) => void delivered.push(call),
    serves: () => true,
    isHostBound: () => false,
    isReadOnly: () => false,
    deliverBound() {},
    forgetSender() {},
  };
  const router = new Router(host);
  await transport.start({
    receive: (from, envelope) => router.receive(from, envelope),
    undeliverable: (to, envelope) => router.undeliverable(to, envelope),
  });
  const rest = { timeoutMs: 60_000, idempotencyKey: undefined, chain: [], traceparent: undefined, send: undefined };
  const address = { type: 'counter', id: 'a' };
  other.send('one', { kind: 'call', callId: 1, address, method: 'add', args: pack([1]), ...rest });
  await settled();
  // The activations that it waited for were lost, twice: it waits for a while.
  router.again(delivered[0]!);
  await settled();
  router.again(delivered[1]!);
  await settled();
  expect([delivered.length, outcomes]).toEqual([2, []]);
  router.stop();
  await settled();
  expect([delivered.length, outcomes, clock.pending]).toEqual([2, ['moved'], 0]);
});

test('a read that may have run is not said to be not executed when nobody can try it again', async () => {
  const { one, two, clock, placement } = await startPair();
  const read = watch(one.host.actor(counter, 'a', { timeoutMs: 20_000 }).getSlowly());
  const late = watch(one.host.actor(counter, 'a', { timeoutMs: 20_000 }).get());
  await settled();
  expect(late.value).toBe(0);
  two.kill();
  placement.seize('two', 'one');
  await placement.move(partition('a'), undefined);
  const never = watch(one.host.actor(counter, 'a', { timeoutMs: 10_000 }).get());
  await clock.advance(21_000);
  expect(never.error).toBeInstanceOf(NotExecutedError);
  expect(read.error).toBeInstanceOf(OutcomeUnknownError);
});

test('a read whose host says that the outcome is unknown is tried again, another call is not', async () => {
  const network = new LocalNetwork();
  const members = ['one', 'other'].map((hostId) => ({ hostId, announcement: { actorTypes: [], details: {} } }));
  const placement: Placement = {
    start: async () => {},
    stop: async () => {},
    ownerOf: () => 'other',
    serving: true,
    members: () => members,
  };
  const { clock, host } = await startRig([counter], { transport: network.transport('one'), placement });
  const other = network.transport('other');
  const asked: string[] = [];
  await other.start({
    receive(from, envelope) {
      if (envelope.kind !== 'call') return;
      asked.push(envelope.method);
      const done = asked.length > 2;
      const body = pack(done ? 7 : { name: 'Error', message: 'lost', code: 'outcome_unknown', data: undefined });
      other.send(from, { kind: 'reply', callId: envelope.callId, outcome: done ? 'done' : 'unknown', body });
    },
    undeliverable() {},
  });
  const write = watch(host.actor(counter, 'a').add(1));
  const read = watch(host.actor(counter, 'a').get());
  await clock.advance(1_000);
  expect(write.error).toBeInstanceOf(OutcomeUnknownError);
  expect([read.value, asked]).toEqual([7, ['add', 'get', 'get']]);
});

test('a call is not sent to an owner that is no member, until it is one', async () => {
  const network = new LocalNetwork();
  const members = ['one'];
  const listeners: PlacementListener[] = [];
  const placement: Placement = {
    start: async (listener) => void listeners.push(listener),
    stop: async () => {},
    ownerOf: () => 'other',
    serving: true,
    members: () => members.map((hostId) => ({ hostId, announcement: { actorTypes: [], details: {} } })),
  };
  const { clock, host } = await startRig([counter], { transport: network.transport('one'), placement });
  const other = network.transport('other');
  let asked = 0;
  await other.start({ receive: () => void asked++, undeliverable() {} });
  void host
    .actor(counter, 'a')
    .add(1)
    .catch(() => {});
  await clock.advance(20_000);
  expect(asked).toBe(0);
  members.push('other');
  listeners[0]!.membersChanged();
  await settled();
  expect(asked).toBe(1);
});
