/** NEFTune: how large the noise is, what it depends on, and that gradients do not see it. */
import { describe, expect, it } from 'vitest';
import { KvCache } from '../../src/generate/kv-cache.ts';
import type { DType } from '../../src/native/binding.ts';
import { addEmbeddingNoise, type EmbeddingNoise } from '../../src/nn/embedding-noise.ts';
import { Gpt } from '../../src/nn/gpt.ts';
import { presetConfig } from '../../src/nn/presets.ts';
import { noGrad } from '../../src/tensor/autograd.ts';
import { keep, scope, type Tensor, zeros } from '../../src/tensor/tensor.ts';
import { expectGradients } from '../helpers/gradient-check.ts';
import { expectError, expectSameBits } from '../helpers/reference.ts';
import { gradients, inputOf, ints, tokenBatch } from '../helpers/token-batch.ts';

const width = 64;

/** The noise alone, sequence by sequence. */
function noiseOf(lengths: number[], noise: EmbeddingNoise, dtype: DType = 'f32'): Float32Array[] {
  const starts = [0];
  for (const length of lengths) starts.push(starts.at(-1)! + length);
  return scope(() => {
    const x = zeros([starts.at(-1)!, width], dtype);
    addEmbeddingNoise(x, ints(starts), noise);
    const values = x.toFloats();
    return lengths.map((_, i) => values.slice(starts[i]! * width, starts[i + 1]! * width));
  });
}

describe('embedding noise', () => {
  const noise = { alpha: 5, seed: 7, stream: 3 };

  it('is uniform within alpha / sqrt(L d) of each sequence, L its own length', () => {
    const lengths = [100, 4, 400, 1];
    noiseOf(lengths, noise).forEach((values, i) => {
      const bound = 5 / Math.sqrt(lengths[i]! * width);
      const largest = values.reduce((max, v) => Math.max(max, Math.abs(v)), 0);
      expect(largest).toBeLessThanOrEqual(bound);
      // The largest of 64 values or more is below 0.9 of the bound once in a thousand.
      expect(largest).toBeGreaterThan(0.9 * bound);
      if (lengths[i]! < 100) return;
      const mean = values.reduce((sum, v) => sum + v, 0) / values.length;
      const variance = values.reduce((sum, v) => sum + v * v, 0) / values.length;
      // 6,400 values or more: standard errors of 0.7 % of the bound and 1.1 % of the variance.
      expect(Math.abs(mean)).toBeLessThan(0.03 * bound);
      expect(Math.abs(variance / (bound ** 2 / 3) - 1)).toBeLessThan(0.04);
    });
  });

  it('of a sequence depends on seed, stream and place, not on what it is packed with', () => {
    const [first, second] = noiseOf([9, 30], noise);
    expectSameBits(noiseOf([9], noise)[0]!, first!);
    expectSameBits(noiseOf([80, 30, 5], noise)[1]!, second!, 'other neighbours');
    // A longer sequence has the same numbers, smaller: the token's place is what draws them.
    const longer = noiseOf([36], noise)[0]!.slice(0, 9 * width);
    expect(longer.every((v, i) => Math.abs(2 * v - first![i]!) < 1e-6)).toBe(true);
    const others = [{ seed: 8 }, { stream: 4 }].map((more) => noiseOf([9], { ...noise, ...more })[0]!);
    const next = noiseOf([9, 9], { ...noise, stream: 2 })[1]!;
    for (const other of [...others, noiseOf([9, 9], noise)[1]!, next]) {
      const equal = other.filter((v, i) => v === first![i]).length;
      expect(equal).toBeLessThan(5);
    }
  });

  it('in bf16 is the same but for rounding', () => {
    const [wide, narrow] = (['f32', 'bf16'] as const).map((dtype) => noiseOf([9], noise, dtype)[0]!);
    expect(narrow!.every((v, i) => Math.abs(v - wide![i]!) <= Math.abs(wide![i]!) * 2 ** -8)).toBe(true);
  });

  it('refuses what it cannot draw', () => {
    const draw = (more: Partial<EmbeddingNoise>) => () => noiseOf([3], { ...noise, ...more });
    for (const alpha of [-1, Number.NaN]) expectError('ERR_ARGUMENT', /alpha/, draw({ alpha }));
    for (const stream of [-1, 0.5, 2 ** 32]) expectError('ERR_ARGUMENT', /stream/, draw({ stream }));
  });
});

describe.each(['tiny', 'llama-tiny'])('a model under embedding noise: %s', (preset) => {
  const config = presetConfig(preset, { vocabSize: 23, layers: 1 });
  const made = tokenBatch([6, 9], 23);
  const noisy = (alpha: number) => ({ ...inputOf(made), embeddingNoise: { alpha, seed: 7, stream: 3 } });

  it.each(['f32', 'bf16'] as const)('alpha 0 is none, to the bit; above it the loss moves (%s)', (dtype) => {
    const model = new Gpt(config, { dtype, seed: 2 });
    const forward = (input: Parameters<Gpt['forward']>[0]) =>
      noGrad(() => scope(() => model.forward(input).toFloats()));
    const plain = forward(inputOf(made));
    expectSameBits(forward(noisy(0)), plain);
    const first = forward(noisy(5));
    expect(first).not.toEqual(plain);
    expectSameBits(forward(noisy(5)), first, 'again');
  });

  it('has the gradients of the noisy loss', () => {
    const model = new Gpt({ ...config, initializerRange: 0.3 }, { seed: 2 });
    const [targets, index] = [keep(ints(made.targets)), noisy(5)];
    for (const t of [index.tokens, index.positions, index.cuSeqlens]) keep(t);
    const loss = () => model.loss(index, targets, { scale: 1 / made.n }).loss;
    const parameters: Record<string, Tensor> = Object.fromEntries(model.parameters());
    expectGradients(loss, parameters, { tolerance: 2e-2, samples: 4 });
  });

  it('recomputed activations see the same noise', () => {
    const [plain, recomputing] = [false, true].map((checkpointActivations) =>
      gradients(new Gpt(config, { seed: 2, checkpointActivations }), made, undefined, noisy(5)),
    );
    expect(recomputing!.loss).toBe(plain!.loss);
    for (const [name, grad] of plain!.grads) expectSameBits(recomputing!.grads.get(name)!, grad, name);
  });

  it('is refused while decoding', () => {
    const model = new Gpt(config, { seed: 2 });
    const cache = new KvCache(model, 1, 16);
    expectError('ERR_ARGUMENT', /not for decoding/, () =>
      noGrad(() => scope(() => model.forward(noisy(5), cache.view(ints([0]), ints([0]))))),
    );
    cache.dispose();
  });
});
