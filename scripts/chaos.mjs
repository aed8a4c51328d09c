// `npm run chaos`: the integration tests with many rounds of their faults. TROUPE_ROUNDS says how many; what follows `--`
// goes to vitest, for example the path of one test.

import { run } from './install.mjs';

const env = { ...process.env, TROUPE_ROUNDS: process.env.TROUPE_ROUNDS ?? '25' };
const args = ['run', '--project', 'integration', '--testTimeout', '3600000', ...process.argv.slice(2)];
try {
  await run('vitest', args, { stdio: 'inherit', env });
} catch (error) {
  console.error(error.message);
  process.exitCode = 1;
}
