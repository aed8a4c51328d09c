import { expect, test } from 'vitest';
import {
  actor,
  commitOnce,
  ConflictError,
  journalActor,
  MemoryStore,
  NotExecutedError,
  OutcomeUnknownError,
  startActorHost,
  type Commit,
  type CommitSource,
} from '../src/index.ts';
import { deferred, failNext, failure, Pause, seededRandom, settled, startRig, watch, MemoryLogger } from './harness.ts';

let activations = 0;
let activating: Promise<void> | undefined;
let failActivation = false;

const counter = actor('counter', {
  state: () => ({ count: 0 }),
  async onActivate() {
    activations++;
    await activating;
    if (failActivation) throw new RangeError('not today');
  },
  methods: {
    add(ctx, n: number) {
      ctx.state.count += n;
      return ctx.state.count;
    },
    grow(ctx, bytes: number) {
      (ctx.state as { fill?: Uint8Array }).fill = new Uint8Array(bytes);
    },
    async slowly(ctx) {
      ctx.state.count += 1;
      const aborted = new Promise((resolve) => ctx.signal.addEventListener('abort', resolve));
      await aborted;
      ctx.state.count += 100;
    },
  },
  readOnly: { get: (ctx) => ctx.state.count },
});
const a = { type: 'counter', id: 'a' };

/** Writes as another owner would. */
async function intrude(store: MemoryStore, count: number): Promise<void> {
  const { record } = await store.load(a);
  const other = await startRig([counter], { contents: store.contents });
  await other.host.actor(counter, 'a').add(count);
  expect((await store.load(a)).record!.revision).toBeGreaterThan(record?.revision ?? 0);
}

test('a conflict loses the activation: its caller does not know, the next call sees the truth', async () => {
  const { host, store, logger } = await startRig([counter]);
  const ref = host.actor(counter, 'a');
  await ref.add(1);
  await intrude(store, 10);
  const error = await failure(ref.add(1));
  expect(error).toBeInstanceOf(OutcomeUnknownError);
  expect(error.cause).toBeInstanceOf(ConflictError);
  expect(await ref.get()).toBe(11);
  expect(await ref.add(1)).toBe(12);
  expect(logger.lines).toContain('another owner wrote; the activation is dropped');
});

test('the status of a host counts actors whose activation was lost until one has ended well', async () => {
  const { host, store, clock } = await startRig([counter], { idleTimeoutMs: 10_000 });
  const ref = host.actor(counter, 'a');
  await ref.add(1);
  await intrude(store, 10);
  expect(host.status().recovering).toBe(0);
  await failure(ref.add(1));
  expect(host.status().recovering).toBe(1);
  await ref.add(1);
  await clock.advance(60_000);
  expect(host.status()).toMatchObject({ recovering: 0, wakeUps: 0, activations: { counter: 0 } });
});

test('calls that wait for their turn when the activation is lost go to the next one', async () => {
  const { host, store, clock } = await startRig([counter]);
  const ref = host.actor(counter, 'a');
  await ref.add(1);
  await intrude(store, 10);
  const first = watch(ref.add(1));
  const slow = watch(ref.slowly());
  const queued = watch(ref.add(5));
  const read = watch(ref.get());
  await settled();
  expect(first.error).toBeInstanceOf(OutcomeUnknownError);
  expect(slow.error).toBeInstanceOf(OutcomeUnknownError);
  expect(queued).toMatchObject({ state: 'done', value: 16 });
  // What it had read was never true: it is asked again.
  expect(read.state).toBe('waiting');
  await clock.advance(100);
  expect(read.value).toBe(16);
});

test.each(['before-write', 'after-write'] as const)(
  'a store that fails once (%s) is asked again with the same commit',
  async (fail) => {
    const { host, store, clock } = await startRig([counter]);
    const ids: string[] = [];
    const commit = store.commit.bind(store);
    store.commit = (source: CommitSource) =>
      commit({
        address: source.address,
        accepted: (revision) => source.accepted(revision),
        refused: (error) => source.refused(error),
        seal(): Commit {
          const sealed = source.seal();
          ids.push(`${sealed.id.writer}:${sealed.id.sequence}:${sealed.expectedRevision}`);
          return sealed;
        },
      });
    const ref = host.actor(counter, 'a');
    await ref.get();
    failNext(store, 'commit', { fail });
    const call = watch(ref.add(1));
    await settled();
    expect(call.state).toBe('waiting');
    const later = watch(ref.add(1));
    await clock.advance(1_000);
    expect([call.value, later.value]).toEqual([1, 2]);
    expect(ids).toHaveLength(3);
    expect(ids[0]).toBe(ids[1]);
    expect((await store.load(a)).record?.commitIds).toHaveLength(2);
  },
);

test('a store that keeps failing gives the outcome as unknown, and the actor recovers with it', async () => {
  const { host, store, clock } = await startRig([counter]);
  const ref = host.actor(counter, 'a', { timeoutMs: Infinity });
  await ref.add(1);
  store.faults = (operation) => (operation === 'commit' ? { fail: 'before-write' } : undefined);
  const call = watch(ref.add(1));
  await clock.advance(20_000);
  expect(call.error).toBeInstanceOf(OutcomeUnknownError);
  store.faults = undefined;
  expect(await ref.add(1)).toBe(2);
});

