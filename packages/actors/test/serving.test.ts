// What a host does while it cannot prove that it owns what it owns, and when it learns that it does not any more.

import { expect, test } from 'vitest';
import {
  actor,
  LocalNetwork,
  MemoryContents,
  NotExecutedError,
  OutcomeUnknownError,
  partitionOf,
} from '../src/index.ts';
import { ManualClock } from '../src/testing.ts';
import { deferred, Pause, settled, startRig, watch, type Rig } from './harness.ts';
import { SharedPlacement } from './shared-placement.ts';

const PARTITIONS = 8;
let hold = deferred<void>();
const begun: string[] = [];
const committed: number[] = [];

const box = actor('box', {
  state: () => ({ items: [] as number[] }),
  methods: {
    put(ctx, item: number) {
      begun.push(`put ${item}`);
      ctx.state.items.push(item);
      ctx.afterCommit(() => committed.push(item));
      return ctx.state.items.length;
    },
    async putSlowly(ctx, item: number) {
      await hold.promise;
      return ctx.state.items.push(item);
    },
    send(ctx, to: string, item: number) {
      ctx.send(box, to).put(item);
    },
    remind: (ctx, delayMs: number) => ctx.setReminder('r', { delayMs }),
    purge: (ctx) => ctx.purge(),
  },
  readOnly: {
    items: (ctx) => ctx.state.items,
    async itemsSlowly(ctx) {
      const { items } = ctx.state;
      await hold.promise;
      return items;
    },
  },
  onReminder: (ctx) => void ctx.state.items.push(0),
});

const desk = actor('desk', { hostBound: true, methods: { where: (ctx) => ctx.actorId } });

interface Pair {
  readonly one: Rig;
  readonly two: Rig;
  readonly clock: ManualClock;
  readonly placement: SharedPlacement;
  readonly pause: Pause;
}

/** Host one owns everything; host two is there to take it. */
async function startPair(): Promise<Pair> {
  const network = new LocalNetwork();
  const placement = new SharedPlacement(PARTITIONS);
  const clock = new ManualClock();
  const options = { clock, contents: new MemoryContents(), partitionCount: PARTITIONS };
  const start = (hostId: string): Promise<Rig> =>
    startRig([box, desk], { ...options, transport: network.transport(hostId), placement: placement.of(hostId) });
  hold = deferred<void>();
  begun.length = 0;
  committed.length = 0;
  const one = await start('one');
  return { one, two: await start('two'), clock, placement, pause: new Pause(one.store) };
}

const PARTITION = partitionOf({ type: 'box', id: 'a' }, PARTITIONS);

test('while a host may not serve, calls wait; then they are served at once', async () => {
  const { one, two, clock, placement } = await startPair();
  await one.host.actor(box, 'a').put(1);
  placement.silent.add('one');
  const calls = [one, two].flatMap(({ host }) => [
    watch(host.actor(box, 'a').put(2)),
    watch(host.actor(box, 'a').items()),
    watch(host.actor(box, 'b').put(3)),
  ]);
  await clock.advance(15_000);
  expect([calls.map(({ state }) => state), begun]).toEqual([Array.from(calls, () => 'waiting'), ['put 1']]);
  placement.unsilence('one');
  await settled();
  expect(calls.slice(0, 3).map(({ state }) => state)).toEqual(['done', 'done', 'done']);
  await clock.advance(10_000);
  expect(calls.map(({ state }) => state)).toEqual(Array.from(calls, () => 'done'));
});

test('a call that is not begun in time by a host that may not serve is not executed', async () => {
  const { one, clock, placement } = await startPair();
  placement.silent.add('one');
  const call = watch(one.host.actor(box, 'a', { timeoutMs: 1_000 }).put(1));
  await clock.advance(1_100);
  expect(call.error).toBeInstanceOf(NotExecutedError);
  placement.unsilence('one');
  await settled();
  expect(begun).toEqual([]);
});

test('what becomes durable while a host may not serve is held back until it may', async () => {
  const { one, two, clock, placement, pause } = await startPair();
  pause.close();
  const write = watch(two.host.actor(box, 'a').put(1));
  await settled();
  const read = watch(one.host.actor(box, 'a').itemsSlowly());
  await settled();
  placement.silent.add('one');
  pause.open();
  hold.resolve();
  await clock.advance(1_000);
  expect([write.state, read.state, committed]).toEqual(['waiting', 'waiting', []]);
  expect((await one.store.load({ type: 'box', id: 'a' })).record).toBeDefined();
  placement.unsilence('one');
  await settled();
  expect([write.value, read.value, committed]).toEqual([1, [1], [1]]);
});

test('turns that wait in a mailbox begin when the host may serve again', async () => {
  const { one, clock, placement } = await startPair();
  const running = watch(one.host.actor(box, 'a').putSlowly(1));
  const waiting = watch(one.host.actor(box, 'a').put(2));
  await settled();
  placement.silent.add('one');
  hold.resolve();
  await clock.advance(1_000);
  expect([running.state, waiting.state, begun]).toEqual(['waiting', 'waiting', []]);
  placement.unsilence('one');
  await settled();
  expect([running.value, waiting.value]).toEqual([1, 2]);
});

test('durable sends leave when the host may serve again', async () => {
  const { one, two, clock, placement, pause } = await startPair();
  await placement.move(partitionOf({ type: 'box', id: 'b' }, PARTITIONS), 'two');
  pause.close();
  const sent = watch(one.host.actor(box, 'a').send('b', 7));
  await settled();
  placement.silent.add('one');
  pause.open();
  await clock.advance(5_000);
  expect([sent.state, begun]).toEqual(['waiting', []]);
  placement.unsilence('one');
  await settled();
  expect(sent.state).toBe('done');
  expect(await two.host.actor(box, 'b').items()).toEqual([7]);
  await clock.advance(5_000);
  expect(begun).toEqual(['put 7']);
});

