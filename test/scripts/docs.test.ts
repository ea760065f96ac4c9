/**
 * The API reference is built without a warning, so every type that a public signature names
 * is public too.
 */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { packageRoot } from '../../src/base/package-root.ts';
import { runNode } from '../helpers/cli.ts';

it('npm run docs builds the API reference', async () => {
  const { code, stdout, stderr } = await runNode([join(packageRoot, 'scripts/docs.mjs')]);
  expect(`${stdout}${stderr}`).not.toMatch(/warning|error/i);
  expect(code).toBe(0);
  expect(existsSync(join(packageRoot, 'build/docs/api/index.html'))).toBe(true);
});
