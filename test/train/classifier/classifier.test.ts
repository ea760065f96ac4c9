/** The classifier stage, from labelled rows to a folder that classifies, on tiny models. */
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { isScoringModel } from '../../../src/checkpoint/gpt-folder.ts';
import { readMetrics } from '../../../src/report/metrics-log.ts';
import { decisionMetrics } from '../../../src/scoring/binary-metrics.ts';
import { Classifier, readClassifierInfo } from '../../../src/scoring/classifier.ts';
import { Tokenizer } from '../../../src/text/tokenizer.ts';
import { type ClassifierOptions, classifier } from '../../../src/train/classifier/run.ts';
import { writeChatModel } from '../../helpers/chat-model.ts';
import { temporaryFolder } from '../../helpers/cli.ts';
import { rng } from '../../helpers/reference.ts';
import { evaluated, jsonl, logged, tuning } from '../../helpers/stages.ts';

const CONTEXT = 64;
let folder: string;
let model: string;
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'athanor-classifier-'));
  model = join(folder, 'model');
  (await writeChatModel(model, { contextLength: CONTEXT })).dispose();
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** Texts of the class have the word zork somewhere. */
function rows(count: number, seed: number) {
  const words = 'name a colour blue red then be brief another one hello'.split(' ');
  const random = rng(seed);
  return Array.from({ length: count }, () => {
    const text = Array.from({ length: 3 + random.integer(6) }, () => words[random.integer(words.length)]!);
    const label = random.integer(2);
    if (label === 1) text.splice(random.integer(text.length + 1), 0, 'zork');
    return { text: text.join(' '), label };
  });
}

const settings = (others: Partial<ClassifierOptions> = {}): ClassifierOptions => ({
  ...tuning,
  ...{ data: jsonl(folder, 'rows.jsonl', rows(400, 1)), model, out: join(temporaryFolder(), 'run') },
  ...{ epochs: 6, batchSize: 16, validationSplit: 0.25, falsePositiveRate: 0.02, ...others },
});

describe('a run', () => {
  it('learns the class, and its folder says how well on rows that it never saw', async () => {
    const given = settings();
    const result = await classifier(given);
    expect(result.evaluation!.val_roc_auc).toBeGreaterThan(0.95);
    expect(evaluated(given.out, 'val_precision').at(-1)).toBeGreaterThan(0.8);
    expect(logged(given.out, 'accuracy').at(-1)).toBeGreaterThan(0.8);
    expect(isScoringModel(given.out)).toBe(true);
    const { reads, threshold, report } = readClassifierInfo(given.out);
    expect(reads).toBe('text');
    expect(result.metrics.threshold).toBe(threshold);
    const held = report.held_out as Record<string, number>;
    expect(held.recall).toBe(result.metrics.recall);
    expect(held.rows! + (report.calibration_rows as number)).toBeGreaterThan(60);

    const loaded = Classifier.load(given.out);
    const fresh = rows(300, 2);
    const probabilities = loaded.probabilities(fresh);
    loaded.dispose();
    const scored = fresh.map(({ label }, i) => ({ label: label === 1, probability: probabilities[i]! }));
    const metrics = decisionMetrics(scored, threshold);
    expect(metrics.recall).toBeGreaterThan(0.7);
    expect(metrics.falsePositiveRate).toBeLessThan(0.1);
  });

  it('has figures and metrics in its report', async () => {
    const given = settings({ steps: 2 });
    await classifier(given);
    const events = readMetrics(given.out).records.filter(({ event }) => event === 'figure');
    expect(events.map(({ title }) => title)).toEqual([
      'Probabilities of held-out rows',
      'Predicted and actual shares of the class',
    ]);
    expect(existsSync(join(given.out, 'report.html'))).toBe(true);
  });

  it('without held-out rows has the threshold 0.5', async () => {
    const given = settings({ steps: 1, validationSplit: 0 });
    const { metrics, evaluation } = await classifier(given);
    expect([metrics.threshold, evaluation]).toEqual([0.5, undefined]);
    expect(readClassifierInfo(given.out).report).toEqual({
      asked_false_positive_rate: 0.02,
      calibration_rows: 0,
    });
  });

  it('learns dialogues with the chat template, and adapters alone', async () => {
    const dialogues = rows(120, 3).map(({ text, label }) => ({
      messages: [
        { role: 'user', content: 'Hello!' },
        { role: 'assistant', content: text },
      ],
      label: label === 1 ? 'made' : [],
    }));
    const data = jsonl(folder, 'dialogues.jsonl', dialogues);
    const given = settings({ data, category: 'made', loraRank: 4, steps: 3 });
    await classifier(given);
    expect(readClassifierInfo(given.out)).toMatchObject({ reads: 'messages', category: 'made' });
    const loaded = Classifier.load(given.out);
    const [one] = loaded.probabilities([{ messages: dialogues[0]!.messages }]);
    expect(one).toBeGreaterThan(0);
    expect(one).toBeLessThan(1);
    loaded.dispose();
  });

  it('of 6 steps has the bits of one of 3 that was resumed', async () => {
    const [whole, parts] = [settings({ steps: 6, saveEvery: 3 }), settings({ steps: 6, saveEvery: 3 })];
    await classifier(whole);
    const stop = new AbortController();
    const onEvent = (event: { type: string; step?: number }) =>
      event.type === 'step' && event.step === 3 && stop.abort();
    expect((await classifier(parts, { signal: stop.signal, onEvent })).step).toBe(3);
    await classifier({ out: parts.out, resume: true });
    for (const file of ['model.safetensors', 'classifier.json']) {
      expect(readFileSync(join(parts.out, file)).equals(readFileSync(join(whole.out, file)))).toBe(true);
    }
  });
});

