/**
 * Tests of the command line run dist/, so tsc runs once before all of them. `npm run check`
 * reports type errors.
 */
import { spawnSync } from 'node:child_process';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { packageRoot } from '../src/base/package-root.ts';

export default function setup(): void {
  const typescript = dirname(createRequire(import.meta.url).resolve('typescript/package.json'));
  spawnSync(process.execPath, [join(typescript, 'bin/tsc'), '-p', 'tsconfig.build.json'], {
    cwd: packageRoot,
  });
}
