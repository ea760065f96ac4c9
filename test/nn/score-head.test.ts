/**
 * The head of reward and value models: its start, its bias in the file, and that nothing is random.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { packageRoot } from '../../src/base/package-root.ts';
import { loadScoringModel, saveScoringModel } from '../../src/checkpoint/gpt-folder.ts';
import { SafetensorsFile } from '../../src/checkpoint/safetensors.ts';
import { attachLora } from '../../src/nn/lora.ts';
import { presetConfig } from '../../src/nn/presets.ts';
import { ScoringModel } from '../../src/nn/scoring-model.ts';
import { backward } from '../../src/tensor/autograd.ts';
import { mean } from '../../src/tensor/ops/elementwise.ts';
import { scope } from '../../src/tensor/tensor.ts';
import { temporaryFolder } from '../helpers/cli.ts';
import { expectSameBits, maxError, randomNormal } from '../helpers/reference.ts';
import { inputOf, ints, type TokenBatch, tokenBatch } from '../helpers/token-batch.ts';

const values = (model: ScoringModel) =>
  new Map([...model.parameters()].map(([name, value]) => [name, value.toFloats()]));

/** Scores of a batch's last tokens, computed as in training: recorded, then gone back through. */
function trainingScores(model: ScoringModel, made: TokenBatch): Float32Array {
  const scores = scope(() => {
    const ends = made.starts.slice(1).map((end) => end - 1);
    const found = model.scores(inputOf(made), ints(ends));
    backward(mean(found));
    return found.toFloats();
  });
  model.zeroGrad();
  return scores;
}

describe('the start of a score head', () => {
  it.each([768, 4096])('R2: weights of N(0, 1 / (d + 1)), bias 0, at width %i', (hiddenSize) => {
    // Everything but the head is as small as can be.
    const config = presetConfig('llama-tiny', {
      vocabSize: 1,
      contextLength: 1,
      hiddenSize,
      layers: 1,
      heads: 1,
      kvHeads: 1,
      headDim: 2,
      intermediateSize: 1,
    });
    const wanted = 1 / Math.sqrt(hiddenSize + 1);
    let [sum, squares] = [0, 0];
    for (let seed = 0; seed < 64; seed++) {
      const model = new ScoringModel(config, { seed });
      const weight = model.score.weight.toFloats();
      expect(weight.length).toBe(hiddenSize);
      expect([...model.score.bias!.toFloats()]).toEqual([0]);
      for (const w of weight) {
        sum += w;
        squares += w * w;
      }
      model.dispose();
    }
    const count = 64 * hiddenSize;
    expect(Math.abs(Math.sqrt(squares / count) / wanted - 1)).toBeLessThan(0.03);
    // Five standard errors of the mean.
    expect(Math.abs(sum / count)).toBeLessThan((5 * wanted) / Math.sqrt(count));
  });
});

describe.each(['tiny', 'llama-tiny'])('a scoring model of %s', (preset) => {
  const config = presetConfig(preset, { vocabSize: 31 });
  const made = tokenBatch([9, 20, 5], 31);
  const stirred = (seed = 1) => {
    const model = new ScoringModel(config, { seed });
    model.score.bias!.write(Float32Array.of(-0.7310585975646973));
    return model;
  };

  it.each(['f32', 'bf16'] as const)(
    'R1: two training passes over a batch have the same bits (%s)',
    (dtype) => {
      const model = new ScoringModel(config, { dtype, seed: 4 });
      expectSameBits(trainingScores(model, made), trainingScores(model, made));
    },
  );

  it('R5: the bias survives save and load exactly', async () => {
    const model = stirred();
    const folder = temporaryFolder();
    await saveScoringModel(folder, model);
    const again = loadScoringModel(folder);
    expect(values(again)).toEqual(values(model));
    expect(again.score.bias!.item()).toBe(-0.7310585975646973);
    expectSameBits(trainingScores(again, made), trainingScores(model, made));
    // Once more, as a policy run does that starts from a reward model.
    const second = temporaryFolder();
    await saveScoringModel(second, again);
    expect(values(loadScoringModel(second))).toEqual(values(model));
  });

  it('R5: the bias survives with adapters merged into the trunk', async () => {
    const model = stirred();
    const adapters = attachLora(model, { rank: 2, alpha: 4, targets: ['all'], seed: 3 });
    for (const value of adapters.parameters().values())
      value.write(randomNormal(value.size, value.size, 0.1));
    const folder = temporaryFolder();
    await saveScoringModel(folder, model, { adapters });
    const again = loadScoringModel(folder);
    expect(again.score.bias!.item()).toBe(-0.7310585975646973);
    const live = trainingScores(model, made);
    expect(maxError(trainingScores(again, made), live)).toBeLessThan(1e-5);
    const base = adapters.without(() => model.scores(inputOf(made), ints([8, 28, 33])).toFloats());
    expect(maxError(base, live)).toBeGreaterThan(1e-2);
  });
});

describe.each(['gpt2', 'llama'])('a reward model that transformers wrote: %s', (architecture) => {
  const folder = join(packageRoot, 'test/fixtures/torch', `${architecture}-score`);
  using record = SafetensorsFile.open(join(folder, 'record.safetensors'));
  const tokens = record.read('tokens').data as Int32Array;
  const wanted = record.read('score').data as Float32Array;
  const made = { ...tokenBatch([tokens.length], 31), ids: tokens };

  it('R5: without a bias it loads with zero and scores the same', () => {
    using file = SafetensorsFile.open(join(folder, 'model.safetensors'));
    expect([...file.tensors.keys()]).toContain('score.weight');
    expect([...file.tensors.keys()]).not.toContain('score.bias');
    const model = loadScoringModel(folder, { seed: 9 });
    expect([...model.score.bias!.toFloats()]).toEqual([0]);
    expect(maxError(trainingScores(model, made), wanted)).toBeLessThan(1e-5);
  });

  it('R5: a bias given to it is in the folder that we write', async () => {
    const model = loadScoringModel(folder);
    model.score.bias!.write(Float32Array.of(1.25));
    const ours = temporaryFolder();
    await saveScoringModel(ours, model);
    const again = loadScoringModel(ours);
    expect(again.score.bias!.item()).toBe(1.25);
    expect(maxError(trainingScores(again, made), Float32Array.of(wanted[0]! + 1.25))).toBeLessThan(1e-5);
  });

  it('R1: the dropout of its config.json is not part of the model here', () => {
    const config = JSON.parse(readFileSync(join(folder, 'config.json'), 'utf8'));
    if (architecture === 'gpt2') expect(config.resid_pdrop).toBe(0.1);
    const model = loadScoringModel(folder);
    expectSameBits(trainingScores(model, made), trainingScores(model, made));
  });
});