describe('rows', () => {
  it('of one class alone are refused', async () => {
    const data = jsonl(
      folder,
      'one.jsonl',
      rows(40, 1).map((row) => ({ ...row, label: 0 })),
    );
    await expect(classifier(settings({ data }))).rejects.toThrow(
      /rows of .*one\.jsonl to train on are outside of the class/,
    );
  });

  it('of both kinds are refused', async () => {
    const data = jsonl(folder, 'mixed.jsonl', [
      { text: 'a', label: 1 },
      { messages: [{ role: 'user', content: 'b' }], label: 0 },
    ]);
    await expect(classifier(settings({ data }))).rejects.toThrow(/1 rows with text and 1 with messages/);
  });
});

it('a text that is longer than the context is read whole: its likeliest part counts', async () => {
  const given = settings({ steps: 1 });
  await classifier(given);
  const loaded = Classifier.load(given.out);
  const tokenizer = Tokenizer.load(model);
  const text = Array.from({ length: 90 }, (_, i) => String(i)).join(' ');
  const tokens = [...tokenizer.encode(text)].join();
  const parts = loaded.parts({ text });
  expect(parts.every((part) => part.length <= CONTEXT && part.at(-1) === tokenizer.eosId)).toBe(true);
  // Each part stands in the text, and begins within the one before it.
  const spans = parts.map((part) => {
    const body = part.slice(0, -1).join();
    return [tokens.indexOf(body), tokens.indexOf(body) + body.length] as const;
  });
  expect([spans[0]![0], spans.at(-1)![1]]).toEqual([0, tokens.length]);
  spans.slice(1).forEach(([from], i) => {
    expect(from).toBeGreaterThan(spans[i]![0]);
    expect(from).toBeLessThan(spans[i]![1]);
  });
  const [whole] = loaded.probabilities([{ text }]);
  const alone = parts.map((part) => loaded.score([[part]])[0]!);
  expect(whole).toBe(Math.max(...alone));
  loaded.dispose();
});

it('a folder without classifier.json, or with a wrong one, is named', () => {
  expect(() => Classifier.load(model)).toThrow(/classifier\.json does not exist, so .* is no classifier/);
});