test('a store that is gone fails what waits at once, and later calls as not executed', async () => {
  const { host, store } = await startRig([counter]);
  const ref = host.actor(counter, 'a', { timeoutMs: Infinity });
  await ref.add(1);
  store.unavailable = true;
  expect(await failure(ref.add(1))).toBeInstanceOf(OutcomeUnknownError);
  expect(await failure(ref.add(1))).toBeInstanceOf(NotExecutedError);
  expect(await failure(ref.get())).toBeInstanceOf(NotExecutedError);
  expect(host.status().failure).toBeInstanceOf(Error);
  store.unavailable = false;
  expect(await ref.add(1)).toBe(2);
});

test('a commit that lands after its activation was given up is not lost and not doubled', async () => {
  const { host, store, clock } = await startRig([counter]);
  const ref = host.actor(counter, 'a');
  await ref.add(1);
  const delays = [{ delayMs: 5_000, fail: undefined }];
  store.faults = (operation) => {
    const fault = operation === 'commit' ? delays.shift() : undefined;
    return fault && { delayMs: fault.delayMs };
  };
  const late = watch(ref.add(1));
  await clock.advance(4_000);
  expect(late.state).toBe('waiting');
  await clock.advance(1_000);
  expect(late.value).toBe(2);
});

test('a commit that is too large is refused, and nothing of it is kept', async () => {
  const { host } = await startRig([counter]);
  const ref = host.actor(counter, 'a');
  await ref.add(1);
  const error = await failure(ref.grow(65 * 1024 * 1024));
  expect(error).toBeInstanceOf(OutcomeUnknownError);
  expect(error.cause).toMatchObject({ code: 'limit_reached' });
  expect(await ref.get()).toBe(1);
});

test('a store whose commit throws counts as one that refused', async () => {
  const { host, store } = await startRig([counter]);
  const ref = host.actor(counter, 'a');
  await ref.add(1);
  const commit = store.commit.bind(store);
  store.commit = () => {
    throw new Error('broken store');
  };
  expect(await failure(ref.add(1))).toBeInstanceOf(OutcomeUnknownError);
  store.commit = commit;
  expect(await ref.add(1)).toBe(2);
});

test('a codec that fails loses the activation and nothing else', async () => {
  let broken = false;
  const codec = {
    encode(bytes: Uint8Array) {
      if (broken) throw new Error('no key');
      return Uint8Array.from(bytes, (byte) => byte ^ 0x55);
    },
    decode: (bytes: Uint8Array) => Uint8Array.from(bytes, (byte) => byte ^ 0x55),
  };
  const { host } = await startRig([counter], { codec });
  const ref = host.actor(counter, 'a');
  expect(await ref.add(1)).toBe(1);
  broken = true;
  expect(await failure(ref.add(1))).toBeInstanceOf(OutcomeUnknownError);
  broken = false;
  expect(await ref.add(1)).toBe(2);
});

test('a thousand first calls share one load and one onActivate', async () => {
  const { host, store } = await startRig([counter]);
  let loads = 0;
  store.faults = (operation) => {
    if (operation === 'load') loads++;
    return undefined;
  };
  activations = 0;
  const begun = deferred();
  activating = begun.promise;
  const calls = Array.from({ length: 1_000 }, () => watch(host.actor(counter, 'a').add(1)));
  const reads = watch(host.actor(counter, 'a').get());
  await settled();
  expect(calls.every((call) => call.state === 'waiting')).toBe(true);
  expect(reads.state).toBe('waiting');
  begun.resolve();
  activating = undefined;
  await settled();
  expect(calls.map((call) => call.value)).toEqual(Array.from({ length: 1_000 }, (_, index) => index + 1));
  expect([loads, activations]).toEqual([1, 1]);
});

test.each(['load', 'onActivate'])('a failing %s rejects everybody who waits, as not executed', async (what) => {
  const { host, store, clock } = await startRig([counter]);
  if (what === 'load') failNext(store, 'load', { fail: 'before-write' });
  else failActivation = true;
  const errors = await Promise.all(Array.from({ length: 10 }, () => failure(host.actor(counter, 'a').add(1))));
  expect(errors.every((error) => error instanceof NotExecutedError)).toBe(true);
  failActivation = false;
  expect(await host.actor(counter, 'a').add(1)).toBe(1);
  await clock.advance(100_000);
});

test('an actor that cannot be activated and has nothing due is left alone', async () => {
  const { host, store, clock } = await startRig([counter]);
  let loads = 0;
  store.faults = (operation) => (operation === 'load' ? (loads++, { fail: 'before-write' }) : undefined);
  await failure(host.actor(counter, 'a').add(1));
  await clock.advance(600_000);
  expect(loads).toBe(1);
});

