/**
 * GRPO as a function: PPO without a value model; each response is compared with the others
 * to its prompt.
 */

import { parameterCount } from '../../nn/config.ts';
import { stageLearningRate } from '../loop/learning-rate.ts';
import {
  type PreparedStage,
  type RunHooks,
  runStage,
  type StageContext,
  type StageResult,
} from '../loop/run-stage.ts';
import type { StageOptions } from '../loop/settings.ts';
import { GroupEstimator } from './group-estimator.ts';
import { KlController } from './kl-controller.ts';
import { makePolicyStage } from './make-policy-stage.ts';
import { memoryNote } from './memory-plan.ts';
import { checkRollouts, prepareRollouts, rolloutInputs } from './prepare-rollouts.ts';
import type { RolloutBatch } from './rollout.ts';
import { rewardName, rolloutConfig } from './rollout-config.ts';
import { grpoRules } from './rules.ts';
import { type GrpoSettings, grpoDefaults } from './settings.ts';

/** The settings of grpo(); those with a default may be left out. */
export type GrpoOptions = StageOptions<GrpoSettings>;

/**
 * PPO without a value model: each response is compared with the others to its prompt. Takes the
 * options of ppo, except those of the value model, and throws the same errors.
 */
export function grpo(options: GrpoOptions, hooks?: RunHooks): Promise<StageResult> {
  return runStage(
    {
      name: 'grpo',
      defaults: grpoDefaults,
      rules: grpoRules,
      check: checkRollouts,
      inputs: rolloutInputs,
      prepare,
    },
    options,
    hooks,
  );
}

async function prepare(settings: GrpoSettings, context: StageContext): Promise<PreparedStage<RolloutBatch>> {
  const ready = await prepareRollouts(settings, context);
  const { config } = ready.models.policy.model;
  const stage = makePolicyStage(ready, settings, {
    name: 'grpo',
    estimator: new GroupEstimator({
      baseline: settings.baseline,
      responsesPerPrompt: settings.numGenerations,
    }),
    kl: new KlController({ coef: settings.klCoef, horizon: 1 }),
    loss: settings.loss,
    importanceSamplingLevel: settings.importanceSamplingLevel,
    communicator: context.communicator,
  });
  const parameters = parameterCount(config);
  return {
    stage,
    title: `GRPO of ${settings.model} against ${rewardName(settings)}`,
    parameters,
    config: {
      ...rolloutConfig(settings, ready.prompts.trainingCount),
      baseline: settings.baseline,
      loss: settings.loss,
      importance_sampling_level: settings.importanceSamplingLevel,
    },
    budget: settings.steps === undefined ? { passes: settings.iterations } : { steps: settings.steps },
    derived: { lr: stageLearningRate('rl', parameters, settings.loraRank) },
    optimizer: { eps: settings.adamEps, epsPlacement: settings.adamEpsPlacement },
    fields: [
      ['reward', 'reward', 3],
      ['kl', 'KL', 2],
      ['entropy', 'entropy', 2],
      ['response_length', 'length', 1],
    ],
    notes: [...ready.notes, memoryNote(ready, settings)],
  };
}
