// The contracts of the ports as tests, for those who implement one. They declare vitest tests, and need it installed.

export { clockSuite, type ClockHarness } from './conformance/clock-suite.ts';
export { storeSuite, SUITE_LAYOUT, type StoreHarness } from './conformance/store-suite.ts';
export { transportSuite, type TransportHarness } from './conformance/transport-suite.ts';
