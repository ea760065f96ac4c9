import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { packageRoot } from '../../src/base/package-root.ts';
import { packageVersion } from '../../src/base/package-version.ts';

it('packageVersion is the version of package.json', () => {
  const text = readFileSync(join(packageRoot, 'package.json'), 'utf8');
  expect(text).toContain(`"version": "${packageVersion()}"`);
});
