// What tests of actors are written with. It needs no test runner; the suites for the ports are in `conformance.ts`.

export { ManualClock, settled } from './testing/manual-clock.ts';
export { ALL_FAULTS, NO_FAULTS, type Disturbance, type SimulationFaults } from './testing/faults.ts';
export { commitContents, type CommitContents } from './testing/commit-contents.ts';
export { forEachSeed } from './testing/seeds.ts';
export { SeededRandom } from './testing/seeded-random.ts';
export type { SentEnvelope, SimulatedNetwork } from './testing/simulated-network.ts';
export { PROOF_MS } from './testing/simulated-placement.ts';
export type { Acquisition, Silence, SimulatedPlacement } from './testing/simulated-placement.ts';
export type { AppliedWrite, OperationFate, SimulatedStorage } from './testing/simulated-storage.ts';
export {
  HostLostError,
  simulate,
  SimulationError,
  type HostParts,
  type SimulatedHost,
  type Simulation,
  type SimulationOptions,
  type SimulationReport,
  type Stoppable,
} from './testing/simulation.ts';
