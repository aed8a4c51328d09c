import { expect, test } from 'vitest';
import {
  actor,
  LocalNetwork,
  MemoryContents,
  NotExecutedError,
  OutcomeUnknownError,
  partitionOf,
  startActorHost,
  type ActorHost,
  type Envelope,
  type Transport,
} from '../src/index.ts';
import { ManualClock } from '../src/testing.ts';
import { deferred, failure, settled, startRig, watch, type Rig } from './harness.ts';
import { SharedPlacement } from './shared-placement.ts';

const PARTITIONS = 8;
let hold: { promise: Promise<void>; resolve(): void } = deferred<void>();
const aborted: string[] = [];

class ShopError extends Error {
  readonly code = 'out_of_stock';
  readonly data = { left: 0 };
}

const counter = actor('counter', {
  state: () => ({ count: 0 }),
  reentrant: true,
  methods: {
    add: (ctx, n: number) => (ctx.state.count += n),
    async slowly(ctx) {
      ctx.signal.addEventListener('abort', () => aborted.push(ctx.actorId));
      await hold.promise;
      return (ctx.state.count += 1);
    },
    fail() {
      throw new ShopError('no more');
    },
    failBadly() {
      throw Object.assign(new Error('odd'), { data: () => 1, code: 5 });
    },
    failOddly() {
      throw 'text';
    },
    async viaSlowly(ctx, to: string): Promise<number> {
      await hold.promise;
      return ctx.actor(counter, to).back(ctx.actorId);
    },
    back: (ctx, to: string): Promise<number> => ctx.actor(counter, to).add(10),
    forward(ctx, to: string, count: number) {
      for (let index = 0; index < count; index++) ctx.send(counter, to).add(1);
    },
  },
  readOnly: { get: (ctx) => ctx.state.count },
});

interface Cluster {
  readonly one: Rig;
  readonly two: Rig;
  readonly placement: SharedPlacement;
  readonly clock: ManualClock;
  /** Ids of actors that live on each. */
  readonly onOne: string;
  readonly onTwo: string;
  /** Envelopes that host one sent. */
  readonly sent: Envelope[];
  dropReplies: boolean;
}

async function startCluster(): Promise<Cluster> {
  const network = new LocalNetwork();
  const placement = new SharedPlacement(PARTITIONS);
  const clock = new ManualClock();
  const contents = new MemoryContents();
  const sent: Envelope[] = [];
  const transport = network.transport('one');
  const spied: Transport = {
    hostId: 'one',
    start: (receiver) =>
      transport.start({
        receive: (from, envelope) => {
          if (!(cluster.dropReplies && envelope.kind === 'reply')) receiver.receive(from, envelope);
        },
        undeliverable: (to, envelope) => receiver.undeliverable(to, envelope),
      }),
    stop: () => transport.stop(),
    send(to, envelope) {
      sent.push(envelope);
      transport.send(to, envelope);
    },
  };
  const options = { clock, contents, partitionCount: PARTITIONS };
  const one = await startRig([counter], { ...options, transport: spied, placement: placement.of('one') });
  const two = await startRig([counter], {
    ...options,
    transport: network.transport('two'),
    placement: placement.of('two'),
  });
  for (let partition = 0; partition < PARTITIONS; partition += 2) await placement.move(partition, 'two');
  const idOn = (host: string): string => {
    for (let index = 0; ; index++)
      if (placement.ownerOf(partition(`${host}-${index}`)) === host) return `${host}-${index}`;
  };
  const cluster: Cluster = {
    one,
    two,
    placement,
    clock,
    onOne: idOn('one'),
    onTwo: idOn('two'),
    sent,
    dropReplies: false,
  };
  return cluster;
}

const partition = (id: string): number => partitionOf({ type: 'counter', id }, PARTITIONS);
const alive = (host: ActorHost): number => host.status().activations.counter!;

test('a call finds its actor on whichever host it lives', async () => {
  const { one, two, onOne, onTwo } = await startCluster();
  expect(await one.host.actor(counter, onTwo).add(1)).toBe(1);
  expect(await two.host.actor(counter, onTwo).add(1)).toBe(2);
  expect(await two.host.actor(counter, onOne).add(1)).toBe(1);
  expect(await one.host.actor(counter, onTwo).get()).toBe(2);
  expect([alive(one.host), alive(two.host)]).toEqual([1, 1]);
});

