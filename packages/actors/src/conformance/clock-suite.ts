import { describe, expect, test } from 'vitest';
import type { Clock } from '../clock.ts';

/** What the suite needs of the place where a clock lives. */
export interface ClockHarness {
  readonly clock: Clock;
  /** Lets so much time pass, and everything happen that comes due in it. */
  pass(byMs: number): Promise<void>;
}

/** The contract of `clock.ts`, for every implementation of it. */
export function clockSuite(name: string, start: () => ClockHarness): void {
  describe(`${name} as a clock`, () => {
    test('time passes', async () => {
      const { clock, pass } = start();
      const beforeMs = clock.nowMs();
      await pass(30);
      expect(clock.nowMs() - beforeMs).toBeGreaterThanOrEqual(29);
    });

    test('a callback runs once, not before its delay is over', async () => {
      const { clock, pass } = start();
      let runs = 0;
      clock.setTimeout(() => runs++, 1_000);
      await pass(10);
      expect(runs).toBe(0);
      clock.setTimeout(() => (runs += 10), 20);
      await pass(60);
      expect(runs).toBe(10);
      await pass(60);
      expect(runs).toBe(10);
    });

    test('a callback never runs inside the call that sets it', async () => {
      const { clock, pass } = start();
      const order: string[] = [];
      for (const delayMs of [0, -1, -Infinity]) clock.setTimeout(() => order.push('ran'), delayMs);
      order.push('set');
      await pass(20);
      expect(order).toEqual(['set', 'ran', 'ran', 'ran']);
    });

    test('callbacks run in the order of their due times, and of their setting when those are equal', async () => {
      const { clock, pass } = start();
      const order: number[] = [];
      clock.setTimeout(() => order.push(3), 40);
      clock.setTimeout(() => order.push(1), 20);
      clock.setTimeout(() => order.push(2), 20);
      await pass(100);
      expect(order).toEqual([1, 2, 3]);
    });

    test('a cancelled callback does not run, and cancelling late or twice does nothing', async () => {
      const { clock, pass } = start();
      let runs = 0;
      const cancel = clock.setTimeout(() => (runs += 100), 20);
      cancel();
      cancel();
      const done = clock.setTimeout(() => runs++, 10);
      await pass(60);
      done();
      expect(runs).toBe(1);
    });

    test('a callback may cancel another that is due at the same time, and set new ones', async () => {
      const { clock, pass } = start();
      const order: string[] = [];
      clock.setTimeout(() => {
        cancel();
        order.push('first');
        clock.setTimeout(() => order.push('third'), 0);
      }, 20);
      const cancel = clock.setTimeout(() => order.push('second'), 21);
      await pass(100);
      expect(order).toEqual(['first', 'third']);
    });

    test('a delay has no upper limit', async () => {
      const { clock, pass } = start();
      let runs = 0;
      const cancels = [2 ** 31, 2 ** 40, 1e15, Infinity].map((delayMs) => clock.setTimeout(() => runs++, delayMs));
      await pass(50);
      expect(runs).toBe(0);
      for (const cancel of cancels) cancel();
    });
  });
}
