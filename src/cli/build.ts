/**
 * `athanor build`: compiles the sources in the package folder, for machines without a prebuilt
 * package. It runs the same script as `npm run build`. The package has no install script, so
 * nothing is compiled unless the user asks for it.
 */
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { AthanorError } from '../base/errors.ts';
import { packageRoot } from '../base/package-root.ts';
import { packageVersion } from '../base/package-version.ts';
import { candidates } from '../native/candidates.ts';
import { defineCommand } from './command.ts';

/** The path of the engine that the next run loads; null when there is none. */
function loaded(): string | null {
  for (const candidate of candidates(packageRoot, packageVersion())) {
    if ('path' in candidate && existsSync(candidate.path)) return candidate.path;
  }
  return null;
}

export const build = defineCommand({
  description:
    'Compiles the native engine for this machine: its instruction set and, with an NVIDIA driver and nvcc, CUDA. ' +
    'It needs g++, make or ninja, and CMake 3.20 or newer, and names what is missing.',
  options: {},
  example: 'build',
  async run() {
    const start = performance.now();
    // The compiler's progress goes to stderr: stdout is for results.
    const script = join(packageRoot, 'scripts', 'build.mjs');
    const child = spawn(process.execPath, [script, '--native', '--here'], { stdio: ['ignore', 2, 2] });
    const code = await new Promise<number | null>((resolve, reject) => {
      child.on('error', reject);
      child.on('close', resolve);
    });
    if (code !== 0) {
      const remedy = 'the output above has the reason; correct it and run the command again';
      throw new AthanorError('ERR_NATIVE_LOAD', 'the native engine was not built', remedy);
    }
    const seconds = Math.round(performance.now() - start) / 1000;
    const out = join(packageRoot, 'build', 'cmake', 'Release', 'athanor.node');
    return { seconds, out, loaded: loaded() };
  },
  render: ({ out, loaded }) =>
    loaded === out
      ? `built ${out}`
      : `built ${out}\n${loaded} is loaded before it; to use the new one, set ATHANOR_NATIVE to its path`,
});
