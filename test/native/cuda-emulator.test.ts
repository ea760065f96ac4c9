// The kernels of native/cuda on the emulator (native/cuda/emulator), through the C++ test programs of native/test. The
// planted bugs run with them: where the emulator misses one, that is a failure too.
import { execFile } from 'node:child_process';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { beforeAll, describe, expect, it } from 'vitest';
import { packageRoot } from '../../src/native/package-root.ts';

const execute = promisify(execFile);
const build = join(packageRoot, 'build', 'test');

/** Runs a program to its end; what it printed, failed or not. */
async function output(program: string, args: string[], env: Record<string, string> = {}) {
  try {
    const options = { env: { ...process.env, ...env }, maxBuffer: 1 << 26 };
    const { stdout } = await execute(program, args, options);
    return { code: 0, text: stdout };
  } catch (error) {
    const { code, stdout, stderr } = error as { code: number; stdout: string; stderr: string };
    return { code, text: `${stdout}\n${stderr}` };
  }
}

async function expectSuccess(program: string, args: string[], env: Record<string, string> = {}) {
  const { code, text } = await output(program, args, env);
  const complaints = text.split('\n').filter((line) => !line.startsWith('ok ') && !line.startsWith('['));
  expect(code, complaints.slice(0, 60).join('\n')).toBe(0);
  return text;
}

beforeAll(async () => {
  await expectSuccess('cmake', ['-S', join(packageRoot, 'native/test'), '-B', build]);
  await expectSuccess('cmake', ['--build', build, '--parallel', String(availableParallelism())]);
}, 600_000);

describe('CUDA kernels on the emulator', () => {
  it.each(['plain', 'asan', 'race'])('pass in the %s build', async (mode) => {
    const text = await expectSuccess(join(build, `athanor_test_${mode}`), []);
    expect(text).toMatch(/^\d{2,} tests, 0 failed$/m);
  });

  it.each(['1', '7'])('pass with threads in order %s', async (order) => {
    await expectSuccess(join(build, 'athanor_test_plain'), [], { ATHANOR_EMULATOR_ORDER: order });
  });
});
