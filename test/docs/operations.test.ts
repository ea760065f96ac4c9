/** docs/reference/operations.md and the binding name the same operations. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { packageRoot } from '../../src/base/package-root.ts';

const page = readFileSync(join(packageRoot, 'docs/reference/operations.md'), 'utf8');
const binding = join(packageRoot, 'native/binding');
const bound = readdirSync(binding)
  .filter((name) => name.endsWith('.cpp'))
  .flatMap((name) => [
    ...readFileSync(join(binding, name), 'utf8').matchAll(/\bops::([a-z]\w*)(?:>?\(|, ")/g),
  ])
  .map(([, operation]) => operation!);
/** Where an entry begins: a name in bold, or the first cell of a table's row. */
const entries = [...page.matchAll(/^(?:.*\*\*`\w+`\*\*.*|\| `[a-z_]+.*)$/gm)].flatMap(([line]) => {
  const names = line.startsWith('|') ? line.split('|')[1]! : [...line.matchAll(/\*\*`\w+`\*\*/g)].join();
  return [...names.matchAll(/`(\w+)/g)].map(([, name]) => name!);
});

it('every operation of the binding has an entry', () => {
  expect(bound.length).toBeGreaterThan(50);
  expect(bound.filter((operation) => !entries.includes(operation))).toEqual([]);
});

it('every entry is an operation of the binding', () => {
  expect(entries.filter((entry) => !bound.includes(entry))).toEqual([]);
});
