// `npm run chaos`: the simulations with many seeds (TROUPE_SEEDS, 2,000), the integration tests with many rounds of their
// faults (TROUPE_ROUNDS, 25), and the soak (`--minutes`, 30). What else follows `--` goes to vitest instead, the path of a
// test, for example: then there is a soak only if `--minutes` asks for it.

import { run } from './install.mjs';
import { soak } from './soak.mjs';

const env = {
  ...process.env,
  TROUPE_SEEDS: process.env.TROUPE_SEEDS ?? '2000',
  TROUPE_ROUNDS: process.env.TROUPE_ROUNDS ?? '25',
};
const { minutes, asked } = takeMinutes(process.argv.slice(2));
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
  if (minutes !== undefined || asked.length === 0) await soak(minutes === undefined ? [] : ['--minutes', minutes]);
} catch (error) {
  console.error(error.message);
  process.exitCode = 1;
}

/** Takes `--minutes N` out of the arguments. */
function takeMinutes(given) {
  const at = given.indexOf('--minutes');
  return at < 0 ? { asked: given } : { minutes: given[at + 1] ?? '', asked: given.toSpliced(at, 2) };
}
