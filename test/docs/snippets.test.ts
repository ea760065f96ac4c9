/**
 * Every ```ts block of the documentation compiles against the package. Those marked `ts
 * run` also run.
 */
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { packageRoot } from '../../src/base/package-root.ts';
import { runNode, temporaryFolder } from '../helpers/cli.ts';
import { compilePrograms } from '../helpers/programs.ts';

interface Snippet {
  /** Name of its file, from the page and the line where it begins. */
  name: string;
  code: string;
  runs: boolean;
}

function snippetsOf(page: string, text: string): Snippet[] {
  return [...text.matchAll(/^```ts( run)?\n([\s\S]*?)^```$/gm)].map((match) => {
    const line = text.slice(0, match.index).split('\n').length;
    const name = `${page.replace(/\.md$/, '').replaceAll('/', '-')}-line-${line}`;
    return { name, code: match[2]!, runs: match[1] !== undefined };
  });
}

const pages = [
  'README.md',
  'CONTRIBUTING.md',
  ...readdirSync(join(packageRoot, 'docs'), { recursive: true })
    .map((name) => `docs/${name}`)
    .filter((name) => name.endsWith('.md'))
    .sort(),
];
const snippets = pages.flatMap((page) => snippetsOf(page, readFileSync(join(packageRoot, page), 'utf8')));

/** What the compiler says of snippets, and where their JavaScript is. */
async function compile(list: readonly Snippet[], name: string): Promise<{ problems: string; out: string }> {
  const out = join(packageRoot, 'build', name);
  const source = join(out, 'source');
  rmSync(out, { recursive: true, force: true });
  mkdirSync(source, { recursive: true });
  // A snippet without imports is a module all the same.
  for (const { name: file, code } of list) writeFileSync(join(source, `${file}.ts`), `${code}\nexport {};\n`);
  return { problems: await compilePrograms(source, out), out };
}

describe('the snippets of the documentation', () => {
  let out = '';
  let problems = '';

  beforeAll(async () => {
    ({ out, problems } = await compile(snippets, 'test-snippets'));
  });

  it('are there', () => {
    expect(snippets.length).toBeGreaterThan(5);
    expect(snippets.filter(({ runs }) => runs).length).toBeGreaterThan(2);
  });

  it('compile against the package', () => {
    expect(problems).toBe('');
  });

  it.each(snippets.filter(({ runs }) => runs))('$name runs', async ({ name }) => {
    const cwd = temporaryFolder();
    const { code, stderr } = await runNode([join(out, `${name}.js`)], { cwd });
    expect(stderr).toBe('');
    expect(code).toBe(0);
  });
});

it('a wrong snippet is found', async () => {
  const planted = [
    "import { pretrain } from 'athanor';\nawait pretrain({ data: 'x', out: 'y', stepz: 3 });",
    "import { pretrian } from 'athanor';",
  ];
  const list = planted.map((code, i) => ({ name: `planted-${i}`, code, runs: false }));
  const { problems } = await compile(list, 'test-planted-snippets');
  expect(problems).toMatch(/planted-0\.ts.*'?stepz'? does not exist/);
  expect(problems).toMatch(/planted-1\.ts.*pretrian/);
});
