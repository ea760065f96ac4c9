/**
 * The suites that hold on every device, run on CUDA: by `npm run test:gpu`, and emulated, with `--mode emulated`, by
 * test/native/cuda-device.test.ts.
 */
import { defineConfig } from 'vitest/config';

const families = [
  ...['activation', 'attention', 'elementwise', 'embedding', 'gemm', 'linear', 'loss', 'norm', 'optimizer'],
  ...['policy', 'preference', 'query-key-norm', 'random', 'rows', 'sampling'],
];
const others = [
  ...['test/train/cuda-*.test.ts', 'test/native/mixed-devices.test.ts', 'test/tensor/*.test.ts'],
  'test/bench/kernel-bench.test.ts',
];

/** What a GPU does not promise, by parts of its tests' names. */
const notOnDevices = [
  'attention, .* in f32$', // its attention takes bf16
  'attention with rotary positions over packed sequences',
  'a kernel whose tasks find no memory fails',
  'memory beyond the limit is refused', // the limit is of the allocator of the CPU
  'gives the same bits on any threads, and for a batch in two halves', // each call's product is summed, then added
  'linearCrossEntropy keeps far less memory than the whole logits', // a head's chunk may take 1 GiB there
];

/**
 * What takes an emulator seconds or minutes: heads of 70,001 tokens (native/test/ops has chunks at sizes that suit it) and
 * a thousand turns.
 */
const notEmulated = [
  'gives a token the same bits alone, in a batch of several chunks',
  'adds into dweight, or overwrites what was there, also over several chunks',
  'a thousand (training steps|losses) leave memory where it was',
];
/** The C++ tests have sampling at sizes that suit the emulator; its tanh is the C library's, of 2.2 ulp. */
const filesNotEmulated = ['test/native/sampling.test.ts', 'test/native/activation.test.ts'];

export default defineConfig(({ mode }) => {
  const isEmulated = mode === 'emulated';
  const left = [...notOnDevices, ...(isEmulated ? notEmulated : [])];
  return {
    test: {
      include: [...families.map((family) => `test/native/${family}.test.ts`), ...others],
      exclude: isEmulated ? filesNotEmulated : [],
      testNamePattern: new RegExp(`^(?!.*(${left.join('|')}))`),
      setupFiles: 'test/helpers/on-cuda.ts',
      pool: 'forks',
      maxWorkers: 2,
      testTimeout: 120_000,
      hookTimeout: 120_000,
    },
  };
});
