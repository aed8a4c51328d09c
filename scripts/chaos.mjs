// `npm run chaos`: the simulations with many seeds (TROUPE_SEEDS, 2,000), the integration tests with many rounds of their
// faults (TROUPE_ROUNDS, 25), the soak (`--minutes`, 30), and as long a cluster of processes in trouble. What else follows
// `--` goes to vitest instead, the path of a test, for example: then there is a soak only if `--minutes` asks for it.
//
// `npm run chaos -- --cluster`: the cluster alone; its options stand in packages/nats/test/cluster/chaos.ts.

import { installIfNeeded, run } from './install.mjs';
import { soak } from './soak.mjs';

/** @throws {Error} when an invariant was broken */
async function cluster(args) {
  const program = 'packages/nats/test/cluster/chaos.ts';
  const options = ['--import', 'tsx', '--conditions=@troupe/source', program, ...args];
  await run(process.execPath, options, { stdio: 'inherit', env: process.env, shell: false });
}

async function everything(given) {
  const env = {
    ...process.env,
    TROUPE_SEEDS: process.env.TROUPE_SEEDS ?? '2000',
    TROUPE_ROUNDS: process.env.TROUPE_ROUNDS ?? '25',
  };
  const { minutes, asked } = takeMinutes(given);
  const runs =
    asked.length > 0
      ? [asked]
      : [
          ['--project', 'unit', 'simulation'],
          ['--project', 'integration'],
        ];
  for (const args of runs) {
    await run('vitest', ['run', '--testTimeout', '3600000', ...args], { stdio: 'inherit', env });
  }
  const length = ['--minutes', minutes ?? '30'];
  if (minutes !== undefined || asked.length === 0) await soak(length);
  if (asked.length === 0) await cluster(length);
}

/** Takes `--minutes N` out of the arguments. */
function takeMinutes(given) {
  const at = given.indexOf('--minutes');
  return at < 0 ? { asked: given } : { minutes: given[at + 1] ?? '', asked: given.toSpliced(at, 2) };
}

try {
  await installIfNeeded();
  const args = process.argv.slice(2);
  if (args.includes('--cluster')) await cluster(args.filter((arg) => arg !== '--cluster'));
  else await everything(args);
} catch (error) {
  console.error(error.message);
  process.exitCode = 1;
}
