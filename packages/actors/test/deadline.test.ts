import { getEventListeners } from 'node:events';
import { expect, test } from 'vitest';
import { actor, NotExecutedError, OutcomeUnknownError, systemClock } from '../src/index.ts';
import { Call } from '../src/call.ts';
import { Deadlines } from '../src/deadline.ts';
import { ManualClock } from '../src/testing.ts';
import { deferred, Pause, settled, startRig, watch } from './harness.ts';

let hold: { promise: Promise<void>; resolve(): void } = deferred<void>();
const aborted: unknown[] = [];

const worker = actor('worker', {
  state: () => ({ done: 0 }),
  methods: {
    async work(ctx) {
      ctx.signal.addEventListener('abort', () => aborted.push(ctx.signal.reason));
      await hold.promise;
      ctx.state.done += 1;
      return ctx.signal.aborted;
    },
    quick(ctx) {
      ctx.state.done += 1;
    },
  },
  readOnly: {
    done: (ctx) => ctx.state.done,
    async slowRead(ctx) {
      ctx.signal.addEventListener('abort', () => aborted.push('read'));
      await hold.promise;
    },
  },
});

test('a deadline before the turn begins means not executed, after it unknown', async () => {
  const { host, clock } = await startRig([worker]);
  hold = deferred<void>();
  aborted.length = 0;
  const running = watch(host.actor(worker, 'a', { timeoutMs: 1_000 }).work());
  const queued = watch(host.actor(worker, 'a', { timeoutMs: 1_000 }).work());
  await clock.advance(900);
  expect([running.state, queued.state]).toEqual(['waiting', 'waiting']);
  await clock.advance(200);
  expect(running.error).toBeInstanceOf(OutcomeUnknownError);
  expect(queued.error).toBeInstanceOf(NotExecutedError);
  expect(aborted).toEqual([running.error]);
  hold.resolve();
  await settled();
  // The turn that ran is kept, the one that did not is not.
  expect(await host.actor(worker, 'a').done()).toBe(1);
});

test('a deadline while the commit is under way means unknown', async () => {
  const { host, clock, store } = await startRig([worker]);
  await host.actor(worker, 'a').done();
  const pause = new Pause(store);
  pause.close();
  const call = watch(host.actor(worker, 'a', { timeoutMs: 1_000 }).quick());
  await clock.advance(1_100);
  expect(call.error).toBeInstanceOf(OutcomeUnknownError);
  pause.open();
  await settled();
  expect(await host.actor(worker, 'a').done()).toBe(1);
});

test('a call gives up after 30 seconds unless it says otherwise', async () => {
  const { host, clock } = await startRig([worker]);
  hold = deferred<void>();
  const usual = watch(host.actor(worker, 'a').work());
  const patient = watch(host.actor(worker, 'b', { timeoutMs: Infinity }).work());
  await clock.advance(31_000);
  expect([usual.state, patient.state]).toEqual(['failed', 'waiting']);
  hold.resolve();
  await settled();
  expect(patient.state).toBe('done');
});

test('an aborted signal ends a call with the same outcomes, and aborts the turn', async () => {
  const { host } = await startRig([worker]);
  hold = deferred<void>();
  aborted.length = 0;
  const giveUp = new AbortController();
  const options = { signal: giveUp.signal, timeoutMs: Infinity };
  const running = watch(host.actor(worker, 'a', options).work());
  const queued = watch(host.actor(worker, 'a', options).work());
  const read = watch(host.actor(worker, 'a', options).slowRead());
  await settled();
  giveUp.abort(new Error('bored'));
  await settled();
  expect(running.error).toBeInstanceOf(OutcomeUnknownError);
  expect(queued.error).toBeInstanceOf(NotExecutedError);
  expect((running.error as Error).cause).toMatchObject({ message: 'bored' });
  expect(read.state).toBe('failed');
  expect(watch(host.actor(worker, 'b', options).quick()).state).toBe('waiting');
  await expect(host.actor(worker, 'b', options).quick()).rejects.toBeInstanceOf(NotExecutedError);
  expect(await host.actor(worker, 'b').done()).toBe(0);
  hold.resolve();
});

test('a call leaves no listener on the signal and no timeout behind', async () => {
  const { host, clock } = await startRig([worker], { idleTimeoutMs: 1_000 });
  const giveUp = new AbortController();
  const pendingBefore = clock.pending;
  for (let index = 0; index < 1_000; index++)
    await host.actor(worker, 'a', { signal: giveUp.signal, timeoutMs: 60_000 + index }).quick();
  expect(getEventListeners(giveUp.signal, 'abort')).toHaveLength(0);
  // One for all deadlines, one for the sweep of idle activations.
  expect(clock.pending).toBeLessThanOrEqual(pendingBefore + 2);
});

test('deadlines that nobody needs any more are dropped', async () => {
  const clock = new ManualClock();
  const deadlines = new Deadlines(clock);
  let peak = 0;
  const kept = new Set<Call>();
  for (let index = 0; index < 20_000; index++) {
    const receiver = { resolve: () => {}, reject: () => kept.delete(call) };
    const deadlineAtMs = clock.nowMs() + 24 * 60 * 60_000 + index * 50;
    const call: Call = new Call({ type: 't', id: 'i' }, 'm', [], receiver, deadlineAtMs, {});
    deadlines.add(call);
    if (index % 5_000 === 0) kept.add(call);
    else deadlines.remove(call);
    peak = Math.max(peak, deadlines.size);
  }
  expect(peak).toBeLessThan(2_000);
  expect(kept.size).toBe(4);
  await clock.advance(48 * 60 * 60_000);
  expect(kept.size).toBe(0);
});

test.each([-1, Number.NaN, '5' as unknown as number])('a timeout of %s is refused', async (timeoutMs) => {
  const { host } = await startRig([worker]);
  await expect(host.actor(worker, 'a', { timeoutMs }).quick()).rejects.toThrow(TypeError);
});

test('a call with no time left is not executed', async () => {
  const { host, clock } = await startRig([worker]);
  const call = watch(host.actor(worker, 'a', { timeoutMs: 0 }).quick());
  await clock.advance(50);
  expect(['done', 'failed']).toContain(call.state);
});

test('a delay longer than Node can count does not fire at once', async () => {
  let fired = false;
  const cancel = systemClock.setTimeout(() => (fired = true), 2 ** 40);
  await settled(20);
  expect(fired).toBe(false);
  cancel();
});
