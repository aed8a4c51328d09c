// The simulations that must find the mutants. Bundled with the mutated sources by scripts/mutants.mjs.

import { runSeed } from '../simulation/run.ts';

export const runs: Readonly<Record<string, (seed: number) => Promise<unknown>>> = {
  random: (seed) => runSeed({ seed }),
};
