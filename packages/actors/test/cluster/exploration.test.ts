import { expect, test } from 'vitest';
import { EXPLORATIONS, explore } from './exploration.ts';

for (const exploration of EXPLORATIONS) {
  test(`every order of ${Object.keys(exploration.budget).join(', ')} keeps the rules`, () => {
    const { states, settled } = explore(exploration);
    expect(states).toBeGreaterThan(300);
    expect(settled).toBeGreaterThan(30);
  });
}
