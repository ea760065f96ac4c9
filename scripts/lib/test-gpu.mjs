import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { hasGpu } from './machine.mjs';
import { packageFile } from './native.mjs';
import { Explained, root, run } from './process.mjs';
import { prepare } from './start.mjs';

const folder = join(root, 'build/test-gpu');

async function must(program, args) {
  const { code } = await run(program, args);
  if (code !== 0) throw new Explained(`failed: ${program} ${args.join(' ')}`);
}

/**
 * Tests the kernels alone, in a program that needs no Node. It tests inline PTX and the
 * layout of fragments.
 */
async function testKernels(names) {
  await must('cmake', ['-S', join(root, 'native/test'), '-B', folder, '-DATHANOR_GPU=ON']);
  await must('cmake', ['--build', folder, '--parallel', String(availableParallelism())]);
  await must(join(folder, 'athanor_test_gpu'), names);
}

export async function testGpu(names) {
  // Checked before an hour of compiling.
  if (!hasGpu()) {
    throw new Explained(
      'test:gpu: there is no NVIDIA GPU on this machine; npm test runs the kernels emulated',
    );
  }
  await testKernels(names);
  await prepare();
  await must(process.execPath, [
    packageFile('vitest', 'vitest.mjs'),
    'run',
    '--config',
    'vitest.cuda.config.ts',
  ]);
}
