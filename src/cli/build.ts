/**
 * `athanor build`: where there is no prebuilt package for a machine, this compiles the sources
 * where they lie, with the same script as `npm run build`. There is no install script that would
 * do it unasked.
 */
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { AthanorError } from '../base/errors.ts';
import { packageRoot } from '../base/package-root.ts';
import { packageVersion } from '../base/package-version.ts';
import { candidates } from '../native/candidates.ts';
import { defineCommand } from './command.ts';

/** The engine that is loaded next time, built or not. */
function loaded(): string | null {
  for (const candidate of candidates(packageRoot, packageVersion())) {
    if ('path' in candidate && existsSync(candidate.path)) return candidate.path;
  }
  return null;
}

export const build = defineCommand({
  description:
    'Compiles the native engine for this machine: its instruction set and, with an NVIDIA driver and nvcc, CUDA. ' +
    'Needs g++, make (or ninja) and CMake 3.20 or newer; names those that are missing.',
  options: {},
  example: 'build',
  async run() {
    const start = performance.now();
    // The compiler's progress belongs on stderr: stdout is for results.
    const script = join(packageRoot, 'scripts', 'build.mjs');
    const child = spawn(process.execPath, [script, '--native', '--here'], { stdio: ['ignore', 2, 2] });
    const code = await new Promise<number | null>((resolve, reject) => {
      child.on('error', reject);
      child.on('close', resolve);
    });
    if (code !== 0) {
      const remedy = 'the reason stands above; run it again once that is put right';
      throw new AthanorError('ERR_NATIVE_LOAD', 'the native engine was not built', remedy);
    }
    const seconds = Math.round(performance.now() - start) / 1000;
    const out = join(packageRoot, 'build', 'cmake', 'Release', 'athanor.node');
    return { seconds, out, loaded: loaded() };
  },
  render: ({ out, loaded }) =>
    loaded === out
      ? `built ${out}`
      : `built ${out}\n${loaded} is loaded before it; set ATHANOR_NATIVE to the one that was built to use that`,
});
