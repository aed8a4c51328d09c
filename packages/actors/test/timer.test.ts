import { expect, test } from 'vitest';
import { actor } from '../src/index.ts';
import { deferred, settled, startRig, watch } from './harness.ts';

const fired: string[] = [];
let hold = deferred();

const ticker = actor('ticker', {
  state: () => ({ ticks: 0 }),
  methods: {
    set: (ctx, name: string, delayMs: number, payload?: unknown) => ctx.setTimer(name, delayMs, payload),
    cancel: (ctx, name: string) => ctx.cancelTimer(name),
    async busy() {
      await hold.promise;
    },
  },
  onTimer(ctx, name, payload) {
    fired.push(`${name} ${JSON.stringify(payload)}`);
    ctx.state.ticks += 1;
    if (name === 'bad') throw new Error('no');
  },
  readOnly: { ticks: (ctx) => ctx.state.ticks },
});

test('a timer runs once as a turn, with its payload', async () => {
  const { host, clock } = await startRig([ticker]);
  fired.length = 0;
  await host.actor(ticker, 'a').set('t', 100, { n: 1 });
  await clock.advance(99);
  expect(fired).toEqual([]);
  await clock.advance(1_000);
  expect(fired).toEqual(['t {"n":1}']);
  expect(await host.actor(ticker, 'a').ticks()).toBe(1);
});

test('a timer is moved by setting it again, and cancelled by its name', async () => {
  const { host, clock } = await startRig([ticker]);
  fired.length = 0;
  const a = host.actor(ticker, 'a');
  await a.set('t', 100, 'old');
  await a.set('t', 200, 'new');
  await a.set('u', 100);
  await a.cancel('u');
  await clock.advance(1_000);
  expect(fired).toEqual(['t "new"']);
});

test('a timer that is cancelled or moved while it waits for its turn does not run', async () => {
  const { host, clock } = await startRig([ticker]);
  fired.length = 0;
  hold = deferred();
  const a = host.actor(ticker, 'a');
  await a.set('cancelled', 100);
  await a.set('moved', 100, 'old');
  const busy = watch(a.busy());
  void a.cancel('cancelled');
  void a.set('moved', 500, 'new');
  await clock.advance(200);
  hold.resolve();
  await settled();
  expect(busy.state).toBe('done');
  expect(fired).toEqual([]);
  await clock.advance(500);
  expect(fired).toEqual(['moved "new"']);
});

test('timers die with the activation', async () => {
  const { host, clock } = await startRig([ticker], { idleTimeoutMs: 1_000 });
  fired.length = 0;
  await host.actor(ticker, 'a').set('t', 60_000);
  await clock.advance(120_000);
  expect(fired).toEqual([]);
});

test('a timer turn that fails is logged and changes nothing', async () => {
  const { host, clock, logger } = await startRig([ticker]);
  await host.actor(ticker, 'a').set('bad', 10);
  await clock.advance(100);
  expect(await host.actor(ticker, 'a').ticks()).toBe(0);
  expect(logger.lines).toEqual(['a timer turn failed']);
  await expect(host.actor(ticker, 'a').set('t', Number.NaN)).rejects.toThrow(RangeError);
});
