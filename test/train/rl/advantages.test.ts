/** Advantages of whole rollouts: over responses of unequal length, whitened once. */
import { describe, expect, it } from 'vitest';
import { mean } from '../../../src/base/statistics.ts';
import {
  type GaeOptions,
  gaeAdvantages,
  groupAdvantages,
  relativeScores,
} from '../../../src/train/rl/advantages.ts';
import { standardDeviation, tokenRewards } from '../../../src/train/rl/rewards.ts';
import { SampledResponses } from '../../../src/train/rl/sampled-responses.ts';
import { randomNormal } from '../../helpers/reference.ts';
import { sequenceOf } from './world.ts';

const options: GaeOptions = { gamma: 1, lambda: 0.95, whitenRewards: false };

function sampledOf(lengths: readonly number[], scores: readonly number[], kl = 0.3): SampledResponses {
  const sequences = lengths.map((length) => sequenceOf(2, new Array<number>(length).fill(9)));
  const total = lengths.reduce((sum, length) => sum + length, 0);
  const logProbs = randomNormal(total, 1, 1, -2);
  return new SampledResponses(
    { sequences, logProbs, seconds: 1 },
    {
      referenceLogProbs: logProbs.map((value) => value - kl),
      rawScores: Float32Array.from(scores),
      scores: Float32Array.from(scores),
      scoringSeconds: 1,
    },
  );
}

function advantagesOf(sampled: SampledResponses, values: Float32Array, beta: number, how: GaeOptions) {
  const rewards = tokenRewards(sampled.scores, sampled.tokenKl('k1'), sampled.starts, beta);
  return gaeAdvantages(rewards, values, sampled.starts, how);
}

/** The definition in double precision, one response at a time. */
function byHand(
  sampled: SampledResponses,
  values: Float32Array,
  beta: number,
  { gamma, lambda }: GaeOptions,
) {
  const { logProbs, referenceLogProbs, scores, starts } = sampled;
  const advantages = new Float64Array(values.length);
  scores.forEach((score, i) => {
    const end = starts[i + 1]!;
    let running = 0;
    for (let t = end - 1; t >= starts[i]!; --t) {
      const reward = -beta * (logProbs[t]! - referenceLogProbs[t]!) + (t === end - 1 ? score : 0);
      const next = t === end - 1 ? 0 : values[t + 1]!;
      running = reward + gamma * next - values[t]! + gamma * lambda * running;
      advantages[t] = running;
    }
  });
  return advantages;
}

function expectNear(actual: ArrayLike<number>, wanted: ArrayLike<number>): void {
  expect(actual.length).toBe(wanted.length);
  for (let i = 0; i < wanted.length; ++i) expect(actual[i]).toBeCloseTo(wanted[i]!, 4);
}

describe('R23, R26: over responses of unequal length', () => {
  const sampled = sampledOf([3, 1, 7, 2], [1, -1, 2, 0.5]);
  const values = randomNormal(13, 4);

  it('returns are unwhitened advantages plus values', () => {
    const raw = byHand(sampled, values, 0.1, options);
    const { returns } = advantagesOf(sampled, values, 0.1, options);
    expectNear(
      returns,
      raw.map((advantage, i) => advantage + values[i]!),
    );
    const { advantages } = advantagesOf(sampled, values, 0.1, options);
    const sums = advantages.map((advantage, i) => advantage + values[i]!);
    expect(Math.max(...sums.map((sum, i) => Math.abs(sum - returns[i]!)))).toBeGreaterThan(0.1);
  });

  it('the worked example: [0, 0, 1] against [.5, .4, .3]', () => {
    const { returns } = advantagesOf(sampledOf([3], [1], 0), Float32Array.of(0.5, 0.4, 0.3), 0, options);
    expectNear(returns, [0.93675, 0.965, 1]);
  });
});

describe('R24, R25: whitening', () => {
  it('of advantages is done once over all tokens of the rollout', () => {
    const sampled = sampledOf([3, 1, 7, 2], [1, -1, 2, 0.5]);
    const values = randomNormal(13, 4);
    const raw = byHand(sampled, values, 0.1, options);
    const { advantages } = advantagesOf(sampled, values, 0.1, options);
    expect(mean(advantages)).toBeCloseTo(0, 5);
    expect(standardDeviation(advantages)).toBeCloseTo(1, 5);
    expectNear(
      advantages,
      raw.map((advantage) => (advantage - mean(raw)) / standardDeviation(raw)),
    );
    // Not response by response, nor in halves.
    expect(Math.abs(mean(advantages.subarray(4, 11)))).toBeGreaterThan(0.05);
  });

  it('of rewards scales them and keeps their mean', () => {
    const sampled = sampledOf([1, 1, 1, 1], [10, 12, 14, 20], 0);
    const values = new Float32Array(4);
    const { returns } = advantagesOf(sampled, values, 0, { ...options, whitenRewards: true });
    expect(mean(returns)).toBeCloseTo(14, 4);
    expect(standardDeviation(returns)).toBeCloseTo(1, 4);
  });
});

describe('advantages within a group', () => {
  const starts = Int32Array.of(0, 2, 3, 4, 6, 7, 8);
  const scores = Float32Array.of(1, 2, 6, 5, 5, 5);
  const deviation = Math.sqrt((4 + 1 + 9) / 3);

  it.each([
    ['grpo', [-2, -1, 3].map((above) => above / (deviation + 1e-4))],
    ['dr-grpo', [-2, -1, 3]],
    ['rloo', [1 - 4, 2 - 3.5, 6 - 1.5]],
  ] as const)('%s: the same for all tokens of a response', (baseline, [a, b, c]) => {
    const advantages = groupAdvantages(scores, starts, 3, baseline);
    expectNear(advantages, [a!, a!, b!, c!, 0, 0, 0, 0]);
    expectNear(relativeScores(scores, 3, baseline), [a!, b!, c!, 0, 0, 0]);
  });
});
