/**
 * The suites that hold on every device, run on CUDA: by `npm run test:gpu`, and emulated, with `--mode emulated`, by
 * test/native/cuda-device.test.ts. A single test that does not hold there says so itself: it.skipIf(onCuda).
 */
import { defineConfig } from 'vitest/config';

const suites = [
  ...['test/native/*.test.ts', 'test/tensor/*.test.ts', 'test/train/cuda-*.test.ts'],
  'test/bench/kernel-bench.test.ts',
];
/** About the addon or the CPU alone. */
const notOnCuda = ['test/native/cuda-*.test.ts', 'test/native/{bench,binding,decoder}.test.ts'];
/** The C++ tests have sampling at sizes that suit the emulator; its tanh is the C library's, of 2.2 ulp. */
const notEmulated = ['test/native/sampling.test.ts', 'test/native/activation.test.ts'];

export default defineConfig(({ mode }) => {
  const isEmulated = mode === 'emulated';
  return {
    test: {
      include: suites,
      exclude: [...notOnCuda, ...(isEmulated ? notEmulated : [])],
      setupFiles: 'test/helpers/on-cuda.ts',
      env: { ATHANOR_TEST_EMULATED: isEmulated ? '1' : '0' },
      pool: 'forks',
      maxWorkers: 2,
      testTimeout: 120_000,
      hookTimeout: 120_000,
    },
  };
});
