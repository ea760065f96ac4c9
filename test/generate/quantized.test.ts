/**
 * Decoding with int8 weights: only decoding changes, a request's bits depend on itself alone, and
 * the numbers are those of a model whose weights are the int8 levels times their scales.
 */
import { afterAll, describe, expect, it } from 'vitest';
import { Batch } from '../../src/generate/batch.ts';
import { generate } from '../../src/generate/generate.ts';
import type { Completion } from '../../src/generate/sequence.ts';
import { native } from '../../src/native/addon.ts';
import type { DType } from '../../src/native/binding.ts';
import type { ModelConfig } from '../../src/nn/config.ts';
import { Gpt } from '../../src/nn/gpt.ts';
import { attachLora } from '../../src/nn/lora.ts';
import { presetConfig } from '../../src/nn/presets.ts';
import { quantizeForDecoding } from '../../src/nn/quantized-weights.ts';
import { responseLogProbs } from '../../src/scoring/response-log-probs.ts';
import { noGrad } from '../../src/tensor/autograd.ts';
import { expectError, expectSameBits, randomIntegers, randomNormal } from '../helpers/reference.ts';

const prompts = [3, 17, 1, 40, 9, 25, 2].map((length) => randomIntegers(length, length, 256));
const options = { maxTokens: 12, temperature: 1, seed: 5 };

/** Wide enough that the weights decide. */
const make = (preset: string, dtype: DType, shape: Partial<ModelConfig> = {}) =>
  new Gpt(presetConfig(preset, { initializerRange: 0.1, ...shape }), { dtype, seed: 1 });

const sequencesOf = (completions: readonly Completion[]) =>
  completions.map(({ tokens }, prompt) => ({
    prompt,
    tokens: Int32Array.from([...prompts[prompt]!, ...tokens]),
    promptLength: prompts[prompt]!.length,
    finished: false,
  }));

const logProbsOf = (completions: readonly Completion[]) =>
  Float32Array.from(completions.flatMap(({ logProbs }) => [...logProbs]));

/** Rounds each row of projections and head to 127 levels of its largest number, in doubles. */
function roundToLevels(model: Gpt): void {
  const weights = model.blocks.flatMap(({ projections }) => projections.map(({ weight }) => weight));
  for (const weight of [...weights, model.headWeight]) {
    const [rows = 0, columns = 0] = weight.shape;
    const floats = weight.toFloats();
    for (let row = 0; row < rows; ++row) {
      const part = floats.subarray(row * columns, (row + 1) * columns);
      const scale = part.reduce((most, w) => Math.max(most, Math.abs(w)), 0) / 127;
      part.forEach((w, i) => {
        part[i] = Math.round(w / scale) * scale;
      });
    }
    noGrad(() => weight.writeFloats(floats));
  }
}

describe.each(['tiny', 'llama-tiny'])('%s', (preset) => {
  const models = { f32: make(preset, 'f32'), bf16: make(preset, 'bf16') };
  afterAll(() => {
    for (const model of Object.values(models)) model.dispose();
  });

  it.each(['f32', 'bf16'] as const)('a request has the same bits in every batch (%s)', async (dtype) => {
    using _ = quantizeForDecoding(models[dtype]);
    const alone = await generate(models[dtype], prompts, { ...options, batchSize: 1 });
    for (const batchSize of [2, 4, 7]) {
      expect(await generate(models[dtype], prompts, { ...options, batchSize })).toEqual(alone);
    }
    using batch = new Batch(models[dtype], { slots: 3, prefillTokens: 5, reusePrefixes: true });
    for (const [stream, prompt] of prompts.entries()) batch.add({ prompt, stream, ...options });
    const done: Completion[] = [];
    while (batch.size > 0)
      for (const { id, completion } of batch.step()) if (completion) done[id] = completion;
    expect(done).toEqual(alone);
  });

  it('many sequences that threads share out have the bits of one alone', async () => {
    const many = Array.from({ length: 70 }, (_, i) => prompts[i % prompts.length]!);
    using _ = quantizeForDecoding(models.bf16);
    const before = native.numThreads();
    try {
      native.setNumThreads(1);
      const alone = await generate(models.bf16, many, { ...options, maxTokens: 3, batchSize: 1 });
      native.setNumThreads(2);
      expect(await generate(models.bf16, many, { ...options, maxTokens: 3, batchSize: 70 })).toEqual(alone);
    } finally {
      native.setNumThreads(before);
    }
  });

  it('leaves losses and evaluations as they were, and decoding too once it is over', async () => {
    const model = models.bf16;
    const before = await generate(model, prompts, options);
    const quantized = quantizeForDecoding(model);
    const sequences = sequencesOf(before);
    expectSameBits(responseLogProbs(model, sequences, 1), logProbsOf(before));
    expect(await generate(model, prompts, options)).not.toEqual(before);
    quantized.dispose();
    expect(await generate(model, prompts, options)).toEqual(before);
  });
});

