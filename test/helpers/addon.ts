/** The addon that the tests run, for children and workers that load it themselves. */
import { existsSync } from 'node:fs';
import { packageRoot } from '../../src/base/package-root.ts';
import { packageVersion } from '../../src/base/package-version.ts';
import { candidates } from '../../src/native/candidates.ts';

export function addonPath(): string {
  for (const place of candidates(packageRoot, packageVersion()))
    if ('path' in place && existsSync(place.path)) return place.path;
  throw new Error('no addon was built');
}
