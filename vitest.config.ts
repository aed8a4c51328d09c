// Read by vitest; the list of projects stands in vitest.workspace.ts.
import { defineConfig } from 'vitest/config';
import projects from './vitest.workspace.ts';

export default defineConfig({
  // Tests read the packages' sources, never their builds: see "exports" in each package.json.
  ssr: { resolve: { conditions: ['@troupe/source', 'node'] } },
  test: {
    projects,
    tags: [{ name: 'nats-server', description: 'Needs a nats-server.' }],
  },
});
