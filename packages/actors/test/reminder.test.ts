import { expect, test } from 'vitest';
import { actor } from '../src/index.ts';
import { deferred, Pause, restart, settled, startRig, watch } from './harness.ts';

const MINUTE = 60_000;
const fired: string[] = [];
let hold: { readonly promise: Promise<void>; resolve(): void } | undefined;

const sleeper = actor('sleeper', {
  state: () => ({ fired: 0, failures: 0 }),
  methods: {
    set: (ctx, name: string, delayMs: number, periodMs?: number) =>
      ctx.setReminder(name, periodMs === undefined ? { delayMs } : { delayMs, periodMs, payload: { n: 1 } }),
    setAt: (ctx, name: string, dueAtMs: number) => ctx.setReminder(name, { dueAtMs }),
    cancel: (ctx, name: string) => ctx.cancelReminder(name),
    failNext: (ctx, failures: number) => void (ctx.state.failures = failures),
    list: (ctx) => ctx.reminders().map((reminder) => reminder.name),
    setAndCancel(ctx, name: string) {
      ctx.setReminder(name, { delayMs: 5 });
      ctx.cancelReminder(name);
      return ctx.reminders().length;
    },
    async busy() {
      await hold?.promise;
    },
    forward(ctx, to: string) {
      ctx.send(sleeper, to).busy();
    },
  },
  onReminder(ctx, reminder) {
    if (reminder.name === 'again') ctx.setReminder('again', { dueAtMs: reminder.dueAtMs });
    fired.push(`${ctx.actorId}:${reminder.name}`);
    if (fired.length > 50 && reminder.name === 'again') ctx.cancelReminder('again');
    ctx.state.fired += 1;
    if (reminder.failedAttempts < ctx.state.failures) throw new Error(`attempt ${reminder.failedAttempts}`);
  },
  readOnly: { count: (ctx) => ctx.state.fired },
});

async function rigged(options: object = {}) {
  fired.length = 0;
  hold = undefined;
  return startRig([sleeper], options);
}

test('a reminder activates an idle actor', async () => {
  const { host, clock } = await rigged({ idleTimeoutMs: 1_000 });
  await host.actor(sleeper, 'a').set('r', 2 * MINUTE);
  await clock.advance(MINUTE);
  expect(host.status().activations.sleeper).toBe(0);
  expect(fired).toEqual([]);
  await clock.advance(MINUTE);
  expect(fired).toEqual(['a:r']);
  await clock.advance(100 * MINUTE);
  expect(fired).toEqual(['a:r']);
});

test('the status of a host counts the actors that are due within minutes', async () => {
  const { host, clock } = await rigged();
  expect(host.status().wakeUps).toBe(0);
  await host.actor(sleeper, 'a').set('soon', MINUTE);
  await host.actor(sleeper, 'b').set('soon', MINUTE);
  await host.actor(sleeper, 'b').set('later', 2 * MINUTE);
  await host.actor(sleeper, 'c').set('tomorrow', 24 * 60 * MINUTE);
  expect(host.status().wakeUps).toBe(2);
  await clock.advance(MINUTE);
  expect(host.status().wakeUps).toBe(1);
  await host.actor(sleeper, 'b').cancel('later');
  expect(host.status().wakeUps).toBe(0);
});

test('a periodic reminder comes again until it is cancelled', async () => {
  const { host, clock } = await rigged();
  const a = host.actor(sleeper, 'a');
  await a.set('r', 1_000, 10_000);
  await clock.advance(1_000);
  expect(fired).toHaveLength(1);
  await clock.advance(30_000);
  expect(fired).toHaveLength(4);
  await a.cancel('r');
  await clock.advance(60_000);
  expect(fired).toHaveLength(4);
});

test('occurrences that were missed while down come once, then at their times', async () => {
  const rig = await rigged();
  await rig.host.actor(sleeper, 'a').set('r', 10_000, 10_000);
  rig.kill();
  await rig.clock.advance(95_000);
  const next = await restart(rig, [sleeper]);
  await next.clock.advance(1);
  expect(fired).toHaveLength(1);
  await next.clock.advance(4_998);
  expect(fired).toHaveLength(1);
  await next.clock.advance(2);
  expect(fired).toHaveLength(2);
});

test('a reminder fires after a crash right after its commit', async () => {
  const rig = await rigged();
  await rig.host.actor(sleeper, 'a').set('r', 10_000);
  rig.kill();
  const next = await restart(rig, [sleeper]);
  await next.clock.advance(10_000);
  expect(fired).toEqual(['a:r']);
  expect(await next.host.actor(sleeper, 'a').count()).toBe(1);
});

