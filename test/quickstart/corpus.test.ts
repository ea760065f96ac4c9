/** The text of `npm start` goes through filters, near duplicates and decontamination. */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { readRecipe } from '../../src/data/shards/corpus-recipe.ts';
import { readManifest } from '../../src/data/shards/manifest.ts';
import { type PrepareReport, prepareData } from '../../src/data/shards/prepare.ts';
import { readStatistics } from '../../src/data/shards/statistics.ts';
import { factbookTask, writeFactbookTask } from '../../src/quickstart/factbook/task.ts';

const root = mkdtempSync(join(tmpdir(), 'athanor-start-corpus-'));
afterAll(() => rmSync(root, { recursive: true, force: true }));
const out = join(root, 'shards');
let documents: number;
let report: PrepareReport;

beforeAll(async () => {
  const task = await factbookTask({ seed: 1 });
  writeFactbookTask(join(root, 'task'), task);
  documents = task.corpus.length;
  const corpus = join(root, 'task/corpus.jsonl');
  report = await prepareData({
    ...(await readRecipe('gopher')),
    sources: [{ path: corpus, name: 'factbook' }],
    out,
    decontaminate: [join(root, 'task/held-out-facts.jsonl')],
    vocabSize: 512,
    validationSplit: 0.05,
    minChars: 1,
    onBadLine: 'skip',
    threads: 1,
  });
}, 120_000);

it('and every document is kept or dropped for a reason that is counted', () => {
  const dropped = Object.values(report.dropped).reduce((sum, count) => sum + count, 0);
  expect(report.documents + dropped).toBe(documents);
  expect(report.documents).toBeGreaterThan(0);
  expect(readStatistics(out)!.read.factbook!.documents).toBe(documents);
  const rejected = Object.values(report.rejected).reduce((sum, count) => sum + count, 0);
  expect(rejected).toBe(report.dropped.rejected ?? 0);
  for (const [i, { documents_in, documents_out, rejected: rules }] of report.funnel.entries()) {
    const all = Object.values(rules).reduce((sum, count) => sum + count, 0);
    expect(documents_in - documents_out).toBe(all);
    expect(documents_in).toBe(i === 0 ? documents : report.funnel[i - 1]!.documents_out);
  }
});

it('and what was dropped is on disk, by reason', () => {
  const rows = readFileSync(join(out, 'dropped.jsonl'), 'utf8').trim().split('\n');
  const counts: Record<string, number> = {};
  for (const row of rows) {
    const { reason } = JSON.parse(row) as { reason: string };
    counts[reason] = (counts[reason] ?? 0) + 1;
  }
  expect(counts).toEqual(report.dropped);
  expect(readManifest(out).dropped).toEqual(report.dropped);
});
