import { expect, test } from 'vitest';
import { systemClock } from '../src/index.ts';
import { clockSuite } from '../src/conformance.ts';
import { ManualClock } from '../src/testing.ts';

clockSuite('ManualClock', () => {
  const clock = new ManualClock();
  return { clock, pass: (byMs) => clock.advance(byMs) };
});

// The one place where time is waited for: this clock is what everything else stands still on.
clockSuite('systemClock', () => ({
  clock: systemClock,
  pass: (byMs) => new Promise((resolve) => setTimeout(resolve, byMs)),
}));

test('a manual clock runs what comes due at its time', async () => {
  const clock = new ManualClock(1_000);
  const seen: number[] = [];
  clock.setTimeout(() => {
    seen.push(clock.nowMs());
    clock.setTimeout(() => seen.push(clock.nowMs()), 5);
  }, 10);
  await clock.advance(100);
  expect(seen).toEqual([1_010, 1_015]);
  expect([clock.nowMs(), clock.pending]).toEqual([1_100, 0]);
});