test('late reminders of many actors fire oldest first', async () => {
  const rig = await rigged();
  await Promise.all(['c', 'a', 'b'].map((id, index) => rig.host.actor(sleeper, id).set('r', 1_000 + index)));
  rig.kill();
  await rig.clock.advance(MINUTE);
  const next = await restart(rig, [sleeper]);
  await next.clock.advance(1);
  expect([...fired].sort()).toEqual(['a:r', 'b:r', 'c:r']);
});

test.each([1, 6, 60 * 24 * 365])(
  'a reminder beyond the horizon fires at its time while its actor stays active (%i minutes)',
  async (minutes) => {
    const { host, clock } = await rigged({ idleTimeoutMs: Infinity });
    await host.actor(sleeper, 'a').set('r', minutes * MINUTE);
    if (minutes > 1_000) {
      expect((await host.actor(sleeper, 'a').list()).length).toBe(1);
      return;
    }
    await clock.advance(minutes * MINUTE - 1);
    expect(fired).toEqual([]);
    await clock.advance(1);
    expect(fired).toEqual(['a:r']);
  },
);

test('a reminder beyond the horizon fires after its actor was deactivated, and after a restart', async () => {
  const rig = await rigged({ idleTimeoutMs: 1_000 });
  await rig.host.actor(sleeper, 'a').set('r', 20 * MINUTE);
  await rig.clock.advance(10 * MINUTE);
  rig.kill();
  const next = await restart(rig, [sleeper]);
  await next.clock.advance(10 * MINUTE);
  expect(fired).toEqual(['a:r']);
});

test('work outstanding does not hide a reminder', async () => {
  const { host, clock } = await rigged();
  hold = deferred<void>();
  await host.actor(sleeper, 'a').set('r', 10_000);
  await host.actor(sleeper, 'a').forward('b');
  await clock.advance(10_000);
  expect(fired).toEqual(['a:r']);
  hold?.resolve();
});

test('a reminder that is moved or cancelled while it waits for its turn does not fire', async () => {
  const { host, clock } = await rigged();
  const a = host.actor(sleeper, 'a', { timeoutMs: Infinity });
  await a.set('moved', 1_000);
  await a.set('cancelled', 1_000);
  hold = deferred<void>();
  const busy = watch(a.busy());
  await settled();
  const moved = a.set('moved', 20_000);
  const cancelled = a.cancel('cancelled');
  await clock.advance(5_000);
  expect(busy.state).toBe('waiting');
  hold?.resolve();
  await Promise.all([moved, cancelled]);
  await settled();
  expect(fired).toEqual([]);
  // A delay counts from the turn that asks for it.
  await clock.advance(20_000);
  expect(fired).toEqual(['a:moved']);
});

test('a reminder that is set again for the time it has is not lost', async () => {
  const { host, clock } = await rigged();
  const a = host.actor(sleeper, 'a');
  const atMs = clock.nowMs() + 1_000;
  await a.setAt('r', atMs);
  hold = deferred<void>();
  const busy = watch(a.busy());
  const again = a.setAt('r', atMs);
  await clock.advance(2_000);
  hold?.resolve();
  await again;
  await clock.advance(10);
  expect(busy.state).toBe('done');
  expect(fired).toEqual(['a:r']);
});

test('a reminder that sets itself for the same instant comes again and does not stall', async () => {
  const { host, clock } = await rigged();
  await host.actor(sleeper, 'a').set('again', 1_000);
  await clock.advance(2_000);
  expect(fired).toHaveLength(51);
});

test('a cancelled reminder never fires after the cancel was acknowledged', async () => {
  const rig = await rigged();
  const a = rig.host.actor(sleeper, 'a');
  await a.set('r', 1_000);
  await a.cancel('r');
  expect(await a.list()).toEqual([]);
  rig.kill();
  const next = await restart(rig, [sleeper]);
  await next.clock.advance(10 * MINUTE);
  expect(fired).toEqual([]);
  expect(await next.host.actor(sleeper, 'a').setAndCancel('x')).toBe(0);
  await next.clock.advance(MINUTE);
  expect(fired).toEqual([]);
});

