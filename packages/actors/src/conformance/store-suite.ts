// The conformance suite of the store port: what `store.ts` promises, checked from outside. S1 to S7 are its invariants.

import { afterEach, beforeEach, describe } from 'vitest';
import { StoreFixture, type StoreHarness } from './store-fixture.ts';
import { modelTests } from './store-model.ts';
import { commitTests } from './store-suite-commits.ts';
import { indexTests } from './store-suite-indexes.ts';
import { lifetimeTests } from './store-suite-lifetime.ts';

export { SUITE_LAYOUT, type StoreHarness } from './store-fixture.ts';

/** Declares the tests that every implementation of the store must pass. */
export function storeSuite(name: string, createHarness: () => StoreHarness): void {
  describe(`${name}: the store port`, () => {
    const suite = new StoreFixture();
    beforeEach(() => suite.open(createHarness()));
    afterEach(() => suite.close());
    commitTests(suite);
    indexTests(suite);
    lifetimeTests(suite);
    modelTests(suite);
  });
}
