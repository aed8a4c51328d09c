// `npm run chaos`: the simulations with many seeds (TROUPE_SEEDS, 2,000), and the integration tests with many rounds of
// their faults (TROUPE_ROUNDS, 25). What follows `--` goes to vitest instead: the path of a test, for example.

import { run } from './install.mjs';

const env = {
  ...process.env,
  TROUPE_SEEDS: process.env.TROUPE_SEEDS ?? '2000',
  TROUPE_ROUNDS: process.env.TROUPE_ROUNDS ?? '25',
};
const asked = process.argv.slice(2);
const runs =
  asked.length > 0
    ? [asked]
    : [
        ['--project', 'unit', 'simulation'],
        ['--project', 'integration'],
      ];
try {
  for (const args of runs) {
    await run('vitest', ['run', '--testTimeout', '3600000', ...args], { stdio: 'inherit', env });
  }
} catch (error) {
  console.error(error.message);
  process.exitCode = 1;
}
