/**
 * Gold labels: `data prepare` with a classifier among its filters, on the mail of SpamAssassin. The
 * classifier never saw the mail that is prepared. Its base is a tiny model of random weights.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { mix } from '../../../src/base/random.ts';
import { saveModel } from '../../../src/checkpoint/gpt-folder.ts';
import { filterDocument } from '../../../src/data/filters/filter-documents.ts';
import { type LabelledMail, labelledMail } from '../../../src/data/packaged/labelled-mail.ts';
import { rejectedExamples } from '../../../src/data/shards/filtering.ts';
import { prepareData } from '../../../src/data/shards/prepare.ts';
import { readStatistics } from '../../../src/data/shards/statistics.ts';
import { Gpt } from '../../../src/nn/gpt.ts';
import { presetConfig } from '../../../src/nn/presets.ts';
import { Classifier } from '../../../src/scoring/classifier.ts';
import { Tokenizer } from '../../../src/text/tokenizer.ts';
import { classifier } from '../../../src/train/classifier/run.ts';
import { tuning } from '../../helpers/stages.ts';
import { defaults } from '../corpus/corpora.ts';

const folder = mkdtempSync(join(tmpdir(), 'athanor-mail-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const trained = join(folder, 'spam');
let gold: LabelledMail[];

/** The beginning of a message: most are longer than the classifier's context. */
const beginning = (mail: LabelledMail): LabelledMail => ({ ...mail, text: mail.text.slice(0, 300) });

beforeAll(async () => {
  const texts = new Map((await labelledMail()).map(beginning).map((mail) => [mail.text, mail]));
  const all = [...texts.values()];
  const shuffled = all.map((mail, i) => ({ mail, key: mix(1, i) })).sort((a, b) => a.key - b.key);
  const [seen, unseen] = [shuffled.slice(0, 1500), shuffled.slice(1500, 2100)];
  gold = unseen.map(({ mail }) => mail);
  const rows = seen.map(({ mail: { text, isSpam } }) => JSON.stringify({ text, score: isSpam ? 5 : 1 }));
  const data = join(folder, 'rows.jsonl');
  writeFileSync(data, rows.join('\n'));
  const base = join(folder, 'base');
  const tokenizer = await Tokenizer.train(
    seen.map(({ mail }) => mail.text),
    { vocabSize: 2000, specialTokens: ['<|endoftext|>'] },
  );
  tokenizer.save(base);
  const shape = { vocabSize: tokenizer.vocabSize, contextLength: 96 };
  const model = new Gpt(presetConfig('tiny', shape), { seed: 1 });
  await saveModel(base, model, { tokenizer: base });
  model.dispose();
  const settings = { ...tuning, data, model: base, out: trained, minScore: 3, validationSplit: 0.2 };
  await classifier({ ...settings, epochs: 4, batchSize: 16, falsePositiveRate: 0.05 });
}, 120_000);

it('rejects spam and keeps other mail', async () => {
  const file = join(folder, 'mail.jsonl');
  writeFileSync(file, gold.map(({ id, text }) => JSON.stringify({ text, id })).join('\n'));
  const out = join(folder, 'shards');
  const filters = [`classifier:folder=${trained}:keep=others`];
  const report = await prepareData({ ...defaults, sources: [file], out, filters, dedup: 'none' });

  const rejected = await rejectedExamples(out, 'classifier.threshold', gold.length);
  const spam = new Set(gold.filter(({ isSpam }) => isSpam).map(({ text }) => text));
  const right = rejected.filter(({ text }) => spam.has(text)).length;
  const all = gold.filter(({ isSpam }) => isSpam).length;
  const [precision, recall] = [right / rejected.length, right / all];
  process.stderr.write(`PRECISION ${precision} RECALL ${recall} ${rejected.length} ${all}\n`);
  expect(precision).toBeGreaterThan(0.8);
  expect(recall).toBeGreaterThan(0.8);

  // The measure is that of the classifier, and it is recorded like those of other filters.
  const loaded = Classifier.load(trained);
  const { threshold } = loaded.info;
  const scores = loaded.probabilities(rejected);
  loaded.dispose();
  for (const [i, row] of rejected.entries()) {
    expect(row).toMatchObject({ rule: 'classifier.threshold', threshold, value: scores[i] });
    expect(row.value).toBeGreaterThanOrEqual(threshold);
  }
  expect(report.rejected).toEqual({ 'classifier.threshold': rejected.length });
  expect(report.funnel[0]).toMatchObject({ version: expect.stringMatching(/^sha256-/) });
  const [measures] = readStatistics(out)!.measures;
  const sum = (counts: readonly number[]) => counts.reduce((total, count) => total + count, 0);
  expect([sum(measures!.kept), sum(measures!.rejected)]).toEqual([
    gold.length - rejected.length,
    rejected.length,
  ]);
});

describe('the filter', () => {
  const text = (of: boolean) => gold.find(({ isSpam }) => isSpam === of)!.text;
  const document = (content: string) => ({ id: '', source: '', text: content });

  it('keeps texts of the class from a threshold on, or the others', async () => {
    const score = (content: string) => {
      const loaded = Classifier.load(trained);
      const [probability] = loaded.probabilities([{ text: content }]);
      loaded.dispose();
      return probability!;
    };
    const value = score(text(true));
    const of = (recipe: string) => filterDocument(document(text(true)), [recipe]);
    expect(await of(`classifier:${trained}:0`)).toHaveProperty('document');
    expect(await of(`classifier:${trained}:${value}`)).toHaveProperty('document');
    const rejection = { filter: 'classifier', rule: 'threshold', value, threshold: 1 };
    expect(await of(`classifier:${trained}:1`)).toMatchObject({ rejection });
    expect(await of(`classifier:${trained}:${value}:keep=others`)).toHaveProperty('rejection');
    expect(await of(`classifier:${trained}:1:keep=others`)).toHaveProperty('document');
  });

  it.each([
    ['classifier', /needs a folder/],
    [`classifier:${trained}:2`, /threshold of the filter classifier from 0 to 1 but got 2/],
    [`classifier:${trained}:0.5:keep=all`, /keep of the filter classifier to be class or others/],
    [`classifier:${trained}:0.5:floor=1`, /has no rule floor/],
  ])('%s is refused', async (recipe, message) => {
    const found = filterDocument(document('a'), [recipe]);
    await expect(found).rejects.toMatchObject({
      code: 'ERR_OPTION',
      message: expect.stringMatching(message),
    });
  });

  it('names a folder that is no classifier', async () => {
    const found = filterDocument(document('a'), [`classifier:${join(folder, 'base')}`]);
    await expect(found).rejects.toMatchObject({ code: 'ERR_FILE_MISSING' });
  });
});
