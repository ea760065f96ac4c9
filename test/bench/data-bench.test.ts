import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { packageRoot } from '../../src/base/package-root.ts';
import { benchTexts } from '../../src/bench/data-texts.ts';
import { timeFilters } from '../../src/bench/filter-bench.ts';
import { timePreparation } from '../../src/bench/prepare-bench.ts';
import { native } from '../../src/native/addon.ts';
import { athanor, lastLineJson, temporaryFolder } from '../helpers/cli.ts';

const paragraph = 'This is one sentence of the text. And that is the next one, with more words in it.\n';

it('cuts documents, and keeps what the filters keep', async () => {
  const file = join(temporaryFolder(), 'text.txt');
  writeFileSync(file, paragraph.repeat(40));
  // Documents end with a line; one of 2048 bytes is cut where it is full.
  const texts = await benchTexts([file], 1024, 2500);
  expect(texts).toEqual([996, 996, 996].map((length) => paragraph.repeat(40).slice(0, length)));
  const short = await benchTexts([file], 500, 1100);
  expect(short.map((text) => text.length)).toEqual([500, 496, 500]);
  const timing = await timeFilters(['length:min-words=100', 'pii'], [...texts, ...short], 1);
  expect(timing).toMatchObject({ recipe: 'length:min-words=100,pii', kept: 6 });
  expect(timing.shares.length! + timing.shares.pii!).toBeCloseTo(1, 9);
});

it('repeats documents until there are enough bytes', async () => {
  const file = join(temporaryFolder(), 'text.txt');
  writeFileSync(file, paragraph.repeat(20));
  const texts = await benchTexts([file], 1024, 4000);
  expect(texts.map((text) => text.length)).toEqual([996, 664, 996, 664, 996]);
});

it('times the whole way to shards with one thread and with all', async () => {
  const text = readFileSync(join(packageRoot, 'docs/lab-notes.md'), 'utf8');
  const prose = text.split('\n\n').filter((part) => /^[A-Z]/.test(part) && part.length > 300);
  const threads = native.numThreads();
  native.setNumThreads(2);
  const documents = Array.from({ length: 8 }, (_, i) =>
    prose
      .slice(i, i + 4)
      .join('\n\n')
      .replace(/(?<!\n)\n(?!\n)/g, ' '),
  );
  const timings = await timePreparation(documents).finally(() => native.setNumThreads(threads));
  expect(timings.map((timing) => timing.threads)).toEqual([1, 2]);
  for (const { mb_per_second, mb_per_cpu_second } of timings) {
    expect(Math.min(mb_per_second, mb_per_cpu_second)).toBeGreaterThan(0);
  }
});

it('prints the rate of each recipe and step', async () => {
  const file = join(temporaryFolder(), 'text.txt');
  writeFileSync(file, paragraph.repeat(40));
  const run = await athanor(
    'bench',
    'data',
    file,
    '--bytes',
    '3000',
    '--repeats',
    '1',
    '--threads',
    '2',
    '--json',
  );
  const { readers, filters, steps, documents, datatrove } = lastLineJson(run.stdout) as {
    readers: { files: string; documents: number; mb_per_second: number }[];
    filters: { recipe: string; mb_per_second: number; shares: Record<string, number> }[];
    steps: { step: string; threads: number; mb_per_second: number }[];
    documents: number;
    datatrove: null;
  };
  expect([documents, datatrove]).toEqual([1, null]);
  expect(readers).toMatchObject([{ files: '.txt', documents: 1 }]);
  expect(readers[0]!.mb_per_second).toBeGreaterThan(0);
  expect(filters.at(-1)).toMatchObject({ recipe: 'fineweb-pipeline' });
  for (const { mb_per_second, shares } of filters) {
    expect(mb_per_second).toBeGreaterThan(0);
    expect(Object.values(shares).reduce((a, b) => a + b)).toBeCloseTo(1, 9);
  }
  const names = ['minhash signatures', 'near duplicates', 'finding repeated runs', 'decontamination'];
  expect(steps.map(({ step, threads }) => `${step} ${threads}`)).toEqual([
    ...[...names, 'repeated lines'].map((name) => `${name} 1`),
    ...names.map((name) => `${name} 2`),
  ]);
  for (const { mb_per_second } of steps) expect(mb_per_second).toBeGreaterThan(0);
});
