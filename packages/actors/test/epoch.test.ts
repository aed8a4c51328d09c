import { expect, test } from 'vitest';
import {
  actor,
  commitOnce,
  LocalNetwork,
  MemoryContents,
  OutcomeUnknownError,
  partitionOf,
  plainCodec,
} from '../src/index.ts';
import { pack } from '../src/codec.ts';
import { ActorRecord } from '../src/record.ts';
import { ManualClock } from '../src/testing.ts';
import { Pause, restart, settled, startRig, watch, type Rig } from './harness.ts';
import { SharedPlacement } from './shared-placement.ts';

const PARTITIONS = 8;

const counter = actor('counter', {
  state: () => ({ count: 0 }),
  methods: { add: (ctx, n: number) => (ctx.state.count += n), nothing: () => 'nothing' },
  readOnly: { get: (ctx) => ctx.state.count },
});

const ADDRESS = { type: 'counter', id: 'a' };
const PARTITION = partitionOf(ADDRESS, PARTITIONS);

/** Host one owns everything; host two is there to take it. */
async function startPair(): Promise<{ one: Rig; two: Rig; clock: ManualClock; placement: SharedPlacement }> {
  const network = new LocalNetwork();
  const placement = new SharedPlacement(PARTITIONS);
  const clock = new ManualClock();
  const options = { clock, contents: new MemoryContents(), partitionCount: PARTITIONS };
  const start = (hostId: string): Promise<Rig> =>
    startRig([counter], { ...options, transport: network.transport(hostId), placement: placement.of(hostId) });
  return { one: await start('one'), two: await start('two'), clock, placement };
}

const epochIn = async ({ store }: Rig): Promise<number> =>
  ActorRecord.decode(plainCodec.decode((await store.load(ADDRESS)).record!.state)).epoch;

test('what a new owner answers first waits until it has written the record, reads as well', async () => {
  const { one, two, placement } = await startPair();
  await one.host.actor(counter, 'a').add(1);
  expect(await epochIn(one)).toBe(1);
  await placement.move(PARTITION, 'two');
  const pause = new Pause(two.store);
  pause.close();
  const answers = [
    watch(two.host.actor(counter, 'a').get()),
    watch(two.host.actor(counter, 'a').nothing()),
    watch(one.host.actor(counter, 'a').get()),
  ];
  await settled();
  expect([pause.commits, ...answers.map(({ state }) => state)]).toEqual([1, 'waiting', 'waiting', 'waiting']);
  pause.open();
  await settled();
  expect(answers.map(({ value }) => value)).toEqual([1, 'nothing', 1]);
  expect(await epochIn(two)).toBe(2);
  await two.host.actor(counter, 'a').get();
  expect(pause.commits).toBe(1);
});

test('a former owner that does not know can write no more, once the new one has answered a read', async () => {
  const { one, two, clock, placement } = await startPair();
  await one.host.actor(counter, 'a').add(1);
  const pause = new Pause(one.store);
  pause.close();
  const late = watch(one.host.actor(counter, 'a').add(10));
  await settled();
  placement.seize('one', 'two');
  expect(await two.host.actor(counter, 'a').get()).toBe(1);
  pause.open();
  await clock.advance(1);
  expect(late.error).toBeInstanceOf(OutcomeUnknownError);
  expect(await two.host.actor(counter, 'a').add(100)).toBe(101);
});

test('a turn that writes carries the epoch, and an actor without a record needs no touch', async () => {
  const { two, placement } = await startPair();
  await placement.move(PARTITION, 'two');
  const pause = new Pause(two.store);
  expect(await two.host.actor(counter, 'a').get()).toBe(0);
  expect(pause.commits).toBe(0);
  await two.host.actor(counter, 'a').add(1);
  expect([pause.commits, await epochIn(two)]).toEqual([1, 2]);
});

test('a host that is alone touches nothing when it is started again', async () => {
  const rig = await startRig([counter]);
  await rig.host.actor(counter, 'a').add(1);
  await rig.host.stop();
  const again = await restart(rig, [counter]);
  const pause = new Pause(again.store);
  expect(await again.host.actor(counter, 'a').get()).toBe(1);
  expect(pause.commits).toBe(0);
});

test('a record from before there were epochs is read, and touched once', async () => {
  const rig = await startRig([counter]);
  await commitOnce(rig.store, ADDRESS, {
    id: { writer: 'former', sequence: 1 },
    expectedRevision: 0,
    state: plainCodec.encode(pack([1, 'birth', pack({ count: 7 }), false, 0, null, null, null, null])),
    entries: null,
    keepFrom: 'same',
    dueAtMs: null,
    summary: 'same',
  });
  const pause = new Pause(rig.store);
  expect(await rig.host.actor(counter, 'a').get()).toBe(7);
  expect([pause.commits, await epochIn(rig)]).toEqual([1, 1]);
  await rig.host.stop();
  const again = await restart(rig, [counter]);
  const pauseAgain = new Pause(again.store);
  expect(await again.host.actor(counter, 'a').get()).toBe(7);
  expect(pauseAgain.commits).toBe(0);
});
