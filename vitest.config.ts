import { join } from 'node:path';
import { defineConfig } from 'vitest/config';

export default defineConfig({
  // The examples import the package by its name, as a user's program would.
  resolve: { alias: { athanor: join(import.meta.dirname, 'src/index.ts') } },
  test: {
    include: ['test/**/*.test.ts'],
    // test/native/cuda-device.test.ts runs these, emulated
    exclude: ['test/train/cuda-*.test.ts', 'test/native/mixed-devices.test.ts'],
    globalSetup: 'test/global-setup.ts',
    // Forks: a crash in native code then fails one file and not the whole run. Kernels use every core themselves.
    pool: 'forks',
    maxWorkers: 2,
    testTimeout: 120_000,
    hookTimeout: 120_000,
  },
});
