import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { SettledPrefix } from '../src/settled-prefix.ts';

/** What it must do, by looking at everything each time. */
class Model {
  readonly states = new Map<number, 'out' | 'settled' | 'released'>();
  next: number;

  constructor(first: number) {
    this.next = first;
  }

  take(position: number): boolean {
    if (position < this.next) return false;
    const state = this.states.get(position);
    if (state === 'out' || state === 'settled') return false;
    this.states.set(position, 'out');
    return true;
  }

  settle(position: number): boolean {
    if (this.states.get(position) !== 'out') return false;
    this.states.set(position, 'settled');
    const unsettled = [...this.states].filter(([, state]) => state !== 'settled').map(([taken]) => taken);
    const before = this.next;
    this.next = unsettled.length > 0 ? Math.min(...unsettled) : Math.max(...this.states.keys()) + 1;
    this.next = Math.max(this.next, before);
    return this.next !== before;
  }
}

const FIRST = 100;

test('the prefix is what a look at every position says it is', () => {
  const step = fc.record({
    what: fc.constantFrom('take' as const, 'settle' as const, 'release' as const),
    position: fc.integer({ min: FIRST, max: FIRST + 12 }),
  });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 80 }), (steps) => {
      const prefix = new SettledPrefix(FIRST);
      const model = new Model(FIRST);
      for (const { what, position } of steps) {
        const before = prefix.next;
        if (what === 'take') expect(prefix.take(position)).toBe(model.take(position));
        else if (what === 'settle') expect(prefix.settle(position)).toBe(model.settle(position));
        else {
          prefix.release(position);
          if (model.states.get(position) === 'out') model.states.set(position, 'released');
        }
        expect(prefix.next).toBe(model.next);
        expect(prefix.next).toBeGreaterThanOrEqual(before);
        // Nothing below it is out, and what is released is found.
        const open = [...model.states].filter(([, state]) => state !== 'settled').map(([taken]) => taken);
        for (const taken of open) expect(prefix.next).toBeLessThanOrEqual(taken);
        const released = [...model.states].filter(([, state]) => state === 'released').map(([taken]) => taken);
        expect(prefix.firstReleased).toBe(released.length > 0 ? Math.min(...released) : undefined);
        expect(prefix.size).toBeLessThanOrEqual(13);
      }
    }),
    { numRuns: 500 },
  );
});

test('positions that end in any order are forgotten once all before them have', () => {
  const prefix = new SettledPrefix(0);
  for (let position = 0; position < 1_000; position += 2) expect(prefix.take(position)).toBe(true);
  for (let position = 998; position > 0; position -= 2) expect(prefix.settle(position)).toBe(false);
  expect(prefix).toMatchObject({ next: 0, size: 500, end: 999 });
  expect(prefix.settle(0)).toBe(true);
  expect(prefix).toMatchObject({ next: 999, size: 0 });
  expect(prefix.take(500)).toBe(false);
});

test('a released position holds the prefix until it was taken again and settled', () => {
  const prefix = new SettledPrefix(5);
  prefix.take(5);
  prefix.take(6);
  prefix.release(5);
  expect(prefix.settle(6)).toBe(false);
  expect(prefix.next).toBe(5);
  expect([prefix.take(5), prefix.take(6)]).toEqual([true, false]);
  expect(prefix.settle(5)).toBe(true);
  expect(prefix.next).toBe(7);
});
