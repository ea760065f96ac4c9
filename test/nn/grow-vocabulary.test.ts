import { describe, expect, it } from 'vitest';
import { Gpt } from '../../src/nn/gpt.ts';
import { growVocabulary } from '../../src/nn/grow-vocabulary.ts';
import { attachLora } from '../../src/nn/lora.ts';
import { presetConfig } from '../../src/nn/presets.ts';
import { noGrad } from '../../src/tensor/autograd.ts';
import { scope } from '../../src/tensor/tensor.ts';
import { expectError, expectSameBits, maxError } from '../helpers/reference.ts';
import { inputOf, tokenBatch } from '../helpers/token-batch.ts';

describe.each([
  ['tiny', true],
  ['tiny', false],
  ['llama-tiny', true],
  ['llama-tiny', false],
] as const)('a larger vocabulary: %s, tied %s', (preset, tiedHead) => {
  const config = presetConfig(preset, { vocabSize: 61, tiedHead });
  const [before, after] = [61, 66];
  const made = tokenBatch([7, 20], before);
  const logits = (model: Gpt) =>
    noGrad(() => scope(() => model.logits(model.forward(inputOf(made))).toFloats()));
  const columns = (values: Float32Array, vocab: number, from: number, to: number) =>
    Float32Array.from({ length: made.n * (to - from) }, (_, i) => {
      const row = Math.floor(i / (to - from));
      return values[row * vocab + from + (i % (to - from))]!;
    });

  it('keeps the old logits bit for bit, and the new tokens have the mean of them', () => {
    const model = new Gpt(config, { seed: 3 });
    const grown = growVocabulary(model, after);
    expect(grown.config).toEqual({ ...config, vocabSize: after });
    const [old, now] = [logits(model), logits(grown)];
    expectSameBits(columns(now, after, 0, before), old);
    const means = Float32Array.from({ length: made.n }, (_, row) => {
      const values = old.subarray(row * before, (row + 1) * before);
      return values.reduce((sum, v) => sum + v, 0) / before;
    });
    for (let token = before; token < after; token++) {
      expect(maxError(columns(now, after, token, token + 1), means)).toBeLessThan(1e-6);
    }
  });

  it('changes nothing else, leaves the model alone and may keep the size', () => {
    const model = new Gpt(config, { seed: 3, dtype: 'bf16', weights: 'bf16', checkpointActivations: true });
    const values = (of: Gpt) =>
      new Map([...of.parameters()].map(([name, value]) => [name, value.toFloats()]));
    const start = values(model);
    const grown = growVocabulary(model, after);
    expect([grown.dtype, grown.weights, grown.checkpointActivations]).toEqual(['bf16', 'bf16', true]);
    for (const [name, value] of values(grown)) {
      const old = start.get(name)!;
      expectSameBits(value.subarray(0, old.length), old, name);
      const grows = name === 'token_embedding.weight' || name === 'head.weight';
      expect(value.length - old.length, name).toBe(grows ? (after - before) * config.hiddenSize : 0);
    }
    const same = growVocabulary(model, before);
    grown.dispose();
    expect(values(model)).toEqual(start);
    expect(values(same)).toEqual(start);
  });

  it('refuses to shrink, and a model with adapters', () => {
    const model = new Gpt(config);
    for (const size of [60, 61.5, Number.NaN])
      expectError('ERR_ARGUMENT', /at least 61/, () => growVocabulary(model, size));
    attachLora(model, { rank: 2, alpha: 2, targets: ['qkv'], seed: 1 });
    expectError('ERR_STATE', /LoRA adapters/, () => growVocabulary(model, 70));
  });
});
