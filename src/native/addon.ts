/** Loads the addon: $ATHANOR_NATIVE, then the cmake-js build, then the node-gyp build, then one error with all causes. */
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Binding } from './binding.ts';
import { AthanorError } from './errors.ts';

/** The package's folder: two levels above this file, in src as in dist. */
export const packageRoot = join(dirname(fileURLToPath(import.meta.url)), '..', '..');

function candidates(): string[] {
  const chosen = process.env.ATHANOR_NATIVE;
  if (chosen) return [chosen];
  return [
    join(packageRoot, 'build/cmake/Release/athanor.node'),
    join(packageRoot, 'build/Release/athanor.node'),
  ];
}

function load(): Binding {
  const require = createRequire(import.meta.url);
  const causes: string[] = [];
  for (const path of candidates()) {
    try {
      const addon = require(path) as Binding;
      addon.setErrorClass(AthanorError);
      return addon;
    } catch (error) {
      causes.push(`${path}: ${(error as Error).message.split('\n')[0]}`);
    }
  }
  throw new AthanorError(
    'ERR_NATIVE_LOAD',
    `the native engine could not be loaded\n  ${causes.join('\n  ')}`,
    'build it with: npm run build (needs g++, make and CMake)',
  );
}

export const native: Binding = load();
