/** The ownership of the models of a run. */
import { expect, it } from 'vitest';
import { RewardModelSource } from '../../../src/scoring/reward-model.ts';
import { SeparateCritic } from '../../../src/train/rl/critic.ts';
import { makeResponders, makeWorld, tinyScorer } from './world.ts';

it('RolloutModels frees policy, reference and reward', async () => {
  const scorer = tinyScorer();
  const { models, policy, reference } = await makeResponders({ source: new RewardModelSource(scorer) });
  const weights = [policy, reference!, scorer].map((model) => model.tokenEmbedding.weight);
  expect(weights.map(({ disposed }) => disposed)).toEqual([false, false, false]);
  models.dispose();
  expect(weights.map(({ disposed }) => disposed)).toEqual([true, true, true]);
});

it('a stage frees them and the value model of its estimator', async () => {
  const values = tinyScorer();
  const { stage, policy, reference } = await makeWorld({ critic: new SeparateCritic(values, 1) });
  stage.dispose();
  for (const model of [policy, reference!, values]) {
    expect(model.tokenEmbedding.weight.disposed).toBe(true);
  }
});
