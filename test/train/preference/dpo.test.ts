/**
 * Direct preference optimisation, from comparisons to a model that prefers the better answers,
 * on tiny models.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { mean } from '../../../src/base/statistics.ts';
import { loadModel } from '../../../src/checkpoint/gpt-folder.ts';
import { preferenceData } from '../../../src/scoring/encoded-comparisons.ts';
import { responseLogProbs } from '../../../src/scoring/response-log-probs.ts';
import type { ResponseSequence } from '../../../src/scoring/sequences.ts';
import { ChatTemplate } from '../../../src/text/chat-template.ts';
import { Tokenizer } from '../../../src/text/tokenizer.ts';
import type { DpoSettings } from '../../../src/train/preference/settings.ts';
import { writeChatModel } from '../../helpers/chat-model.ts';
import { temporaryFolder } from '../../helpers/cli.ts';
import { dpoDefaults, jsonl, logged, runDpo } from '../../helpers/stages.ts';

const CONTEXT = 64;
let folder: string;
let model: string;
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'athanor-dpo-'));
  model = join(folder, 'model');
  (await writeChatModel(model, { contextLength: CONTEXT })).dispose();
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const pairs = (count: number) =>
  Array.from({ length: count }, (_, i) => ({
    prompt: `Name a colour. ${i}`,
    chosen: i % 2 ? 'Blue.' : 'Red, then.',
    rejected: i % 3 ? 'Hello!' : 'Be brief. Another one?',
  }));

async function run(settings: Partial<DpoSettings> = {}, rows: readonly object[] = pairs(24)) {
  const out = join(temporaryFolder(), 'run');
  const data = jsonl(temporaryFolder(), 'pairs.jsonl', rows);
  const report = await runDpo({ ...dpoDefaults, data, model, out, steps: 4, ...settings });
  return { out, report };
}

const softplus = (x: number) => Math.max(x, 0) + Math.log1p(Math.exp(-Math.abs(x)));

describe('before the first update the model is its reference', () => {
  // h = 0: -log sigmoid(0); (0 - 1 / (2 beta))^2; max(0, 1 - 0).
  it.each([
    ['sigmoid', Math.LN2],
    ['ipo', 25],
    ['hinge', 1],
  ] as const)('so the %s loss is %f and nothing leads', async (loss, expected) => {
    for (const loraRank of [0, 4]) {
      const { out } = await run({ loss, loraRank });
      expect(logged(out, 'loss')[0]).toBeCloseTo(expected, 5);
      // Exactly: the reference's log-probabilities are the bits of the policy's.
      expect(logged(out, 'margin')[0]).toBe(0);
      expect(logged(out, 'accuracy')[0]).toBe(0);
      expect(logged(out, 'loss')[3]).toBeLessThan(expected);
    }
  });

  it('in bf16 too', async () => {
    const { out } = await run({ dtype: 'bf16' });
    expect(logged(out, 'margin')[0]).toBe(0);
  });
});

it('what is held out is judged by log-probabilities under the model that is left, less those of the start', async () => {
  const { out, report } = await run({ validationSplit: 0.3, beta: 0.3, labelSmoothing: 0.1, steps: 8 });
  const data = jsonl(temporaryFolder(), 'pairs.jsonl', pairs(24));
  const settings = { data, seed: dpoDefaults.seed, validationSplit: 0.3, onBadLine: 'fail' } as const;
  const { validation } = await preferenceData(settings, ChatTemplate.of(Tokenizer.load(model)), CONTEXT);
  expect(validation.length).toBeGreaterThan(3);
  const sumOf = (from: string, answer: ResponseSequence) => {
    const gpt = loadModel(from);
    const sum = responseLogProbs(gpt, [answer], 1).reduce((a, b) => a + b, 0);
    gpt.dispose();
    return sum;
  };
  const leads = validation.map(({ answers: [chosen, rejected] }) => {
    const lead = (answer: ResponseSequence) => sumOf(out, answer) - sumOf(model, answer);
    return 0.3 * (lead(chosen!) - lead(rejected!));
  });
  expect(report.val_margin).toBeCloseTo(mean(leads), 3);
  expect(report.val_accuracy).toBe(leads.filter((lead) => lead > 0).length / leads.length);
  const losses = leads.map((lead) => 0.9 * softplus(-lead) + 0.1 * softplus(lead));
  expect(report.val_loss).toBeCloseTo(mean(losses), 4);
});

it('it learns to prefer what was chosen on prompts that it has not seen, with adapters as well', async () => {
  for (const lora of [{}, { loraRank: 4, lr: 2e-2 }]) {
    const { report } = await run({ validationSplit: 0.25, steps: 40, ...lora }, pairs(60));
    expect(report.val_accuracy).toBe(1);
    expect(report.val_margin).toBeGreaterThan(0.3);
    expect(report.val_loss).toBeLessThan(0.6);
  }
});

it('a ranking is all its pairs, and an update of many batches is one of them all', async () => {
  const ranking = { prompt: 'Name a colour.', completions: ['Blue.', 'Red, then.', 'Hello!', 'Be brief.'] };
  const whole = await run({ batchSize: 6, steps: 2 }, [ranking]);
  const parts = await run({ batchSize: 1, gradAccum: 6, steps: 2 }, [ranking]);
  expect(logged(whole.out, 'tokens')).toEqual(logged(parts.out, 'tokens'));
  for (const field of ['loss', 'grad_norm']) {
    logged(whole.out, field).forEach((value, step) => {
      expect(Math.abs(value / logged(parts.out, field)[step]! - 1)).toBeLessThan(1e-4);
    });
  }
});

it('comparisons beyond the context, and none at all, are told', async () => {
  const long = { prompt: 'Name a colour.', chosen: 'Blue. '.repeat(50), rejected: 'Hello!' };
  await expect(run({}, [long])).rejects.toThrow(/has no comparison of at most 64 tokens to train on/);
  await expect(run({}, [{ prompt: 'x', chosen: 'Blue.', rejected: 'Blue.' }])).rejects.toThrow(
    /has no row that can be used: left out 1 row \(tie 1\)/,
  );
});
