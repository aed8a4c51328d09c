// `npm run bench -- --only W1,W3 --json`

import { runBundled } from './bundled.mjs';

try {
  await runBundled(['bench', 'http-load', 'nats-host'], process.argv.slice(2));
} catch (error) {
  console.error(error.message);
  process.exitCode = 1;
}
