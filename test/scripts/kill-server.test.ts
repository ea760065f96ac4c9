/** A short run of the script. docs/reliability.md has the figures of a long one. */
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { packageRoot } from '../../src/base/package-root.ts';
import { lastLineJson, runNode } from '../helpers/cli.ts';

it('a server that is killed under feedback load loses no rating that it has acknowledged', async () => {
  const { stdout, stderr, code } = await runNode([
    join(packageRoot, 'scripts/kill-server.mjs'),
    '--kills',
    '5',
  ]);
  expect(code, stderr).toBe(0);
  const counts = lastLineJson(stdout);
  expect(counts).toMatchObject({ kills: 5, lost: 0, repeated: 0, changed: 0 });
  expect(counts.acknowledged).toBeGreaterThan(5);
});
