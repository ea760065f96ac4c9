/**
 * `athanor build`: there is no install script, so a package fresh from the registry has sources and no engine. This
 * compiles them where they lie, with the same script as `npm run build`.
 */
import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { AthanorError } from '../base/errors.ts';
import { packageRoot } from '../base/package-root.ts';
import { defineCommand } from './command.ts';

export const build = defineCommand({
  description: 'Needs g++, make (or ninja) and CMake 3.20 or newer; names those that are missing.',
  options: {},
  example: 'build',
  async run() {
    const start = performance.now();
    // The compiler's progress belongs on stderr: stdout is for results.
    const script = join(packageRoot, 'scripts', 'build.mjs');
    const child = spawn(process.execPath, [script, '--native'], { stdio: ['ignore', 2, 2] });
    const code = await new Promise<number | null>((resolve, reject) => {
      child.on('error', reject);
      child.on('close', resolve);
    });
    if (code !== 0) {
      const remedy = 'the reason stands above; run it again once that is put right';
      throw new AthanorError('ERR_NATIVE_LOAD', 'the native engine was not built', remedy);
    }
    const seconds = Math.round(performance.now() - start) / 1000;
    return { seconds, out: join(packageRoot, 'build', 'cmake', 'Release', 'athanor.node') };
  },
  render: ({ out }) => `built ${out}`,
});
