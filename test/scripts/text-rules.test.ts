/** The rules about the length of lines: one planted violation of each kind, and the exceptions. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { describe, expect, it } from 'vitest';
import { packageRoot } from '../../src/base/package-root.ts';
import { temporaryFolder } from '../helpers/cli.ts';

const rules = (await import(pathToFileURL(join(packageRoot, 'scripts/lib/text-rules.mjs')).href)) as {
  checkText(root: string, names: string[]): string[];
  narrowComments: string[];
};

function check(name: string, ...lines: string[]): string[] {
  const root = temporaryFolder();
  mkdirSync(join(root, dirname(name)), { recursive: true });
  writeFileSync(join(root, name), lines.join('\n'));
  return rules.checkText(root, [name]);
}

const words = (count: number) => `${'word '.repeat(count).slice(0, count - 1)}x`;

describe('Markdown', () => {
  it('has lines of at most 100 columns, counted in characters', () => {
    expect(check('docs/a.md', '# A', words(101))).toEqual(['docs/a.md:2: 101 columns; the limit is 100']);
    expect(check('README.md', words(100), 'é'.repeat(100))).toEqual([]);
  });

  it('has cells of at most 120 characters, in rows of any length', () => {
    const row = `| ${words(120)} | ${words(119)} |`;
    expect(check('docs/a.md', row, `| b | ${words(121)} |`)).toEqual([
      'docs/a.md:2: a cell of 121 characters; the limit is 120',
    ]);
  });

  it('takes a bar behind a backslash as part of its cell', () => {
    expect(check('docs/a.md', `| ${words(80)} \\| ${words(80)} |`)).toEqual([
      'docs/a.md:1: a cell of 164 characters; the limit is 120',
    ]);
  });

  it('has code of at most 100 columns, and output of programs of any', () => {
    const block = (kind: string) => check('docs/a.md', `\`\`\`${kind}`, words(101), '```', 'end');
    for (const kind of ['', 'ts', 'ts run', 'sh', 'json']) {
      expect(block(kind), kind).toEqual(['docs/a.md:2: 101 columns; the limit is 100']);
    }
    expect(block('text')).toEqual([]);
    expect(check('docs/a.md', `    ${words(101)}`)).toHaveLength(1);
  });

  it('ends the exception with the block', () => {
    expect(check('docs/a.md', '```text', words(101), '```', words(101))).toEqual([
      'docs/a.md:4: 101 columns; the limit is 100',
    ]);
  });

  it('takes bars inside of code for no table', () => {
    expect(check('docs/a.md', '```sh', `| ${words(121)} |`, '```')).toEqual([
      'docs/a.md:2: 125 columns; the limit is 100',
    ]);
  });

  it('may have a long address', () => {
    expect(check('docs/a.md', `See https://example.org/${'a'.repeat(100)}`)).toEqual([]);
  });

  it('of fixtures is left alone', () => {
    expect(check('test/fixtures/a.md', words(101))).toEqual([]);
  });
});

describe('comments', () => {
  it.each([
    ['a line', [`// ${words(98)}`], 1],
    ['the first line of a block', [`/** ${words(98)}`, ' */'], 1],
    ['a line within a block', ['/**', ` * ${words(98)}`, ' */'], 2],
    ['a line behind code', [`let a = 1; // ${words(90)}`], 1],
  ])('have at most 100 columns: %s', (_, lines, at) => {
    const found = check('test/base/a.ts', ...lines);
    expect(found).toEqual([
      expect.stringMatching(`^test/base/a.ts:${at}: a comment of 10[1-4] columns; the limit is 100$`),
    ]);
  });

  it('leave code alone', () => {
    const code = [`const a = '${'x'.repeat(100)}';`, `const b = 'x // ${'x'.repeat(100)}';`];
    expect(check('test/base/a.ts', ...code, '/* one */', words(101))).toEqual([]);
  });

  it('may have a long address', () => {
    expect(check('test/base/a.ts', `// https://example.org/${'a'.repeat(100)}`)).toEqual([]);
  });

  it('are checked in the folders that keep the rule', () => {
    expect(rules.narrowComments).not.toContain('other');
    expect(check('other/a.ts', `// ${words(98)}`)).toEqual([]);
    for (const folder of rules.narrowComments.filter((name) => !name.includes('.'))) {
      for (const type of ['ts', 'mjs', 'h', 'cpp', 'cu']) {
        expect(check(`${folder}/deeper/a.${type}`, `// ${words(98)}`), folder).toHaveLength(1);
      }
    }
  });
});
