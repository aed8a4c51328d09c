// `npm start`: installs if needed, builds if needed, and becomes the service. One process beside npm's (the script says
// `exec`, so there is no shell between the two): what npm is sent, it hands on to the service.

import { pathToFileURL } from 'node:url';
import { installIfNeeded } from './install.mjs';

// npm hands on what it can, but nobody hands on its own kill -9. A service that stayed behind would keep port and folder.
if (process.env.npm_lifecycle_event === 'start') {
  const parent = process.ppid;
  const watch = setInterval(() => {
    if (process.ppid === parent) return;
    clearInterval(watch);
    process.kill(process.pid, 'SIGTERM');
  }, 200);
  watch.unref();
}

try {
  await installIfNeeded();
  const { buildService } = await import('./build-service.mjs');
  const entry = await buildService();
  process.setSourceMapsEnabled(true);
  const { main } = await import(pathToFileURL(entry).href);
  process.exitCode = await main(['dev', ...process.argv.slice(2)]);
  // Nothing is left now; whatever is must not keep a service alive that has stopped.
  setTimeout(() => process.exit(), 1_000).unref();
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 1;
}
