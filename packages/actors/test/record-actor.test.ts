import { expect, test } from 'vitest';
import { actor, OutcomeUnknownError, recordActor, type RecordOpening, type RecordReadContext } from '../src/index.ts';
import { deferred, failNext, Pause, restart, settled, startRig, watch } from './harness.ts';

interface Local {
  words: string[];
  closed: boolean;
}
let hold = deferred();
const log: string[] = [];
const open = new Set<Local>();

const list = recordActor('list', {
  async open(opening): Promise<Local> {
    const entries = (await opening.read(opening.firstEntry, 1_000)) as string[];
    const local = { words: (opening.snapshot as string[] | undefined) ?? [], closed: false };
    const after = opening.tombstone === undefined ? '' : ` after ${opening.tombstone.key}`;
    log.push(`open ${opening.firstEntry}-${opening.nextEntry} ${entries.join()}${after}`);
    open.add(local);
    return local;
  },
  snapshot: (local) => [...local.words],
  close(local) {
    expect(local.closed).toBe(false);
    local.closed = true;
    open.delete(local);
  },
  onWork(ctx) {
    log.push('work');
    ctx.setWork(false);
  },
  methods: {
    add(ctx, word: string) {
      ctx.local.words.push(word);
      ctx.append(word);
      ctx.changed();
      return ctx.nextEntry;
    },
    trim: (ctx, keepFrom: number) => ctx.trim(keepFrom),
    async addSlowly(ctx, word: string) {
      ctx.local.words.push(`half of ${word}`);
      await hold.promise;
      ctx.local.words.pop();
      ctx.local.words.push(word);
      ctx.changed();
    },
    // Returns a promise without being an async function.
    addPlainly(ctx, word: string) {
      ctx.local.words.push(`half of ${word}`);
      return hold.promise.then(() => {
        ctx.local.words.pop();
        ctx.local.words.push(word);
        ctx.changed();
      });
    },
    async askSlowly(ctx): Promise<unknown> {
      ctx.local.words.push('half');
      const words: unknown = await ctx.actor(list, 'other').add('asked');
      ctx.local.words.pop();
      return words;
    },
    fail(ctx) {
      ctx.local.words.push('wrong');
      throw new RangeError('no');
    },
    work(ctx, hasWork: boolean) {
      ctx.setWork(hasWork);
    },
    purge: (ctx) => ctx.purge({ key: 'k', hash: 'h', atMs: 1 }),
    unstorable: (ctx) => ctx.append(new Map()),
  },
  readOnly: {
    words: (ctx: RecordReadContext<Local>) => [...ctx.local.words],
    async wordsSlowly(ctx: RecordReadContext<Local>) {
      await settled(3);
      return [...ctx.local.words];
    },
  },
});

test('a record actor opens with its snapshot and its entries', async () => {
  const rig = await startRig([list]);
  const a = rig.host.actor(list, 'a');
  await a.add('x');
  expect(await a.add('y')).toBe(3);
  await a.add('z');
  await a.trim(3);
  rig.kill();
  log.length = 0;
  const next = await restart(rig, [list]);
  expect(await next.host.actor(list, 'a').words()).toEqual(['x', 'y', 'z']);
  expect(log).toEqual(['open 3-4 z']);
});

test('trim takes numbers from the first entry to the next one', async () => {
  const { host } = await startRig([list]);
  await host.actor(list, 'a').add('x');
  await expect(host.actor(list, 'a').trim(3)).rejects.toThrow(RangeError);
});

test('a turn that throws drops the activation, and the next call opens it from what is committed', async () => {
  const { host } = await startRig([list]);
  const a = host.actor(list, 'a');
  await a.add('x');
  const opened = open.size;
  await expect(a.fail()).rejects.toThrow(RangeError);
  expect(open.size).toBe(opened - 1);
  expect(await a.words()).toEqual(['x']);
  await expect(a.unstorable()).rejects.toMatchObject({ code: 'payload_invalid' });
});

test('what was changed by a turn that throws is not written with the commit that was already asked for', async () => {
  const { host } = await startRig([list]);
  const a = host.actor(list, 'a');
  await a.words();
  const before = watch(a.add('x'));
  const failed = watch(a.fail());
  await settled();
  expect(before.error).toBeInstanceOf(OutcomeUnknownError);
  expect(failed.error).toBeInstanceOf(RangeError);
  expect(await a.words()).toEqual([]);
});

test.each(['addSlowly', 'addPlainly'] as const)('a commit never holds half of a turn (%s)', async (slow) => {
  for (let round = 0; round < 2; round++) {
    const rig = await startRig([list]);
    const a = rig.host.actor(list, 'a');
    await a.words();
    hold = deferred();
    const added = watch(a.add('x'));
    const slowly = watch(a[slow]('y'));
    await settled();
    // Async functions, and methods that were seen to run on, do not keep earlier turns from their commit.
    expect(added.state).toBe(slow === 'addSlowly' || round > 0 ? 'done' : 'waiting');
    const crashed = await startRig([list], { contents: rig.store.snapshot() });
    expect(await crashed.host.actor(list, 'a').words()).toEqual(added.state === 'done' ? ['x'] : []);
    hold.resolve();
    await settled();
    expect([added.state, slowly.state]).toEqual(['done', 'done']);
    rig.kill();
    const next = await restart(rig, [list]);
    expect(await next.host.actor(list, 'a').words()).toEqual(['x', 'y']);
  }
});

