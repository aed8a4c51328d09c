// `npm run bench -- --only W1,W3 --json`

import { parseArgs } from 'node:util';
import { runBundled } from './bundled.mjs';
import { findNatsServer } from './nats-server.mjs';

/** Those that run on NATS. */
const ON_NATS = ['W10', 'W11'];

/** Without a server all that needs none is measured, unless what needs one was asked for by name. */
async function findServer(args) {
  const { values } = parseArgs({ args, options: { only: { type: 'string' } }, strict: false });
  const only = values.only?.split(',');
  if (only !== undefined && !only.some((name) => ON_NATS.includes(name))) return;
  try {
    process.env.NATS_SERVER = await findNatsServer();
  } catch (error) {
    if (only !== undefined) throw error;
    console.error(`${ON_NATS.join(' and ')} are not measured: ${error.message}`);
  }
}

try {
  await findServer(process.argv.slice(2));
  await runBundled(['bench', 'http-load', 'nats-host', 'worker-process'], process.argv.slice(2));
} catch (error) {
  console.error(error.message);
  process.exitCode = 1;
}
