import { expect, it } from 'vitest';
import { Gpt } from '../../src/nn/gpt.ts';
import { quantizeForDecoding } from '../../src/nn/quantized-weights.ts';
import { responseLogProbs } from '../../src/scoring/response-log-probs.ts';
import { noGrad } from '../../src/tensor/autograd.ts';
import { scope, tensor } from '../../src/tensor/tensor.ts';
import { familyConfigs } from '../helpers/family-configs.ts';

const tokens = Int32Array.from({ length: 30 }, (_, i) => (i * 7) % 61);

it('are those of the capped logits of a model with a cap', () => {
  const model = new Gpt({ ...familyConfigs.gemma2, logitSoftcap: 0.5, initializerRange: 0.2 }, { seed: 1 });
  const found = responseLogProbs(model, [{ prompt: 0, tokens, promptLength: 5, finished: true }], 0.7);
  const logits = noGrad(() =>
    scope(() => {
      const input = {
        tokens: tensor(tokens),
        positions: tensor(Int32Array.from(tokens, (_, i) => i)),
        cuSeqlens: tensor(Int32Array.of(0, tokens.length)),
      };
      return model.logits(model.forward(input)).toFloats();
    }),
  );
  expect(logits.every((x) => Math.abs(x) <= 0.5)).toBe(true);
  found.forEach((logProb, i) => {
    const at = (i + 4) * 61;
    const row = [...logits.subarray(at, at + 61)].map((x) => x / 0.7);
    const sum = row.reduce((total, x) => total + Math.exp(x), 0);
    expect(logProb).toBeCloseTo(row[tokens[i + 5]!]! - Math.log(sum), 5);
  });
  // The int8 head caps too.
  using weights = quantizeForDecoding(model);
  expect(weights.bytes).toBeGreaterThan(0);
  const capped = scope(() =>
    model
      .logits(
        tensor(
          Float32Array.from({ length: 48 }, () => 9),
          [1, 48],
        ),
      )
      .toFloats(),
  );
  expect(capped.every((x) => Math.abs(x) <= 0.5)).toBe(true);
  model.dispose();
});
