import { expect, test } from 'vitest';
import { growth } from '../growth.ts';

const BOUND = { heap: { part: 0.1, plus: 5 } };

function samplesOf(heapAt: (index: number) => number): { heap: number }[] {
  return Array.from({ length: 50 }, (_, index) => ({ heap: heapAt(index) }));
}

test('what goes up and down stays within its bound', () => {
  const [found] = growth(
    samplesOf((index) => 100 + 10 * (index % 3)),
    BOUND,
  );
  expect(found).toMatchObject({ figure: 'heap', secondFifth: 110, lastFifth: 110, exceeded: false });
});

test('what grows steadily exceeds its bound', () => {
  const [found] = growth(
    samplesOf((index) => 100 + index),
    BOUND,
  );
  expect(found).toMatchObject({ secondFifth: 115, lastFifth: 145, exceeded: true });
  expect(found!.limit).toBeCloseTo(131.5);
});

test('what is filled in the first fifth and stays is no growth', () => {
  const [found] = growth(
    samplesOf((index) => (index < 10 ? index * 100 : 1_000)),
    BOUND,
  );
  expect(found!.exceeded).toBe(false);
});

test('a single peak is no growth, and hides none', () => {
  const peak = (index: number): number => (index === 12 || index === 45 ? 10_000 : 100);
  expect(growth(samplesOf(peak), BOUND)[0]!.exceeded).toBe(false);
  expect(
    growth(
      samplesOf((index) => peak(index) + index),
      BOUND,
    )[0]!.exceeded,
  ).toBe(true);
});

test('a figure that was not sampled counts as exceeded', () => {
  expect(
    growth(
      samplesOf(() => 1),
      { timers: { part: 0, plus: 0 } },
    )[0]!.exceeded,
  ).toBe(true);
});

test('few samples are refused', () => {
  expect(() => growth(samplesOf(() => 1).slice(0, 9), BOUND)).toThrow(RangeError);
});
