/** The limit of memory that the engine keeps to, as the process was given it. */
import { spawnSync } from 'node:child_process';
import { expect, it } from 'vitest';
import { packageRoot } from '../../src/base/package-root.ts';

/** Runs a script in a shell that limits the address space to a number of KiB. */
function limited(kibibytes: number, script: string) {
  const program = `import { native } from '${packageRoot}/dist/native/addon.js';\n${script}`;
  const shell = `ulimit -v ${kibibytes} && exec "$0" --input-type=module -e "$1"`;
  return spawnSync('sh', ['-c', shell, process.execPath, program], { encoding: 'utf8' });
}

it('is nine tenths of what ulimit -v allows, where the machine has more', () => {
  const { stdout } = limited(8 << 20, 'console.log(native.memoryStats()[3])');
  expect(Number(stdout)).toBeGreaterThan(0);
  expect(Number(stdout)).toBeLessThanOrEqual(0.9 * 8 * 2 ** 30);
});

it('is not blamed for memory that the system refuses', () => {
  const script = `
    import { zeros } from '${packageRoot}/dist/tensor/tensor.js';
    native.setMemoryLimit(2 ** 40);
    try {
      zeros([4 * 2 ** 30]);
    } catch (error) {
      console.log(error.code, error.message);
    }
  `;
  const { stdout } = limited(8 << 20, script);
  expect(stdout).toMatch(/^ERR_OUT_OF_MEMORY .*asked for 16384\.?\d* MiB, which the system refused/);
});
