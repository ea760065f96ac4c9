/** What int8 weights cost, against the definitions in doubles. */
import { afterAll, expect, it } from 'vitest';
import { quantizationCost } from '../../src/eval/quantization-cost.ts';
import { generate } from '../../src/generate/generate.ts';
import { Gpt } from '../../src/nn/gpt.ts';
import { presetConfig } from '../../src/nn/presets.ts';
import { quantizeForDecoding } from '../../src/nn/quantized-weights.ts';
import type { Weight } from '../../src/tensor/frozen-weight.ts';
import type { Tensor } from '../../src/tensor/tensor.ts';
import { chatTokenizer } from '../helpers/chat-model.ts';

const tokenizer = await chatTokenizer();
const model = new Gpt(presetConfig('tiny', { vocabSize: tokenizer.vocabSize, initializerRange: 0.1 }), {
  dtype: 'bf16',
  seed: 2,
});
afterAll(() => model.dispose());

/** The texts of the measurement: 8 of at most 64 tokens from the start of a document. */
async function texts() {
  const start = Int32Array.of(tokenizer.eosId!);
  return generate(model, new Array<Int32Array>(8).fill(start), {
    ...{ maxTokens: 63, seed: 1, batchSize: 3 },
    suppressTokens: tokenizer.unusedIds(tokenizer.vocabSize),
  });
}

it('bits per byte are those of the log-probabilities that sampling reports', async () => {
  const cost = await quantizationCost(model, tokenizer);
  const drawn = await texts();
  const nats = drawn.flatMap(({ logProbs }) => [...logProbs]).reduce((sum, logProb) => sum - logProb, 0);
  const bytes = drawn.reduce((sum, { tokens }) => sum + tokenizer.decodeBytes(tokens).length, 0);
  expect(cost.tokens).toBe(drawn.reduce((sum, { tokens }) => sum + tokens.length, 0));
  expect(cost.bitsPerByte).toBeCloseTo(nats / Math.LN2 / bytes, 5);
  expect(cost.quantizedBitsPerByte).not.toBe(cost.bitsPerByte);
  expect(cost.quantizedBitsPerByte).toBeCloseTo(cost.bitsPerByte, 2);
});

it('the divergence is above 0 and small, the same in each call, and leaves the model as it was', async () => {
  const cost = await quantizationCost(model, tokenizer);
  expect(cost.klDivergence).toBeGreaterThan(1e-7);
  expect(cost.klDivergence).toBeLessThan(1e-2);
  expect(model.quantized).toBeUndefined();
  using quantized = quantizeForDecoding(model);
  expect(await quantizationCost(model, tokenizer)).toEqual(cost);
  expect(model.quantized).toBe(quantized);
});

it('the divergence is that of the definition: of another model, by its mean over many draws', async () => {
  // E over draws of log p / q. With quantized weights of another model the two are far apart.
  const other = new Gpt(model.config, { dtype: 'bf16', seed: 3 });
  using weights = quantizeForDecoding(other);
  const lookup = new Map(
    [...model.parameters()].map(([name, value]): [Weight, Tensor | undefined] => [
      value,
      weights.of(other.parameters().get(name)!),
    ]),
  );
  using quantized = quantizeForDecoding(model);
  const of = quantized.of.bind(quantized);
  quantized.of = (weight) => lookup.get(weight) ?? of(weight);
  const { klDivergence, quantizedBitsPerByte, bitsPerByte, tokens } = await quantizationCost(
    model,
    tokenizer,
  );
  const bytes = (await texts()).reduce((sum, drawn) => sum + tokenizer.decodeBytes(drawn.tokens).length, 0);
  const sampled = ((quantizedBitsPerByte - bitsPerByte) * Math.LN2 * bytes) / tokens;
  expect(klDivergence).toBeGreaterThan(0.5);
  expect(Math.abs(sampled / klDivergence - 1)).toBeLessThan(0.2);
  other.dispose();
});