test('sends of a commit that is under way when the host may serve again wait for it', async () => {
  const { one, clock, placement, pause } = await startPair();
  placement.silent.add('one');
  placement.unsilence('one');
  pause.close();
  void one.host.actor(box, 'a').send('b', 7);
  await settled();
  placement.silent.add('one');
  placement.unsilence('one');
  await clock.advance(1_000);
  expect(begun).toEqual([]);
  pause.open();
  await settled();
  expect(begun).toEqual(['put 7']);
});

test('a reminder that comes due while the host may not serve fires afterwards', async () => {
  const { one, clock, placement } = await startPair();
  await one.host.actor(box, 'a').remind(1_000);
  placement.silent.add('one');
  await clock.advance(60_000);
  expect((await one.store.load({ type: 'box', id: 'a' })).record!.dueAtMs).toBeTypeOf('number');
  placement.unsilence('one');
  await clock.advance(1_000);
  expect(await one.host.actor(box, 'a').items()).toEqual([0]);
});

test('the actors of a host are served while it may not serve', async () => {
  const { one, two, placement } = await startPair();
  placement.silent.add('one');
  expect(await two.host.actor(desk, 'one').where()).toBe('one');
  expect(await one.host.actor(desk, 'one').where()).toBe('one');
});

test('a purge that is done while the host may not serve is told afterwards', async () => {
  const { one, clock, placement } = await startPair();
  await one.host.actor(box, 'a').put(1);
  const purge = one.store.purge.bind(one.store);
  const begins = deferred<void>();
  one.store.purge = async (...args) => {
    await begins.promise;
    return purge(...args);
  };
  const purged = watch(one.host.actor(box, 'a').purge());
  await settled();
  placement.silent.add('one');
  begins.resolve();
  await clock.advance(1_000);
  expect(purged.state).toBe('waiting');
  placement.unsilence('one');
  await settled();
  expect(purged.state).toBe('done');
  expect(await one.host.actor(box, 'a').items()).toEqual([]);
});

test('what was held back is lost with the partition, and nobody is told that it is done', async () => {
  const { one, two, clock, placement, pause } = await startPair();
  await one.host.actor(box, 'a').put(1);
  pause.close();
  const write = watch(one.host.actor(box, 'a').put(2));
  await settled();
  placement.silent.add('one');
  pause.open();
  await clock.advance(1_000);
  const waiting = watch(one.host.actor(box, 'a').put(3));
  placement.oust(PARTITION, 'two');
  await settled();
  expect(write.error).toBeInstanceOf(OutcomeUnknownError);
  expect(committed).not.toContain(2);
  await clock.advance(1_000);
  // It is the call of a host that may not serve, but not to an actor of it.
  expect(waiting.value).toBe(3);
  expect(await two.host.actor(box, 'a').items()).toEqual([1, 2, 3]);
});

test('a read whose answer is lost with the partition is asked again, and is never said not to have begun', async () => {
  const { one, two, clock, placement } = await startPair();
  await one.host.actor(box, 'a').put(1);
  const local = watch(one.host.actor(box, 'a').itemsSlowly());
  const remote = watch(two.host.actor(box, 'a').itemsSlowly());
  const hasty = watch(one.host.actor(box, 'a', { timeoutMs: 2_000 }).itemsSlowly());
  await settled();
  placement.silent.add('one');
  hold.resolve();
  await settled();
  expect([local.state, remote.state, hasty.state]).toEqual(['waiting', 'waiting', 'waiting']);
  // Nobody has it for a while.
  placement.oust(PARTITION, 'two');
  await placement.move(PARTITION, undefined);
  await clock.advance(3_000);
  expect(hasty.error).toBeInstanceOf(OutcomeUnknownError);
  await placement.move(PARTITION, 'two');
  await two.host.actor(box, 'a').put(2);
  await clock.advance(5_000);
  expect([local.state, remote.state]).toEqual(['done', 'done']);
  expect(local.value).toEqual([1, 2]);
});

test('a partition that is lost ends its drain; what had not begun goes to the new owner', async () => {
  const { one, two, clock, placement } = await startPair();
  const running = watch(one.host.actor(box, 'a', { timeoutMs: Infinity }).putSlowly(1));
  const queued = watch(one.host.actor(box, 'a').put(2));
  await settled();
  const drained = watch(placement.move(PARTITION, 'two'));
  await clock.advance(100);
  expect(drained.state).toBe('waiting');
  placement.oust(PARTITION, 'two');
  await clock.advance(1_000);
  expect([drained.state, running.error instanceof OutcomeUnknownError, queued.value]).toEqual(['done', true, 1]);
  hold.resolve();
  await settled();
  expect(await two.host.actor(box, 'a').items()).toEqual([2]);
});

test('calls in the mailbox of an actor that is lost go to where it is now', async () => {
  const { one, two, clock, placement } = await startPair();
  const running = watch(two.host.actor(box, 'a', { timeoutMs: Infinity }).putSlowly(1));
  const local = watch(one.host.actor(box, 'a').put(2));
  const remote = watch(two.host.actor(box, 'a').put(3));
  await settled();
  placement.oust(PARTITION, 'two');
  await clock.advance(1_000);
  expect(running.error).toBeInstanceOf(OutcomeUnknownError);
  expect(new Set([local.value, remote.value])).toEqual(new Set([1, 2]));
  expect(await one.host.actor(box, 'a').items()).toHaveLength(2);
  hold.resolve();
});
