// What tests of workflows are written with: in process, on a clock that is moved by hand, with nothing to install.

export { testHost, type ActivityFake, type TestHost, type TestHostOptions } from './testing/test-host.ts';
export { crashEverywhere, type CrashReport, type CrashScenario, type Stimulus } from './testing/crash-everywhere.ts';
export { replayExactly, replayHistory, type ReplayResult, type StoredHistory } from './testing/replay-history.ts';
