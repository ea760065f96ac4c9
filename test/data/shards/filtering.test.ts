import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { packageRoot } from '../../../src/base/package-root.ts';
import { filterDocument } from '../../../src/data/filters/filter-documents.ts';
import { rejectedExamples, rejectingRules } from '../../../src/data/shards/filtering.ts';
import { prepareData } from '../../../src/data/shards/prepare.ts';
import { TokenDataset } from '../../../src/data/shards/token-dataset.ts';
import { temporaryFolder } from '../../helpers/cli.ts';
import { defaults } from '../corpus/corpora.ts';

const prose = readFileSync(join(packageRoot, 'docs/lab-notes.md'), 'utf8')
  .split('\n\n')
  .map((paragraph) => paragraph.replaceAll('\n', ' '));

/** A corpus of `count` documents, some of them unwanted. */
function corpus(folder: string) {
  const texts = [
    ...prose,
    'short one',
    'short two',
    `${'again and again '.repeat(30)}`,
    'If you find any mistake in these pages, write to a.b@c.example or to 8.8.8.8, whatever its size may be, and somebody will read it.',
    'a { b } c'.repeat(20),
  ];
  const file = join(folder, 'corpus.jsonl');
  writeFileSync(file, texts.map((text) => `${JSON.stringify({ text })}\n`).join(''));
  return { file, texts };
}

const recipe = [
  'length:min-words=5',
  'gopher-repetition',
  'c4:terminal-punctuation=off:min-sentences=1',
  'pii',
];

it('keeps what the filters keep, in both passes, and files the rest by rule', async () => {
  const folder = temporaryFolder();
  const { file, texts } = corpus(folder);
  const out = join(folder, 'shards');
  const report = await prepareData({
    ...defaults,
    sources: [file],
    out,
    filters: recipe,
    validationSplit: 0,
  });

  const expected: Record<string, string[]> = {};
  const kept: string[] = [];
  for (const text of texts) {
    const result = await filterDocument({ id: '', source: '', text }, recipe);
    if ('document' in result) {
      if (result.document.text.trim() !== '') kept.push(result.document.text);
      continue;
    }
    const { filter, rule } = result.rejection;
    expected[`${filter}.${rule}`] = [...(expected[`${filter}.${rule}`] ?? []), text];
  }
  expect(Object.keys(expected).length).toBeGreaterThan(2);
  const counts = Object.fromEntries(Object.entries(expected).map(([rule, list]) => [rule, list.length]));
  expect(report.rejected).toEqual(counts);
  expect(report.dropped.rejected).toBe(Object.values(counts).reduce((a, b) => a + b, 0));
  expect(rejectingRules(out)).toEqual(Object.keys(counts).sort());
  for (const [rule, list] of Object.entries(expected)) {
    const rows = await rejectedExamples(out, rule, 1e9);
    expect(rows.map(({ text }) => text)).toEqual(list);
    for (const row of rows) {
      expect(row).toMatchObject({ rule, source: file, id: expect.stringMatching(/corpus\.jsonl:\d+$/) });
      expect(typeof row.value + typeof row.threshold).toBe('numbernumber');
    }
  }
  expect(await rejectedExamples(out, 'length.min-words', 1)).toHaveLength(1);

  const dataset = TokenDataset.open(out, { verify: true });
  const tokenizer = dataset.tokenizer();
  const documents = [...dataset.documents('train')].map(({ start, end }) =>
    tokenizer.decode(dataset.read('train', start + 1, end - start - 1)),
  );
  dataset.close();
  expect([...documents].sort()).toEqual([...new Set(kept)].sort());
  expect(documents.some((text) => text.includes('email@example.com or to 22.214.171.124'))).toBe(true);

  expect(report.funnel.map(({ filter }) => filter)).toEqual(['length', 'gopher-repetition', 'c4', 'pii']);
  for (const [i, step] of report.funnel.entries()) {
    const next = report.funnel[i + 1];
    if (next) expect([next.documents_in, next.bytes_in]).toEqual([step.documents_out, step.bytes_out]);
  }
  expect(report.funnel[0]).toMatchObject({ documents_in: texts.length, rules: { 'min-words': 5 } });
  expect(dataset.manifest.funnel).toEqual(report.funnel);
});

it('leaves no trace of filters without them', async () => {
  const folder = temporaryFolder();
  const { file } = corpus(folder);
  const out = join(folder, 'shards');
  const report = await prepareData({ ...defaults, sources: [file], out });
  expect(report).toMatchObject({ rejected: {}, funnel: [] });
  expect(readdirSync(out)).not.toContain('rejected');
  await expect(rejectedExamples(out, 'c4.policy', 3)).rejects.toMatchObject({ code: 'ERR_OPTION' });
});

it('refuses an unknown filter before it makes a folder', async () => {
  const folder = temporaryFolder();
  const { file } = corpus(folder);
  const out = join(folder, 'shards');
  const run = prepareData({ ...defaults, sources: [file], out, filters: ['c5'] });
  await expect(run).rejects.toMatchObject({ code: 'ERR_OPTION' });
  expect(existsSync(out)).toBe(false);
});

it('says so when the filters reject everything', async () => {
  const folder = temporaryFolder();
  const { file } = corpus(folder);
  const run = prepareData({
    ...defaults,
    sources: [file],
    out: join(folder, 'shards'),
    filters: ['length:min-words=100000'],
  });
  await expect(run).rejects.toMatchObject({
    code: 'ERR_ARGUMENT',
    message: expect.stringContaining('length.min-words'),
  });
});
