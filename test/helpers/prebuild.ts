/** The tarballs of `npm run prebuild`, made once for a test run. */
import { join } from 'node:path';
import { packageRoot } from '../../src/base/package-root.ts';
import { packageVersion } from '../../src/base/package-version.ts';
import { locked } from './emulator.ts';

/**
 * The paths of the main package and of the platform's. The engine's build folder is shared, so one
 * build at a time.
 */
export async function buildPrebuilt(): Promise<string[]> {
  await locked(process.execPath, join(packageRoot, 'scripts/prebuild.mjs'));
  const version = packageVersion();
  const names = [`athanor-${version}.tgz`, `athanor-${process.platform}-${process.arch}-${version}.tgz`];
  return names.map((name) => join(packageRoot, 'build/prebuild', name));
}