test('errors of an actor on another host keep their name, code, message and data', async () => {
  const { one, onTwo } = await startCluster();
  const remote = one.host.actor(counter, onTwo);
  expect(await failure(remote.fail())).toMatchObject({
    name: 'Error',
    message: 'no more',
    code: 'out_of_stock',
    data: { left: 0 },
  });
  expect(await failure(remote.failBadly())).toMatchObject({ message: 'odd', code: 'error', data: undefined });
  expect(await failure(remote.failOddly())).toMatchObject({ message: 'text' });
  const strange = { ...counter, methods: { ...counter.methods, strange: () => 1 } };
  expect(
    await failure((one.host.actor(strange, onTwo) as unknown as { strange(): Promise<unknown> }).strange()),
  ).toMatchObject({ code: 'not_defined' });
});

test('a host that does not own the actor says so, and the caller tries again where it does', async () => {
  const { one, clock, placement, onOne, sent } = await startCluster();
  // Host one believes that everything is on host two; host two knows better.
  placement.beliefs.set('one', 'two');
  const call = watch(one.host.actor(counter, onOne).add(1));
  await settled();
  expect([call.state, sent.length]).toEqual(['waiting', 1]);
  placement.beliefs.clear();
  await clock.advance(1_000);
  expect(call.value).toBe(1);
});

test('a call that no host takes is not executed when its time is over', async () => {
  const { one, clock, placement, onOne } = await startCluster();
  placement.beliefs.set('one', 'two');
  const call = watch(one.host.actor(counter, onOne, { timeoutMs: 2_000 }).add(1));
  await clock.advance(2_100);
  expect(call.error).toBeInstanceOf(NotExecutedError);
});

test('an envelope that cannot be delivered is tried again elsewhere', async () => {
  const { one, two, clock, placement, onTwo } = await startCluster();
  await two.host.actor(counter, onTwo).add(1);
  two.kill();
  placement.beliefs.set('one', 'nobody');
  const call = watch(one.host.actor(counter, onTwo).add(1));
  await settled();
  expect(call.state).toBe('waiting');
  placement.beliefs.clear();
  placement.seize('two', 'one');
  await clock.advance(1_000);
  expect(call.value).toBe(2);
});

test('a call whose reply is lost has an unknown outcome, and with a key it finds out', async () => {
  const cluster = await startCluster();
  const { one, clock, onTwo } = cluster;
  cluster.dropReplies = true;
  const plain = watch(one.host.actor(counter, onTwo, { timeoutMs: 1_000 }).add(1));
  const read = watch(one.host.actor(counter, onTwo, { timeoutMs: 1_000 }).get());
  await clock.advance(1_100);
  expect([plain.error, read.error].map((error) => error instanceof OutcomeUnknownError)).toEqual([true, true]);
  cluster.dropReplies = false;
  expect(await one.host.actor(counter, onTwo).get()).toBe(1);
});

test('a caller that gives up is heard on the other host', async () => {
  const { one, onTwo } = await startCluster();
  hold = deferred<void>();
  aborted.length = 0;
  const giveUp = new AbortController();
  const call = watch(one.host.actor(counter, onTwo, { signal: giveUp.signal, timeoutMs: Infinity }).slowly());
  const queued = watch(one.host.actor(counter, onTwo, { signal: giveUp.signal }).add(100));
  await settled();
  giveUp.abort();
  await settled();
  expect(call.error).toBeInstanceOf(OutcomeUnknownError);
  expect(queued.error).toBeInstanceOf(OutcomeUnknownError);
  expect(aborted).toEqual([onTwo]);
  hold.resolve();
  await settled();
  expect(await one.host.actor(counter, onTwo).get()).toBe(1);
});

test('a transport that refuses an envelope fails the call, truthfully, and nothing else', async () => {
  const { one, onTwo, sent } = await startCluster();
  const push = sent.push.bind(sent);
  sent.push = () => {
    throw new Error('too large');
  };
  const error = await failure(one.host.actor(counter, onTwo).add(1));
  expect(error).toBeInstanceOf(NotExecutedError);
  expect(error.cause).toMatchObject({ message: 'too large' });
  sent.push = push;
  expect(await one.host.actor(counter, onTwo).add(1)).toBe(1);
});

test('a chain of calls may come back over another host', async () => {
  const { one, onOne, onTwo } = await startCluster();
  hold = deferred<void>();
  hold.resolve();
  expect(await one.host.actor(counter, onOne).viaSlowly(onTwo)).toBe(10);
});

test('durable sends cross hosts once and in order', async () => {
  const { one, two, clock, onOne, onTwo } = await startCluster();
  await one.host.actor(counter, onOne).forward(onTwo, 50);
  await clock.advance(1_000);
  await settled(200);
  expect(await two.host.actor(counter, onTwo).get()).toBe(50);
  expect((await one.store.load({ type: 'counter', id: onOne })).record!.dueAtMs).toBe(null);
});

