// What tests of actors are written with. It needs no test runner; the suites for the ports are in `conformance.ts`.

export { ManualClock, settled } from './testing/manual-clock.ts';
