/**
 * Everything that the README and the index name exists: the rooms of src/ and the pages of docs/.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { packageRoot } from '../../src/base/package-root.ts';

const read = (name: string) => readFileSync(join(packageRoot, name), 'utf8');

it('the map in the README has a line for every room of src, and no other', () => {
  const map = /^src\/ {2,}TypeScript.*\n((?: {2}\w.*\n| {4,}.*\n)+)/m.exec(read('README.md'))![1]!;
  const rooms = [...map.matchAll(/^ {2}(\w+) {2,}\S/gm)].map(([, name]) => name);
  const folders = readdirSync(join(packageRoot, 'src'), { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .map(({ name }) => name);
  expect([...rooms].sort()).toEqual(folders.sort());
});

it('the index of docs names every page', () => {
  const index = read('docs/README.md');
  const pages = readdirSync(join(packageRoot, 'docs'), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.md') && name !== 'README.md')
    .map((name) => name.replaceAll('\\', '/'));
  expect(pages.length).toBeGreaterThan(10);
  expect(pages.filter((page) => !index.includes(`(${page})`))).toEqual([]);
});
