import { join } from 'node:path';
import { packageFile } from './native.mjs';
import { root, run } from './process.mjs';
import { prepare } from './start.mjs';

export async function test(args) {
  await prepare();
  const check = await run(process.execPath, [join(root, 'scripts/check.mjs')]);
  const tests = await run(process.execPath, [packageFile('vitest', 'vitest.mjs'), 'run', ...args]);
  process.exitCode = tests.code || check.code;
}
