/**
 * Facts about the responses of a rollout: where each begins, and how far it is from the reference.
 */
import { expect, it } from 'vitest';
import { klPenalty } from '../../../src/tensor/ops/policy.ts';
import { tensor } from '../../../src/tensor/tensor.ts';
import { SampledResponses } from '../../../src/train/rl/sampled-responses.ts';
import { expectSameBits, randomNormal } from '../../helpers/reference.ts';
import { sequenceOf } from './world.ts';

function sampledOf(
  lengths: readonly number[],
  logProbs: Float32Array,
  referenceLogProbs: Float32Array,
): SampledResponses {
  const sequences = lengths.map((length) => sequenceOf(2, new Array<number>(length).fill(9)));
  const scores = new Float32Array(lengths.length);
  return new SampledResponses(
    { sequences, logProbs, seconds: 1 },
    { referenceLogProbs, rawScores: scores, scores, scoringSeconds: 1 },
  );
}

it('R21: the KL of a token by each estimator', () => {
  const made = sampledOf([1], Float32Array.of(-1), Float32Array.of(-1.5));
  expect(made.tokenKl('k1')[0]).toBeCloseTo(0.5, 6);
  expect(made.tokenKl('k2')[0]).toBeCloseTo(0.125, 6);
  expect(made.tokenKl('k3')[0]).toBeCloseTo(0.10653, 5);
});

it('log-ratios have the bits of the engine, and are computed once', () => {
  const [logProbs, reference] = [randomNormal(1000, 1, 2, -3), randomNormal(1000, 2, 2, -3)];
  const made = sampledOf([1000], logProbs, reference);
  expectSameBits(made.tokenKl('k1'), klPenalty(tensor(logProbs), tensor(reference), 'k1').toFloats());
  expect(made.tokenKl('k1')).toBe(made.logRatios);
});

it('the KL of a response is a sum over its own tokens, and the mean is over responses', () => {
  const made = sampledOf([2, 1, 3], Float32Array.of(1, 2, 3, 4, 5, 6), new Float32Array(6).fill(1));
  expect([...made.starts]).toEqual([0, 2, 3, 6]);
  expect([...made.responseKl]).toEqual([1, 2, 12]);
  expect(made.meanKl).toBe(5);
  expect(made.count).toBe(3);
});
