/**
 * The engine over the emulated kernels passes the suites that the CPU passes: operations,
 * their gradients, models.
 */
import { beforeAll, describe, expect, it } from 'vitest';
import { buildEmulatedAddon, output } from '../helpers/emulator.ts';

let addon: string;
beforeAll(async () => {
  addon = await buildEmulatedAddon();
}, 600_000);

describe('device cuda, emulated', () => {
  it('passes the suites that hold on every device', async () => {
    const args = [
      'node_modules/vitest/vitest.mjs',
      'run',
      '--config',
      'vitest.cuda.config.ts',
      '--mode',
      'emulated',
    ];
    const { code, text } = await output(process.execPath, args, { ATHANOR_NATIVE: addon, NO_COLOR: '1' });
    expect(code, text.slice(-6000)).toBe(0);
    // A pattern that leaves out too much would run only a few tests.
    expect(Number(/Tests +(\d+) passed/.exec(text)?.[1])).toBeGreaterThan(400);
  }, 600_000);
});