it('has the log-probabilities of a model of rounded weights', async () => {
  // Not tied: the table of embeddings stays as it is.
  const [model, rounded] = [1, 2].map(() => make('tiny', 'f32', { tiedHead: false })) as [Gpt, Gpt];
  roundToLevels(rounded);
  const quantized = quantizeForDecoding(model);
  const completions = await generate(model, prompts, options);
  const got = logProbsOf(completions);
  const distance = (other: Gpt) =>
    responseLogProbs(other, sequencesOf(completions), 1).reduce(
      (most, logProb, i) => Math.max(most, Math.abs(logProb - got[i]!)),
      0,
    );
  // What is left is the rounding of activations, to 256 times as many levels as weights have.
  const own = distance(model);
  expect(own).toBeGreaterThan(5e-3);
  expect(distance(rounded)).toBeLessThan(own / 20);
  const matrices = [...model.parameters()].filter(
    ([name, { shape }]) => shape.length === 2 && !/embedding/i.test(name),
  );
  const elements = matrices.reduce((sum, [, { size }]) => sum + size, 0);
  expect(quantized.bytes / elements).toBeGreaterThan(1);
  expect(quantized.bytes / elements).toBeLessThan(1.3);
  quantized.dispose();
  for (const made of [model, rounded]) made.dispose();
});

it('releases what the own weights have packed, and packs it again where it is needed', async () => {
  const model = make('tiny', 'bf16');
  using quantized = quantizeForDecoding(model);
  const before = native.memoryStats()[0];
  const completions = await generate(model, prompts, options);
  const sequences = sequencesOf(completions);
  expect(native.memoryStats()[0]).toBe(before);
  const exact = responseLogProbs(model, sequences, 1);
  const matrices = model.blocks.flatMap(({ projections }) => projections.map(({ weight }) => weight.size));
  const packed = 2 * matrices.reduce((sum, size) => sum + size, 0);
  expect(native.memoryStats()[0] - before).toBeGreaterThanOrEqual(packed);
  quantized.releasePacked();
  expect(native.memoryStats()[0]).toBe(before);
  expectSameBits(responseLogProbs(model, sequences, 1), exact);
  model.dispose();
});

it('adds adapters to the int8 weights', async () => {
  const model = make('tiny', 'f32');
  const adapters = attachLora(model, { rank: 2, alpha: 4, targets: ['all'], seed: 3 });
  using _ = quantizeForDecoding(model);
  const without = await generate(model, prompts, options);
  for (const [name, value] of adapters.parameters()) {
    if (name.endsWith('lora_b')) noGrad(() => value.writeFloats(randomNormal(value.size, value.size, 0.3)));
  }
  const adapted = await generate(model, prompts, options);
  expect(adapted).not.toEqual(without);
  const exact = responseLogProbs(model, sequencesOf(adapted), 1);
  const far = adapted
    .flatMap(({ logProbs }) => [...logProbs])
    .map((logProb, i) => Math.abs(logProb - exact[i]!));
  expect(Math.max(...far)).toBeLessThan(0.1);
  adapters.dispose();
  model.dispose();
});

it('refuses a model that is quantized already', () => {
  const model = make('tiny', 'f32');
  using _ = quantizeForDecoding(model);
  expectError('ERR_STATE', /decodes with int8 weights already/, () => quantizeForDecoding(model));
  model.dispose();
});
