/** The maps of folders in the docs: they name every file of a folder, and no others. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { packageRoot } from '../../src/base/package-root.ts';

const maps = [
  ['docs/ppo.md', 'src/train/rl'],
  ['docs/ppo.md', 'src/scoring'],
] as const;

it.each(maps)('%s has one line for each file of %s', (page, folder) => {
  const text = readFileSync(join(packageRoot, page), 'utf8');
  const table = text.slice(text.indexOf(`\n| \`${folder}/\` |`) + 1).split('\n\n')[0]!;
  const named = [...table.matchAll(/^\| `([^`]+\.ts)` \| .+ \|$/gm)].map(([, file]) => file!);
  expect([...named].sort()).toEqual(readdirSync(join(packageRoot, folder)).sort());
});
