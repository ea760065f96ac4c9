/** A model with bf16 matrices gives the same bits as one with the same numbers as f32 masters. */
import { describe, expect, it } from 'vitest';
import { generate } from '../../src/generate/generate.ts';
import type { DType } from '../../src/native/binding.ts';
import { Gpt } from '../../src/nn/gpt.ts';
import { attachLora } from '../../src/nn/lora.ts';
import { presetConfig } from '../../src/nn/presets.ts';
import { ScoringModel } from '../../src/nn/scoring-model.ts';
import { AdamW } from '../../src/optim/adamw.ts';
import { backward } from '../../src/tensor/autograd.ts';
import { scope } from '../../src/tensor/tensor.ts';
import { expectSameBits, randomNormal, roundBf16 } from '../helpers/reference.ts';
import { gradients, inputOf, ints, tokenBatch } from '../helpers/token-batch.ts';

const dtypesOf = (model: Gpt | ScoringModel) =>
  new Map([...model.parameters()].map(([name, { dtype }]) => [name, dtype]));

/** A model with bf16 weights, and one with its numbers in f32. */
function twins(preset: string, tiedHead: boolean, dtype: DType = 'bf16'): [Gpt, Gpt] {
  const config = presetConfig(preset, { tiedHead });
  const narrow = new Gpt(config, { dtype, seed: 1, weights: 'bf16' });
  const wide = new Gpt(config, { dtype, seed: 2 });
  const values = [...narrow.parameters()].map(
    ([name, p]) => [name, { shape: p.shape, data: p.toFloats() }] as const,
  );
  wide.load(new Map(values));
  return [narrow, wide];
}

describe.each([
  ['tiny', true],
  ['llama-tiny', false],
] as const)('%s with weights in bf16', (preset, tiedHead) => {
  const made = tokenBatch([5, 40, 19], presetConfig(preset).vocabSize);

  it('has bf16 matrices, rounded from what the seed gives in f32, and f32 vectors', () => {
    const [narrow] = twins(preset, tiedHead);
    const masters = new Gpt(narrow.config, { seed: 1 }).parameters();
    for (const [name, p] of narrow.parameters()) {
      expect(p.dtype, name).toBe(p.shape.length === 2 ? 'bf16' : 'f32');
      expectSameBits(p.toFloats(), masters.get(name)!.toFloats().map(roundBf16), name);
    }
  });

  it.each(['f32', 'bf16'] as DType[])(
    'has the losses, gradients and answers of its twin in %s',
    async (dtype) => {
      const [narrow, wide] = twins(preset, tiedHead, dtype);
      const [a, b] = [gradients(narrow, made), gradients(wide, made)];
      expect(a.loss).toBe(b.loss);
      for (const [name, grad] of a.grads) expectSameBits(grad, b.grads.get(name)!, name);
      const prompts = [made.ids.slice(0, 9), made.ids.slice(9, 12)];
      const [first, second] = await Promise.all(
        [narrow, wide].map((model) => generate(model, prompts, { maxTokens: 6, temperature: 1, seed: 4 })),
      );
      expect(first).toEqual(second);
    },
  );

  it('takes adapters, which stay f32, and merges them in f32', () => {
    const [narrow, wide] = twins(preset, tiedHead);
    const merged = [narrow, wide].map((model) => {
      const adapters = attachLora(model, { rank: 2, alpha: 4, targets: ['all'], seed: 5 });
      for (const [name, p] of adapters.parameters()) {
        expect(p.dtype).toBe('f32');
        if (name.endsWith('lora_b')) p.writeFloats(randomNormal(p.size, 6, 0.1));
      }
      return adapters.mergedParameters();
    });
    for (const [i, [name, { data }]] of merged[0]!.entries())
      expectSameBits(data(), merged[1]![i]![1].data(), name);
  });
});

it('a scoring model keeps its head in f32', () => {
  const dtypes = dtypesOf(new ScoringModel(presetConfig('tiny'), { dtype: 'bf16', weights: 'bf16' }));
  expect(dtypes.get('score.weight')).toBe('f32');
  expect(dtypes.get('token_embedding.weight')).toBe('bf16');
});

it('AdamW rounds the same way for the same seed, another for another, and not at all what has no gradient', () => {
  const made = tokenBatch([9, 30], 61);
  const trained = (seed: number) => {
    const model = new Gpt(presetConfig('tiny', { vocabSize: 61 }), {
      dtype: 'bf16',
      weights: 'bf16',
      seed: 1,
    });
    const optimizer = new AdamW(model.parameters(), { seed });
    scope(() => backward(model.loss(inputOf(made), ints(made.targets), { scale: 1 / made.n }).loss));
    const frozen = model.blocks[0]!.parameters().get('mlp.up.weight')!;
    frozen.grad!.dispose();
    frozen.grad = undefined;
    const before = frozen.read();
    optimizer.step(1e-3);
    expectSameBits(frozen.read(), before);
    return model.tokenEmbedding.weight.read();
  };
  const first = trained(3);
  expectSameBits(trained(3), first);
  expect(trained(4)).not.toEqual(first);
});
