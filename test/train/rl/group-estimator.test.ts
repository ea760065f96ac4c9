/**
 * GRPO's estimator: advantages come from scores alone, the KL penalty is in the loss, and only
 * the policy trains.
 */
import { expect, it } from 'vitest';
import { groupAdvantages } from '../../../src/train/rl/advantages.ts';
import { GroupEstimator } from '../../../src/train/rl/group-estimator.ts';
import { expectSameBits } from '../../helpers/reference.ts';
import { makeResponders } from './world.ts';

it.each(['grpo', 'dr-grpo', 'rloo'] as const)(
  'credits tokens with relative scores (%s)',
  async (baseline) => {
    const { respond, policy } = await makeResponders();
    const sampled = await respond([0, 0, 0, 1, 1, 1], 4);
    const estimator = new GroupEstimator({ baseline, responsesPerPrompt: 3 });
    const { advantages, values, returns, metrics } = estimator.estimate(sampled);
    expectSameBits(advantages, groupAdvantages(sampled.scores, sampled.starts, 3, baseline));
    expect([values.length, returns.length, metrics]).toEqual([0, 0, {}]);
    expect(estimator.klWeightInLoss(0.04)).toBe(0.04);
    expect(estimator.valueLoss()).toBeUndefined();
    expect(estimator.trainedModels).toBe(1);
    // One group without a name: its optimizer's tensors and metrics have no prefix.
    const parameters = policy.parameters();
    expect(estimator.parameterGroups(parameters)).toEqual([{ name: '', parameters }]);
    expect(estimator.tensors()).toEqual([]);
  },
);