test('a failing handler is run again with growing delays, and its changes are dropped', async () => {
  const { host, clock, logger } = await rigged();
  const a = host.actor(sleeper, 'a');
  await a.failNext(3);
  await a.set('r', 1_000);
  const times: number[] = [];
  const startMs = clock.nowMs();
  for (let second = 0; second < 20; second++) {
    const before = fired.length;
    await clock.advance(1_000);
    if (fired.length > before) times.push(clock.nowMs() - startMs);
  }
  expect(times).toEqual([1_000, 2_000, 4_000, 8_000]);
  expect(await a.count()).toBe(1);
  expect(logger.lines).toEqual(['a reminder failed', 'a reminder failed', 'a reminder failed']);
});

test('an occurrence takes effect at most once although its commit fails and its host is replaced', async () => {
  const rig = await rigged();
  await rig.host.actor(sleeper, 'a').set('r', 1_000);
  const pause = new Pause(rig.store);
  pause.close();
  await rig.clock.advance(2_000);
  expect(fired).toHaveLength(1);
  const next = await restart(rig, [sleeper]);
  await next.clock.advance(1_000);
  expect(await next.host.actor(sleeper, 'a').count()).toBe(1);
  pause.open();
  await settled();
  await next.clock.advance(10 * MINUTE);
  expect(await next.host.actor(sleeper, 'a').count()).toBe(1);
});

test('a long turn with a reminder waiting keeps the host from spinning', async () => {
  const { host, clock } = await rigged();
  const a = host.actor(sleeper, 'a', { timeoutMs: Infinity });
  await a.set('r', 1_000);
  hold = deferred<void>();
  const busy = watch(a.busy());
  let timeouts = 0;
  const setTimeout = clock.setTimeout.bind(clock);
  clock.setTimeout = (callback, delayMs) => {
    timeouts++;
    return setTimeout(callback, delayMs);
  };
  await clock.advance(10 * MINUTE);
  expect(busy.state).toBe('waiting');
  expect(timeouts).toBeLessThan(500);
  hold?.resolve();
  await settled();
  expect(fired).toEqual(['a:r']);
});

test('ten thousand reminders of one actor all fire', async () => {
  const { host, clock } = await rigged();
  const a = host.actor(sleeper, 'a');
  await Promise.all(Array.from({ length: 10_000 }, (_, index) => a.set(`r${index}`, 1_000)));
  await clock.advance(1_000);
  await settled(100);
  expect(fired).toHaveLength(10_000);
  expect(await a.list()).toEqual([]);
});

test('three thousand actors that are due at once are woken by and by', async () => {
  const rig = await rigged();
  await Promise.all(Array.from({ length: 3_000 }, (_, index) => rig.host.actor(sleeper, `a${index}`).set('r', 1_000)));
  rig.kill();
  await rig.clock.advance(MINUTE);
  const next = await restart(rig, [sleeper]);
  await next.clock.advance(1);
  expect(fired.length).toBeLessThan(1_500);
  await next.clock.advance(1_000);
  expect(new Set(fired).size).toBe(3_000);
  expect(fired).toHaveLength(3_000);
});

test('a reminder without a handler, a name or a time is refused', async () => {
  const mute = actor('mute', {
    state: () => 0,
    methods: {
      set: (ctx, name: string, when: object) => ctx.setReminder(name, when),
      timer: (ctx) => ctx.setTimer('x', 1),
    },
  });
  const volatile = actor('volatile', { methods: { set: (ctx) => ctx.setReminder('x', { delayMs: 1 }) } });
  const { host } = await startRig([mute, volatile, sleeper]);
  await expect(host.actor(mute, 'a').set('x', { delayMs: 1 })).rejects.toMatchObject({ code: 'not_defined' });
  await expect(host.actor(mute, 'a').timer()).rejects.toMatchObject({ code: 'not_defined' });
  await expect(host.actor(volatile, 'a').set()).rejects.toMatchObject({ code: 'not_defined' });
  await expect(host.actor(sleeper, 'a').set('x', Number.NaN)).rejects.toThrow(RangeError);
  await expect(host.actor(sleeper, 'a').set('x', 1, 0)).rejects.toThrow(RangeError);
  await expect(host.actor(sleeper, 'a').set('', 1)).rejects.toMatchObject({ code: 'actor_address_invalid' });
});

test('due times are woken again after the store could not be read', async () => {
  const rig = await rigged();
  await rig.host.actor(sleeper, 'a').set('r', 1_000);
  rig.kill();
  await rig.clock.advance(MINUTE);
  const next = await restart(rig, [sleeper]);
  next.store.faults = (operation) => (operation === 'load' ? { fail: 'before-write' } : undefined);
  await next.clock.advance(30_000);
  expect(fired).toEqual([]);
  next.store.faults = undefined;
  await next.clock.advance(3 * MINUTE);
  expect(fired).toEqual(['a:r']);
});
