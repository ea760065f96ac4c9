// The kernels of native/cuda on the emulator (native/emulator), by the C++ test programs of
// native/test. Planted bugs run too: if the emulator misses one, that is also a failure.
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { buildEmulator, output, testBuild } from '../helpers/emulator.ts';

async function expectSuccess(program: string, args: string[], env: Record<string, string> = {}) {
  const { code, text } = await output(program, args, env);
  const complaints = text.split('\n').filter((line) => !line.startsWith('ok ') && !line.startsWith('['));
  expect(code, complaints.slice(0, 60).join('\n')).toBe(0);
  return text;
}

beforeAll(() => buildEmulator(), 600_000);

describe('CUDA kernels on the emulator', () => {
  it.each(['plain', 'asan', 'race'])('pass in the %s build', async (mode) => {
    const text = await expectSuccess(join(testBuild, `athanor_test_${mode}`), []);
    expect(text).toMatch(/^\d{2,} tests, 0 failed$/m);
  });

  it.each(['1', '7'])('pass with threads in order %s', async (order) => {
    await expectSuccess(join(testBuild, 'athanor_test_plain'), [], { ATHANOR_EMULATOR_ORDER: order });
  });
});
