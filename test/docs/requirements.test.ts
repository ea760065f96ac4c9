/**
 * The table of requirements in docs/ppo.md: each requirement has tests whose titles begin with its
 * number, in the files that the table names.
 */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { packageRoot } from '../../src/base/package-root.ts';

const LAST = 44;
const table = readFileSync(join(packageRoot, 'docs/ppo.md'), 'utf8')
  .split('\n')
  .filter((line) => /^\| R\d+ \|/.test(line))
  .map((line) => {
    const cells = line.split('|').map((cell) => cell.trim());
    return { requirement: cells[1]!, files: [...cells[4]!.matchAll(/`([^`]+)`/g)].map(([, file]) => file!) };
  });

it('names every requirement once, in order', () => {
  expect(table.map(({ requirement }) => requirement)).toEqual(
    Array.from({ length: LAST }, (_, i) => `R${i + 1}`),
  );
});

it.each(table)('$requirement is tested where the table says', ({ requirement, files }) => {
  expect(files.length).toBeGreaterThan(0);
  for (const file of files) {
    const path = join(packageRoot, 'test', `${file}.test.ts`);
    expect(existsSync(path), path).toBe(true);
    // A title: 'R4: …', or 'R4, R5: …' of a test or of the tests around it.
    const titles = readFileSync(path, 'utf8').match(/(?<=[\s(]['`])R\d+(, R\d+)*(?=: )/g) ?? [];
    const numbers = titles.flatMap((title) => title.split(', '));
    expect(numbers, `${file} has no test that begins with ${requirement}`).toContain(requirement);
  }
});
