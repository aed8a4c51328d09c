import { expect, test } from 'vitest';
import {
  actor,
  LocalNetwork,
  MemoryContents,
  NotExecutedError,
  OutcomeUnknownError,
  type Placement,
} from '../src/index.ts';
import { ManualClock } from '../src/testing.ts';
import { deferred, failure, settled, startRig, watch, type Rig } from './harness.ts';
import { SharedPlacement } from './shared-placement.ts';

const PARTITIONS = 8;
let hold = deferred<void>();

const desk = actor('desk', {
  hostBound: true,
  methods: {
    where: (ctx) => ctx.actorId,
    async slowly(ctx) {
      await hold.promise;
      return ctx.actorId;
    },
  },
  readOnly: { look: (ctx) => ctx.actorId },
});

const user = actor('user', {
  state: () => 0,
  methods: {
    async viaDesk(ctx, hostId: string): Promise<string> {
      await hold.promise;
      return ctx.actor(desk, hostId).where();
    },
    send: (ctx, hostId: string) => ctx.send(desk, hostId).where(),
  },
});

interface Pair {
  readonly one: Rig;
  readonly two: Rig;
  readonly clock: ManualClock;
  readonly placement: SharedPlacement;
}

/** Host two owns nothing, unless it is given something. */
async function startPair(): Promise<Pair> {
  const network = new LocalNetwork();
  const placement = new SharedPlacement(PARTITIONS);
  const clock = new ManualClock();
  const options = { clock, contents: new MemoryContents(), partitionCount: PARTITIONS };
  const start = (hostId: string): Promise<Rig> =>
    startRig([desk, user], { ...options, transport: network.transport(hostId), placement: placement.of(hostId) });
  hold = deferred<void>();
  return { one: await start('one'), two: await start('two'), clock, placement };
}

test('a host actor lives on the host that its id names, whoever owns which partition', async () => {
  const { one, two } = await startPair();
  expect(two.host.status().partitions).toBe(0);
  for (const from of [one, two])
    for (const id of ['one', 'two']) {
      expect(await from.host.actor(desk, id).where()).toBe(id);
      expect(await from.host.actor(desk, id).look()).toBe(id);
    }
  expect([one, two].map(({ host }) => host.status().activations.desk)).toEqual([1, 1]);
});

test('a call to the actor of a host that is no member is not executed, at once', async () => {
  const { one, two, clock } = await startPair();
  expect(await failure(one.host.actor(desk, 'nobody', { timeoutMs: Infinity }).where())).toBeInstanceOf(
    NotExecutedError,
  );
  void two.host.stop();
  await clock.advance(1_000);
  expect(await failure(one.host.actor(desk, 'two', { timeoutMs: Infinity }).where())).toBeInstanceOf(NotExecutedError);
});

test('a call to the actor of a host that cannot be reached is not executed, at once', async () => {
  const { one, placement } = await startPair();
  // A member that has no transport.
  await placement.of('three').start({
    acquired() {},
    drain: async () => {},
    lost() {},
    ownerChanged() {},
    membersChanged() {},
    servingAgain() {},
    leaving: async () => {},
  });
  expect(await failure(one.host.actor(desk, 'three', { timeoutMs: Infinity }).where())).toBeInstanceOf(
    NotExecutedError,
  );
});

test('a call that comes to another host than the one that its actor names is not executed there', async () => {
  const network = new LocalNetwork();
  const placement: Placement = {
    start: async () => {},
    stop: async () => {},
    ownerOf: () => undefined,
    serving: true,
    members: () => [],
  };
  const rig = await startRig([desk], { transport: network.transport('one'), placement });
  const replies: string[] = [];
  const other = network.transport('other');
  await other.start({
    receive: (_from, envelope) => void (envelope.kind === 'reply' && replies.push(envelope.outcome)),
    undeliverable() {},
  });
  const call = { kind: 'call', method: 'where', args: Uint8Array.of(0x90), timeoutMs: undefined } as const;
  const rest = { idempotencyKey: undefined, chain: [], traceparent: undefined, send: undefined };
  other.send('one', { ...call, ...rest, callId: 1, address: { type: 'desk', id: 'former-one' } });
  other.send('one', { ...call, ...rest, callId: 2, address: { type: 'desk', id: 'one' } });
  await settled();
  expect(replies).toEqual(['not-executed', 'done']);
  await rig.host.stop();
});

test('the actors of a host go last: a turn that is drained may still call them', async () => {
  const { one, two, clock } = await startPair();
  const call = watch(two.host.actor(user, 'a').viaDesk('one'));
  await settled();
  const stopped = watch(one.host.stop());
  await clock.advance(100);
  hold.resolve();
  await clock.advance(1_000);
  expect([call.value, stopped.state]).toEqual(['one', 'done']);
});

test('a host that stops finishes the calls to its actors before it leaves, and refuses new ones', async () => {
  const { one, two, clock, placement } = await startPair();
  const running = watch(two.host.actor(desk, 'one').slowly());
  const waiting = watch(two.host.actor(desk, 'one').where());
  await settled();
  const stopped = watch(one.host.stop());
  await settled();
  const late = watch(two.host.actor(desk, 'one').where());
  await settled();
  expect([running.state, waiting.error, late.error]).toMatchObject([
    'waiting',
    { code: 'not_executed' },
    { code: 'not_executed' },
  ]);
  expect(placement.members.map(({ hostId }) => hostId)).toEqual(['one', 'two']);
  hold.resolve();
  await clock.advance(1_000);
  expect([running.value, stopped.state]).toEqual(['one', 'done']);
});

test('a turn of a host actor that takes too long is lost with its host', async () => {
  const { one, two, clock } = await startPair();
  const options = { timeoutMs: Infinity };
  const running = watch(two.host.actor(desk, 'one', options).slowly());
  const around = watch(two.host.actor(user, 'a', options).viaDesk('one'));
  await settled();
  const stopped = watch(one.host.stop({ graceMs: 5_000 }));
  await clock.advance(5_000);
  expect([running.error, around.error].map((error) => error instanceof OutcomeUnknownError)).toEqual([true, true]);
  await clock.advance(1);
  expect(stopped.state).toBe('done');
  hold.resolve();
});

test('a host actor has no state, no reminders, and takes no durable sends', async () => {
  expect(() => actor('bad', { hostBound: true, state: () => 0, methods: {} })).toThrow(TypeError);
  expect(() => actor('bad', { hostBound: true, onReminder() {}, methods: {} })).toThrow(TypeError);
  const { one } = await startPair();
  expect(await failure(one.host.actor(user, 'a').send('one'))).toBeInstanceOf(TypeError);
});
