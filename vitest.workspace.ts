// The workspace's test projects.
import type { TestProjectConfiguration } from 'vitest/config';

export default [
  {
    extends: true,
    test: {
      name: 'unit',
      include: ['packages/*/test/**/*.test.ts', 'bench/test/**/*.test.ts'],
      exclude: ['**/integration/**'],
      // Nothing is timed here; a busy machine takes its time.
      testTimeout: 60_000,
    },
  },
  {
    extends: true,
    test: {
      name: 'integration',
      include: [
        'packages/*/test/integration/**/*.test.ts',
        'bench/test/integration/**/*.test.ts',
        'interop/test/**/*.test.ts',
        'examples/test/**/*.test.ts',
      ],
      testTimeout: 60_000,
      hookTimeout: 60_000,
      expect: { poll: { timeout: 30_000 } },
      globalSetup: ['scripts/missing-servers.mjs'],
    },
  },
] satisfies TestProjectConfiguration[];
