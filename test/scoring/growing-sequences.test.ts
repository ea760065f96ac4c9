/** Sequences that grow have the scores of whole ones, and each of their tokens is read once. */
import { describe, expect, it, onTestFinished } from 'vitest';
import { ScoringModel } from '../../src/nn/scoring-model.ts';
import { GrowingSequences } from '../../src/scoring/growing-sequences.ts';
import { scoreAll } from '../../src/scoring/reward-model.ts';
import { familyConfigs } from '../helpers/family-configs.ts';

const config = { ...familyConfigs.gpt2!, contextLength: 64 };

function modelOf(dtype: 'f32' | 'bf16'): ScoringModel {
  const model = new ScoringModel(config, { dtype, seed: 1 });
  onTestFinished(() => model.dispose());
  return model;
}

function growing(model: ScoringModel, bytes?: number): GrowingSequences {
  const sequences = new GrowingSequences(model, bytes);
  onTestFinished(() => sequences.dispose());
  return sequences;
}

/** Tokens of an answer up to a length, with a token that ends what was read so far. */
const answer = (length: number, seed = 3) =>
  Int32Array.from({ length: length + 1 }, (_, i) => (i === length ? 1 : 2 + ((i * seed) % 40)));

describe.each(['f32', 'bf16'] as const)('in %s', (dtype) => {
  it('scores have the bits of sequences that are read whole', () => {
    const model = modelOf(dtype);
    const sequences = growing(model);
    for (const length of [1, 5, 20, 24, 28, 60, 63]) {
      const asked = [answer(length), answer(length, 7), answer(1)];
      expect(sequences.score(asked)).toEqual(scoreAll(model, asked));
    }
  });
});

it('each token is read once, and what ends a part once per part', () => {
  const sequences = growing(modelOf('f32'));
  for (let length = 20; length <= 60; length += 4) sequences.score([answer(length), answer(length, 7)]);
  expect(sequences.tokensRead).toBe(2 * (60 + 11));
});

it('what was asked already is not read again', () => {
  const model = modelOf('f32');
  const sequences = growing(model);
  const asked = [answer(30), answer(30)];
  expect(sequences.score(asked)).toEqual(scoreAll(model, asked));
  sequences.score(asked);
  expect(sequences.tokensRead).toBe(31);
});

it('with memory for one sequence the scores are the same', () => {
  const model = modelOf('f32');
  const sequences = growing(model, 1);
  for (const length of [20, 24, 40]) {
    const asked = [answer(length), answer(length, 7), answer(length, 11)];
    expect(sequences.score(asked)).toEqual(scoreAll(model, asked));
  }
});
