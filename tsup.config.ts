import { defineConfig } from 'tsup';

/** Shared by every package: each one's "build" script names its entries. */
export default defineConfig({
  format: 'esm',
  target: 'node20',
  dts: true,
  sourcemap: true,
  clean: true,
  // The test kits run inside the tests of whoever uses them.
  external: ['vitest'],
});
