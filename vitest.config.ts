// Read by vitest; the list of projects stands in vitest.workspace.ts.
import { availableParallelism } from 'node:os';
import { defineConfig } from 'vitest/config';
import { SERVER_NAMES } from './scripts/servers.mjs';
import projects from './vitest.workspace.ts';

export default defineConfig({
  // Tests read the packages' sources, never their builds: see "exports" in each package.json.
  ssr: { resolve: { conditions: ['@troupe/source', 'node'] } },
  test: {
    projects,
    // One less than there are processors is the default. Half of the tests wait for servers and processes most of the time.
    maxWorkers: Math.max(2, availableParallelism() - 1),
    tags: [
      ...SERVER_NAMES.map((name) => ({ name, description: `Needs a ${name}.` })),
      { name: 'python', description: 'Needs a Python, and the index of its packages.' },
    ],
  },
});