test('a partition moves under calls, and none is lost or doubled', async () => {
  const { one, two, clock, placement } = await startCluster();
  const calls: Promise<unknown>[] = [];
  for (let round = 0; round < 60; round++) {
    for (const host of [one.host, two.host]) calls.push(host.actor(counter, 'mover').add(1));
    if (round % 3 === 0) void placement.move(partition('mover'), round % 2 === 0 ? 'one' : 'two');
    await settled(round % 4);
  }
  await clock.advance(20_000);
  await Promise.all(calls);
  expect(await one.host.actor(counter, 'mover').get()).toBe(120);
});

test('a drain waits for the running turn, and what is queued goes to the new owner', async () => {
  const { one, two, clock, placement, onTwo } = await startCluster();
  hold = deferred<void>();
  const running = watch(one.host.actor(counter, onTwo).slowly());
  await settled();
  const queued = [watch(one.host.actor(counter, onTwo).add(10)), watch(two.host.actor(counter, onTwo).add(10))];
  await settled();
  const moved = watch(placement.move(partition(onTwo), 'one'));
  await clock.advance(1_000);
  expect([moved.state, running.state]).toEqual(['waiting', 'waiting']);
  hold.resolve();
  await clock.advance(20_000);
  expect([moved.state, running.value]).toEqual(['done', 1]);
  expect(queued.map((call) => Number(call.value)).sort((a, b) => a - b)).toEqual([11, 21]);
  expect(alive(two.host)).toBe(0);
});

test('a turn that is drained may still be called back from another host', async () => {
  const { one, two, clock, placement, onOne, onTwo } = await startCluster();
  hold = deferred<void>();
  const running = watch(two.host.actor(counter, onTwo).viaSlowly(onOne));
  await settled();
  const moved = watch(placement.move(partition(onTwo), 'one'));
  await settled();
  hold.resolve();
  await clock.advance(1_000);
  expect([running.value, moved.state]).toEqual([10, 'done']);
  expect(await one.host.actor(counter, onTwo).get()).toBe(10);
});

test('a drain does not wait for ever', async () => {
  const { two, clock, placement, onTwo } = await startCluster();
  hold = deferred<void>();
  const running = watch(two.host.actor(counter, onTwo, { timeoutMs: Infinity }).slowly());
  await settled();
  const moved = watch(placement.move(partition(onTwo), 'one'));
  await clock.advance(10_000);
  expect(moved.state).toBe('done');
  expect(running.error).toBeInstanceOf(OutcomeUnknownError);
});

test('a host that stops gives its actors away; nobody else notices', async () => {
  const { one, two, clock, onTwo } = await startCluster();
  const calls: Promise<unknown>[] = [];
  for (let index = 0; index < 20; index++) {
    calls.push(one.host.actor(counter, onTwo).add(1));
    if (index === 10) void two.host.stop();
    await settled(1);
  }
  await clock.advance(20_000);
  await Promise.all(calls);
  expect(await one.host.actor(counter, onTwo).get()).toBe(20);
});

test('a stopped host leaves no call without an answer', async () => {
  const { one, clock, onTwo } = await startCluster();
  hold = deferred<void>();
  const remote = watch(one.host.actor(counter, onTwo, { timeoutMs: Infinity }).slowly());
  await settled();
  void one.host.stop();
  await clock.advance(1);
  expect(remote.error).toBeInstanceOf(OutcomeUnknownError);
  hold.resolve();
});

test('a sender on a host that dies is sent for by the next owner', async () => {
  const { one, two, clock, placement, onOne, onTwo } = await startCluster();
  let commits = 0;
  two.store.faults = (operation) => {
    if (operation === 'commit' && ++commits === 1) setImmediate(() => two.kill());
    return undefined;
  };
  void two.host
    .actor(counter, onTwo)
    .forward(onOne, 5)
    .catch(() => {});
  await settled();
  placement.seize('two', 'one');
  await clock.advance(10_000);
  expect(await one.host.actor(counter, onOne).get()).toBe(5);
});

test('two definitions of one type are refused before a cluster is joined', async () => {
  let connected = 0;
  const cluster = {
    connect: async (): Promise<never> => {
      connected++;
      throw new Error('not reached');
    },
  };
  const twice = actor('twice', { methods: {} });
  await expect(startActorHost({ cluster, actors: [twice, twice] })).rejects.toThrow(/twice is defined twice/);
  expect(connected).toBe(0);
});
