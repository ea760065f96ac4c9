/** The estimates of an estimator with a critic, and that a group estimator uses no critic. */
import { describe, expect, it } from 'vitest';
import { gaeAdvantages, relativeScores } from '../../../src/train/rl/advantages.ts';
import { SeparateCritic, SharedCritic } from '../../../src/train/rl/critic.ts';
import { CriticEstimator, type CriticOptions } from '../../../src/train/rl/critic-estimator.ts';
import { tokenRewards } from '../../../src/train/rl/rewards.ts';
import { expectSameBits } from '../../helpers/reference.ts';
import { makeResponders, tinyPolicy, tinyScorer } from './world.ts';

const options: CriticOptions = {
  responsesPerPrompt: 1,
  gamma: 1,
  lambda: 0.95,
  klEstimator: 'k1',
  whitenRewards: false,
  valueClip: 0.2,
  valueCoef: 0.1,
};

async function sampledWithKl() {
  const { respond, policy } = await makeResponders();
  for (const parameter of policy.parameters().values())
    parameter.write(parameter.toFloats().map((value, i) => value + (i % 3) * 1e-3));
  const sampled = await respond([0, 0, 1, 1, 2, 2], 4);
  expect(sampled.meanKl).not.toBe(0);
  return { sampled, policy };
}

it.each(['k1', 'k2', 'k3'] as const)(
  'subtracts beta times the KL by %s from the rewards',
  async (klEstimator) => {
    const { sampled, policy } = await sampledWithKl();
    const estimator = new CriticEstimator(new SeparateCritic(tinyScorer(), 1), { ...options, klEstimator });
    const estimate = estimator.estimate(sampled, policy, 0.3);
    const rewards = tokenRewards(sampled.scores, sampled.tokenKl(klEstimator), sampled.starts, 0.3);
    const wanted = gaeAdvantages(rewards, estimate.values, sampled.starts, options);
    expectSameBits(estimate.advantages, wanted.advantages);
    expectSameBits(estimate.returns, wanted.returns);
    expect(estimate.values.some((value) => value !== 0)).toBe(true);
    expect(estimate.metrics.value_explained_variance).toBeLessThan(1);
    expect(estimator.klWeightInLoss()).toBe(0);
  },
);

it('with several responses to a prompt, scores count relative to the others, from values of exactly 0', async () => {
  const { sampled, policy } = await sampledWithKl();
  const critic = new SeparateCritic(tinyScorer(), 1);
  const estimator = new CriticEstimator(critic, { ...options, responsesPerPrompt: 2 });
  const { values, returns } = estimator.estimate(sampled, policy, 0);
  expect(values.every((value) => value === 0)).toBe(true);
  const scores = relativeScores(sampled.scores, 2, 'rloo');
  const rewards = tokenRewards(scores, sampled.logRatios, sampled.starts, 0);
  expectSameBits(returns, gaeAdvantages(rewards, values, sampled.starts, options).returns);
});

describe('trains', () => {
  it('the policy and the critic, which counts as a model only if it is one of its own', () => {
    const policy = tinyPolicy();
    const own = new CriticEstimator(new SeparateCritic(tinyScorer(), 3), options);
    const head = new CriticEstimator(new SharedCritic(policy.config.hiddenSize, 1), options);
    expect([own.trainedModels, head.trainedModels]).toEqual([2, 1]);
    const groups = own.parameterGroups(policy.parameters());
    expect(groups.map(({ name, lrScale }) => [name, lrScale])).toEqual([
      ['policy', undefined],
      ['value', 3],
    ]);
  });

  it('and frees the critic', () => {
    const scorer = tinyScorer();
    new CriticEstimator(new SeparateCritic(scorer, 1), options).dispose();
    expect(scorer.score.weight.disposed).toBe(true);
  });
});