test('a corrupt record rejects calls and is not overwritten', async () => {
  const { host, store } = await startRig([counter]);
  await commitOnce(store, a, {
    id: { writer: 'w', sequence: 1 },
    expectedRevision: 0,
    state: Uint8Array.of(0xc1, 1, 2),
    entries: null,
    keepFrom: 'same',
    dueAtMs: null,
    summary: null,
  });
  expect((await failure(host.actor(counter, 'a').add(1))).cause).toMatchObject({ code: 'record_corrupt' });
  expect([...(await store.load(a)).record!.state]).toEqual([0xc1, 1, 2]);
});

test('a turn that runs on after its activation was lost changes nothing', async () => {
  const { host, store } = await startRig([counter]);
  const ref = host.actor(counter, 'a');
  await ref.add(1);
  await intrude(store, 10);
  void ref.add(1).catch(() => {});
  const zombie = watch(ref.slowly());
  await settled();
  expect(zombie.error).toBeInstanceOf(OutcomeUnknownError);
  expect(await ref.get()).toBe(11);
  await settled();
  expect(await ref.get()).toBe(11);
});

test('a call without a deadline does not spin while its actor is lost again and again', async () => {
  let attempts = 0;
  const doomed = actor('doomed', {
    state: () => ({ n: 0 }),
    onActivate(ctx) {
      attempts++;
      ctx.state.n += 1;
    },
    methods: {
      async work() {
        await new Promise(() => {});
      },
    },
  });
  const { host, store, clock } = await startRig([doomed]);
  // Each activation is refused its first commit.
  const commit = store.commit.bind(store);
  store.commit = (source) => setImmediate(() => source.refused(new ConflictError(source.address, 0, 1)));
  const call = watch(host.actor(doomed, 'a', { timeoutMs: Infinity }).work());
  await clock.advance(60_000);
  expect(call.state).toBe('failed');
  expect(attempts).toBeLessThan(40);
  store.commit = commit;
});

test('what a lost activation had not sealed is never written', async () => {
  const { host, store, clock } = await startRig([counter]);
  const ref = host.actor(counter, 'a');
  await ref.add(1);
  const pause = new Pause(store);
  pause.close();
  const lost = watch(ref.add(5));
  await settled();
  const stopped = watch(host.stop({ graceMs: 1 }));
  const keepOpen = await startRig([counter], { contents: store.contents });
  await clock.advance(1);
  pause.open();
  await settled();
  expect(stopped.state).toBe('done');
  expect(lost.error).toBeInstanceOf(OutcomeUnknownError);
  expect(await keepOpen.host.actor(counter, 'a').get()).toBe(1);
});

test('everything that was acknowledged is there after a crash at any commit', async () => {
  for (let crashAt = 1; crashAt < 8; crashAt++) {
    const rig = await startRig([counter]);
    let commits = 0;
    rig.store.faults = (operation) => {
      if (operation === 'commit' && ++commits === crashAt) rig.kill();
      return undefined;
    };
    const calls = [];
    for (let index = 0; index < 8; index++) {
      calls.push(watch(rig.host.actor(counter, 'a').add(1)));
      await settled(2);
    }
    const acknowledged = Math.max(0, ...calls.map((call) => call.value ?? 0));
    const next = await startRig([counter], { contents: rig.store.contents });
    const count = await next.host.actor(counter, 'a').get();
    expect(count).toBeGreaterThanOrEqual(acknowledged);
    expect(count).toBeLessThanOrEqual(calls.length);
  }
});

test('two hosts that load at the same revision: one loses cleanly', async () => {
  const store = new MemoryStore();
  const options = { store, actors: [counter], logger: new MemoryLogger(), partitionCount: 8 };
  const one = await startActorHost({ ...options, random: seededRandom() });
  const two = await startActorHost({
    ...options,
    store: new MemoryStore({ contents: store.contents }),
    random: seededRandom(),
  });
  await Promise.all([one.actor(counter, 'a').get(), two.actor(counter, 'a').get()]);
  const results = await Promise.allSettled([one.actor(counter, 'a').add(1), two.actor(counter, 'a').add(1)]);
  expect(results.map((result) => result.status).sort()).toEqual(['fulfilled', 'rejected']);
  expect(await one.actor(counter, 'a').add(0)).toBe(1);
  expect(await two.actor(counter, 'a').get()).toBe(1);
});

test('many large entries at once go into several commits, not into one that is too large', async () => {
  const ledger = journalActor('ledger', {
    state: () => ({ entries: 0 }),
    apply: (state, _entry: Uint8Array) => {
      state.entries += 1;
    },
    methods: {
      write: (ctx, bytes: number) => ctx.append(new Uint8Array(bytes)),
    },
    readOnly: { count: (ctx) => ctx.state.entries },
  });
  const { host, store } = await startRig([ledger]);
  const ref = host.actor(ledger, 'large');
  const pause = new Pause(store);
  pause.close();
  const writes = Array.from({ length: 12 }, () => ref.write(8 * 1024 * 1024));
  await settled();
  pause.open();
  await Promise.all(writes);
  expect(await ref.count()).toBe(12);
});
