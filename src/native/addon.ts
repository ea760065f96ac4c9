/**
 * Loads the addon from the first place that has one. If none has, throws one ERR_NATIVE_LOAD that
 * lists every cause.
 */
import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { AthanorError } from '../base/errors.ts';
import { packageRoot } from '../base/package-root.ts';
import { packageVersion } from '../base/package-version.ts';
import type { Binding } from './binding.ts';
import { candidates } from './candidates.ts';

function load(): Binding {
  const require = createRequire(import.meta.url);
  const causes: string[] = [];
  for (const candidate of candidates(packageRoot, packageVersion())) {
    if ('problem' in candidate) {
      causes.push(candidate.problem);
      continue;
    }
    const { path } = candidate;
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
    'build it with: npx athanor build (needs g++, make and CMake, and names npm packages that are missing)',
  );
}

export const native: Binding = load();
