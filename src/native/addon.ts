/**
 * Loads the addon: $ATHANOR_NATIVE, then the cmake-js build, then the node-gyp build, then one
 * error with all causes.
 */
import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { AthanorError } from '../base/errors.ts';
import { packageRoot } from '../base/package-root.ts';
import type { Binding } from './binding.ts';

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
    if (!existsSync(path)) {
      causes.push(`${path} does not exist`);
      continue;
    }
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
    'build it with: npx athanor build (needs g++, make and CMake)',
  );
}

export const native: Binding = load();
