import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { preparedOptions } from '../../../src/cli/recipe-options.ts';
import { FilterChain } from '../../../src/data/filters/filter-documents.ts';
import { readRecipe } from '../../../src/data/shards/corpus-recipe.ts';
import { readManifest } from '../../../src/data/shards/manifest.ts';
import { packagedRecipeNames } from '../../../src/data/shards/packaged-recipes.ts';
import { prepareData } from '../../../src/data/shards/prepare.ts';
import { defaults } from '../corpus/corpora.ts';

const root = mkdtempSync(join(tmpdir(), 'athanor-recipe-'));
afterAll(() => rmSync(root, { recursive: true, force: true }));
let files = 0;

function write(text: string, name = `${++files}.yaml`): string {
  const file = join(root, name);
  writeFileSync(file, text);
  return file;
}

describe('a recipe', () => {
  it('has the options of prepareData, sources and filters with settings', async () => {
    const file = write(`
sources:
  - web/
  - {path: b.jsonl, name: books, text-key: body}
filters:
  - gopher-quality: {min-words: 20, max-words: off}
  - language: {languages: [en, de]}
  - c4:min-sentences=3
  - fineweb-pipeline
dedup: minhash
dedup-bands: 20
decontaminate: eval.jsonl
validation-split: 0.1
vocab-size: 5000
mix:
  - {until: 0.8, weights: {web/: 3, books: 1}}
  - weights: {books: 1}
`);
    expect(await readRecipe(file)).toEqual({
      sources: ['web/', { path: 'b.jsonl', name: 'books', textKey: 'body' }],
      filters: [
        { name: 'gopher-quality', rules: { 'min-words': 20, 'max-words': false } },
        { name: 'language', rules: { languages: 'en+de' } },
        { name: 'c4', rules: { 'min-sentences': 3 } },
        { name: 'language' },
        { name: 'gopher-repetition' },
        { name: 'gopher-quality' },
        { name: 'c4', rules: { 'terminal-punctuation': false } },
        { name: 'fineweb' },
      ],
      dedup: 'minhash',
      dedupBands: 20,
      decontaminate: ['eval.jsonl'],
      validationSplit: 0.1,
      vocabSize: 5000,
      mix: {
        schedule: [
          { until: 0.8, weights: { 'web/': 3, books: 1 } },
          { until: 1, weights: { books: 1 } },
        ],
      },
    });
  });

  const mistakes: [what: string, text: string, message: RegExp][] = [
    ['an unknown key', 'dedup: exact\ndedupe: minhash', /line 2: "dedupe": there is no such key/],
    ['a word of no choice', 'dedup: minihash', /"dedup": expected none or exact or .* but got "minihash"/],
    [
      'a number out of range',
      '\nvalidation-split: 0.9',
      /line 2: "validation-split": expected a number from 0/,
    ],
    ['a text for a number', 'vocab-size: many', /"vocab-size": expected a whole number .* but got "many"/],
    ['an unknown filter', 'filters: [c4, gopher]', /"filters\[1\]": there is no filter gopher/],
    [
      'an unknown filter with rules',
      'filters:\n  - c5: {a: 1}',
      /line 2: "filters\[0\].c5": there is no such/,
    ],
    [
      'an unknown rule',
      'filters:\n - c4\n - c4: {min-word: 3}',
      /line 3: "filters\[1\]": the filter c4 has no rule/,
    ],
    ['a rule of another kind', 'filters: [{c4: {min-line-words: x}}]', /expected the rule min-line-words/],
    ['a rule that is a map', 'filters: [{c4: {citations: {}}}]', /citations": expected a number, a text, on/],
    ['a source without a path', 'sources: [{name: web}]', /"sources\[0\]": "path" is missing/],
    [
      'an unknown option of a source',
      'sources: [{path: a, sep: b}]',
      /"sources\[0\].sep": there is no such key/,
    ],
    ['a weight below 0', 'mix: {web: -1}', /"mix": `mix` has "-1" for web/],
    ['weights and amounts', 'mix: {web: 1, b: 2epochs}', /"mix": `mix` has weights and amounts/],
    [
      'phases that do not end',
      'mix: [{until: 0.5, weights: {a: 1}}]',
      /"mix": the last phase does not end at 1/,
    ],
    [
      'phases out of order',
      'mix: [{until: 1, weights: {a: 1}}, {until: 1, weights: {a: 1}}]',
      /phase 2 ends/,
    ],
    ['broken YAML', 'filters: [c4', /line 1: /],
    ['a list', '- c4', /expected a map but got a list/],
  ];
  it.each(mistakes)('with %s is refused, with file, line and key', async (_, text, message) => {
    const file = write(text);
    await expect(readRecipe(file)).rejects.toMatchObject({
      code: 'ERR_CONFIG',
      message: expect.stringMatching(message),
    });
    await expect(readRecipe(file)).rejects.toThrow(file);
  });

  it('that is missing is named', async () => {
    await expect(readRecipe(join(root, 'none.yaml'))).rejects.toMatchObject({ code: 'ERR_FILE_MISSING' });
  });

  it.each(packagedRecipeNames)('is packaged as %s', async (name) => {
    const recipe = await readRecipe(name);
    const { funnel } = await FilterChain.create(recipe.filters!);
    expect(funnel.map(({ filter }) => filter)).toContain('language');
    expect(recipe.sources).toBeUndefined();
  });
});

describe('options on the command line', () => {
  const options = {
    ...defaults,
    threads: 1,
    out: 'out',
    recipe: undefined,
    filters: undefined,
    wordList: undefined,
    maskPii: false,
    mix: undefined,
    dedup: 'exact',
    minChars: 7,
  } as const;

  it('stand in the place of those of the recipe, and the recipe in the place of defaults', async () => {
    const recipe = write(
      'sources: [a]\nfilters: [c4]\ndedup: minhash\ndedup-bands: 9\nmin-chars: 3\nmix: {a: 1}',
    );
    const read = (given: readonly string[], more: object = {}, sources: readonly string[] = []) =>
      preparedOptions({ ...options, recipe, ...more }, new Set(given), sources);
    const all = await read([]);
    expect(all).toMatchObject({
      sources: ['a'],
      dedup: 'minhash',
      dedupBands: 9,
      minChars: 3,
      vocabSize: 600,
    });
    expect(all).toMatchObject({ filters: [{ name: 'c4' }], mix: { weights: { a: 1 } } });
    expect(await read(['minChars'], {}, ['b'])).toMatchObject({ sources: ['b'], minChars: 7, dedupBands: 9 });
    const exact = await read(['dedup']);
    expect(exact).toMatchObject({ dedup: 'exact' });
    expect(exact.dedupBands).toBeUndefined();
    expect((await read([], { filters: 'length', maskPii: true })).filters).toEqual(['length', 'pii']);
    expect((await read([], { maskPii: true })).filters).toEqual([{ name: 'c4' }, 'pii']);
    expect((await read([], { mix: 'a=2epochs' })).mix).toEqual({ amounts: { a: { epochs: 2 } } });
    const own = write('tokenizer: somewhere');
    const sized = await preparedOptions({ ...options, recipe: own }, new Set(['vocabSize']), ['a']);
    expect(sized.tokenizer).toBeUndefined();
  });

  it('must name a source if the recipe does not', async () => {
    const recipe = write('filters: [c4]');
    await expect(preparedOptions({ ...options, recipe }, new Set(), [])).rejects.toMatchObject({
      code: 'ERR_OPTION',
      message: expect.stringMatching(/no source is given, and .* has none/),
    });
  });
});

it('prepareData writes the effective recipe, which makes the same folder again', async () => {
  const lines = (from: number) =>
    Array.from({ length: 40 }, (_, i) =>
      JSON.stringify({ body: `Text ${from + i} is here, and it is short.` }),
    );
  const a = write(lines(0).join('\n'), 'a.jsonl');
  const b = write(lines(100).join('\n').replaceAll('body', 'text'), 'b.jsonl');
  const sources = [{ path: a, name: 'web', textKey: 'body' }, b];
  const first = join(root, 'first');
  const filters = ['length:min-words=4', { name: 'pii', rules: { phone: false } }] as const;
  const options = { ...defaults, sources, filters, dedup: 'exact-line', vocabSize: 300 } as const;
  const report = await prepareData({ ...options, out: first, mix: { weights: { web: 2, [b]: 1 } } });
  expect(report.sources).toMatchObject({ web: { documents: 40 }, [b]: { documents: 40 } });
  const recipe = await readRecipe(join(first, 'recipe.yaml'));
  const second = join(root, 'second');
  await prepareData({ ...defaults, vocabSize: 999, sources: [], ...recipe, out: second });
  const shards = (folder: string) => readManifest(folder).splits;
  expect(shards(second)).toEqual(shards(first));
  expect(readManifest(second).mix).toEqual({ weights: { web: 2, [b]: 1 } });
  const text = (folder: string) => readFileSync(join(folder, 'recipe.yaml'), 'utf8');
  expect(text(second)).toBe(text(first));
});

it('a mix of an unknown source is refused before anything is read', async () => {
  const file = write('one\n', 'one.txt');
  const mix = { weights: { onee: 1 } };
  const options = { ...defaults, sources: [{ path: file, name: 'one' }], out: join(root, 'no'), mix };
  await expect(prepareData(options)).rejects.toMatchObject({
    code: 'ERR_OPTION',
    remedy: 'did you mean one?',
  });
});
