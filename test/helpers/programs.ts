/** Programs that import the package by its name, compiled like a user's program. */
import { join } from 'node:path';
import { packageRoot } from '../../src/base/package-root.ts';
import { runNode } from './cli.ts';

/**
 * Compiles all TypeScript files of `folder` into `out`, in build/. Returns what the compiler
 * says of them.
 */
export async function compilePrograms(folder: string, out: string): Promise<string> {
  const { stdout, stderr } = await runNode([join(packageRoot, 'scripts/compile-programs.mjs'), folder, out]);
  return `${stdout}${stderr}`.trim();
}