test('a call from inside a turn waits for earlier turns, whose commit holds nothing of this one', async () => {
  const rig = await startRig([list]);
  const a = rig.host.actor(list, 'a');
  await a.words();
  const added = watch(a.add('x'));
  expect(await a.askSlowly()).toBe(2);
  expect(added.state).toBe('done');
  rig.kill();
  const next = await restart(rig, [list]);
  expect(await next.host.actor(list, 'a').words()).toEqual(['x']);
});

test('reads do not see a turn in progress', async () => {
  const { host } = await startRig([list]);
  const a = host.actor(list, 'a');
  await a.add('x');
  hold = deferred();
  const begunBefore = watch(a.wordsSlowly());
  const slow = watch(a.addSlowly('y'));
  const read = watch(a.words());
  await settled();
  expect([begunBefore.state, read.state]).toEqual(['waiting', 'waiting']);
  hold.resolve();
  await settled();
  expect([slow.state, read.value]).toEqual(['done', ['x', 'y']]);
  expect(begunBefore.state).toBe('done');
});

test('unfinished work activates the actor after a crash, and its work runs first', async () => {
  const rig = await startRig([list]);
  await rig.host.actor(list, 'a').work(true);
  rig.kill();
  log.length = 0;
  const next = await restart(rig, [list]);
  await next.clock.advance(1_000);
  expect(log).toEqual(['open 1-1 ', 'work']);
  await next.host.stop();
  const third = await restart(next, [list]);
  await third.clock.advance(1_000);
  expect(log).toEqual(['open 1-1 ', 'work']);
});

test('an actor with work is not deactivated', async () => {
  const { host, clock } = await startRig([list], { idleTimeoutMs: 1_000 });
  await host.actor(list, 'a').work(true);
  await clock.advance(60_000);
  expect(host.status().activations.list).toBe(1);
  await host.actor(list, 'a').work(false);
  await clock.advance(60_000);
  expect(host.status().activations.list).toBe(0);
});

test('a purged one is opened as new, and is shown the tombstone', async () => {
  const { host } = await startRig([list]);
  await host.actor(list, 'a').add('x');
  await host.actor(list, 'a').purge();
  log.length = 0;
  expect(await host.actor(list, 'a').words()).toEqual([]);
  expect(log).toEqual(['open 1-1  after k']);
});

test('one that was abandoned while it opened is closed again', async () => {
  const { host, store, clock } = await startRig([list]);
  const opened = open.size;
  const read = store.read.bind(store);
  const reading = deferred();
  store.read = async (...args) => {
    await reading.promise;
    return read(...args);
  };
  const call = watch(host.actor(list, 'a').words());
  await settled();
  const stopped = watch(host.stop({ graceMs: 1 }));
  await clock.advance(1);
  expect(stopped.state).toBe('done');
  expect(call.state).toBe('failed');
  reading.resolve();
  await settled();
  expect(open.size).toBe(opened);
});

test('a paused store is given one commit for many turns', async () => {
  const { host, store } = await startRig([list]);
  await host.actor(list, 'a').words();
  const pause = new Pause(store);
  await Promise.all(Array.from({ length: 500 }, (_, index) => host.actor(list, 'a').add(String(index))));
  expect(pause.commits).toBeLessThanOrEqual(2);
});

test('a turn that the store fails has an unknown outcome, and a durable send is tried again', async () => {
  interface Reading {
    readonly opening: RecordOpening;
    read: number;
  }
  const reader = recordActor('reader', {
    open: (opening: RecordOpening): Reading => ({ opening, read: 0 }),
    snapshot: ({ read }) => read,
    methods: {
      async look(ctx) {
        await ctx.local.opening.read(1, 10);
        ctx.local.read += 1;
        ctx.changed();
      },
    },
    readOnly: { read: (ctx: RecordReadContext<Reading>) => ctx.local.read },
  });
  const sender = actor('sender', {
    state: () => ({}),
    methods: {
      send(ctx) {
        ctx.send(reader, 'a').look();
      },
    },
  });
  const { host, store, clock } = await startRig([reader, sender]);
  failNext(store, 'read', { fail: 'before-write' });
  await expect(host.actor(reader, 'a').look()).rejects.toBeInstanceOf(OutcomeUnknownError);
  failNext(store, 'read', { fail: 'before-write' }, { fail: 'before-write' });
  await host.actor(sender, 'b').send();
  await clock.advance(5_000);
  expect(await host.actor(reader, 'a').read()).toBe(1);
});
