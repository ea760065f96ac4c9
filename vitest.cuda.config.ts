/** The suites that hold on every device, run on CUDA: by `npm run test:gpu`, and by test/native/cuda-device.test.ts emulated. */
import { defineConfig } from 'vitest/config';

const families = [
  ...['activation', 'elementwise', 'embedding', 'norm', 'optimizer', 'policy', 'preference'],
  ...['random', 'rows', 'sampling'],
];

export default defineConfig({
  test: {
    include: families.map((family) => `test/native/${family}.test.ts`),
    setupFiles: 'test/helpers/on-cuda.ts',
    pool: 'forks',
    maxWorkers: 2,
    testTimeout: 120_000,
    hookTimeout: 120_000,
  },
});
