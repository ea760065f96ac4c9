/** The page of a corpus, from the files of its folder. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { measureLine } from '../../src/cli/data.ts';
import { prepareData } from '../../src/data/shards/prepare.ts';
import { readStatistics } from '../../src/data/shards/statistics.ts';
import { writeCorpusReport } from '../../src/report/corpus-report.ts';
import { readFigure } from '../../src/report/figures.ts';
import { drawn } from '../../src/report/sections/figures.ts';

const root = mkdtempSync(join(tmpdir(), 'athanor-corpus-report-'));
afterAll(() => rmSync(root, { recursive: true, force: true }));
const out = join(root, 'shards');
let page: string;

const word = (i: number) => [...String(i)].map((digit) => 'abcdefghij'[Number(digit)]).join('');
const words = (from: number) => Array.from({ length: 60 }, (_, i) => word(from + i)).join(' ');

beforeAll(async () => {
  const texts = [
    ...Array.from({ length: 20 }, (_, i) => words(1000 * (i + 1))),
    ...Array.from({ length: 3 }, (_, i) => `${words(1000)} ${word(i)}`),
    '<script>alert(1)</script>',
    'too short',
  ];
  const file = join(root, 'web.jsonl');
  writeFileSync(file, texts.map((text) => `${JSON.stringify({ text })}\n`).join(''));
  await prepareData({
    sources: [{ path: file, name: 'web <b>' }],
    out,
    filters: ['length:min-words=10'],
    dedup: 'minhash',
    vocabSize: 300,
    validationSplit: 0.1,
    minChars: 1,
    onBadLine: 'skip',
    mix: { weights: { 'web <b>': 1 } },
  });
  await writeCorpusReport(out);
  page = readFileSync(join(out, 'report.html'), 'utf8');
});

/** The texts between tags, with one space between two. */
const textOf = (html: string) =>
  html
    .replace(/<script[\s\S]*?<\/script>/g, '')
    .replace(/<[^>]*>/g, ' ')
    .replace(/\s+/g, ' ');

describe('the page of a corpus', () => {
  it('says what is left after each step', () => {
    const text = textOf(page);
    expect(text).toContain('read: 25 100.0 %');
    expect(text).toContain('after length: 23 92.0 %');
    expect(text).toContain('without near duplicates: 20 80.0 %');
    expect(text).toMatch(/kept: 20 80.0 %/);
  });

  it('has sources, rules and clusters', () => {
    const text = textOf(page);
    expect(text).toMatch(/web &lt;b&gt; 25 20 80.0 %/);
    expect(text).toContain('web &lt;b&gt;=1');
    expect(text).toMatch(/length.min-words 2 8.0 %/);
    // Four nearly equal documents.
    expect(text).toMatch(/documents of a cluster clusters documents dropped 4 1 3/);
  });

  it('draws each measure with its threshold', () => {
    expect(page).toContain('length.min-words. kept: 23; rejected: 2; threshold 10');
    const figure = page.slice(page.indexOf('<figcaption>length.min-words'));
    expect(figure.slice(0, figure.indexOf('</figure>'))).toContain('stroke-dasharray="4 3"');
  });

  it('shows rejected documents as text, and is the same for the same folder', async () => {
    expect(page).toContain('&lt;script&gt;alert(1)&lt;/script&gt;');
    expect(page).not.toContain('<script>alert(1)');
    await writeCorpusReport(out);
    expect(readFileSync(join(out, 'report.html'), 'utf8')).toBe(page);
  });

  it('is made without statistics, as in folders of earlier versions', async () => {
    rmSync(join(out, 'statistics.json'));
    expect(readStatistics(out)).toBeUndefined();
    await writeCorpusReport(out);
    expect(textOf(readFileSync(join(out, 'report.html'), 'utf8'))).toContain('kept: 20');
  });

  it('names damaged statistics', () => {
    writeFileSync(join(out, 'statistics.json'), '{"read": {}, "measures": [{"rule": 3}]}');
    expect(() => readStatistics(out)).toThrow(expect.objectContaining({ code: 'ERR_FILE_DAMAGED' }));
  });
});

describe('a histogram that was counted before', () => {
  const figure = {
    kind: 'binned',
    title: 'Words',
    edges: [0, 1, 2, 3, 4],
    series: [
      { label: 'kept', counts: [0, 0, 4, 0] },
      { label: 'rejected', counts: [0, 2, 0, 0] },
    ],
    threshold: 2,
  } as const;

  it('shows the bins that have any, and the limit', () => {
    const { text } = drawn(figure);
    expect(text).toContain('kept (4)');
    expect(text).toContain('Words. kept: 4; rejected: 2; threshold 2');
    const [, limit] = /x1="([\d.]+)" x2="\1" y1="[\d.]+" y2="[\d.]+" stroke="var\(--ink\)"/.exec(text)!;
    // Bins 1 to 3 are shown, so the limit is in the middle of the plane of 64 to 530.
    expect(Number(limit)).toBe(297);
  });

  it('is read from a log only if it can be drawn', () => {
    expect(readFigure(JSON.parse(JSON.stringify(figure)))).toEqual(figure);
    for (const damage of [
      { edges: [0, 1] },
      { edges: [0, 1, 1, 3, 4] },
      { series: [{ label: 'kept', counts: [1] }] },
      { threshold: 'x' },
      { edges: 'x' },
    ]) {
      expect(readFigure({ ...figure, ...damage })).toBeUndefined();
    }
  });
});

it('a measure is a line, with a bar at the threshold', () => {
  const counts = { rule: 'a.min', threshold: 1, scale: 'linear' } as const;
  const bins = (at: number, count: number) => Array.from({ length: 60 }, (_, i) => (i === at ? count : 0));
  const line = measureLine({ ...counts, kept: bins(12, 8), rejected: bins(7, 1) });
  expect(line).toMatch(/a\.min +threshold 1, kept 8, rejected 1 {2}▁ {2}\| {2}█$/);
});
