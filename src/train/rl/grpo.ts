/** GRPO as a function: PPO without a value model, each response weighed against the others to its prompt. */

import { AthanorError } from '../../base/errors.ts';
import { parameterCount } from '../../nn/config.ts';
import { formatCount } from '../../report/format.ts';
import { stageLearningRate } from '../loop/learning-rate.ts';
import {
  type PreparedStage,
  type RunPlace,
  runStage,
  type StageOptions,
  type StageReport,
} from '../loop/run-stage.ts';
import type { GroupBaseline } from './advantages.ts';
import { GroupEstimator } from './group-estimator.ts';
import { KlController } from './kl-controller.ts';
import { makePolicyStage } from './make-policy-stage.ts';
import { memoryNote } from './memory-plan.ts';
import { prepareRollouts } from './prepare-rollouts.ts';
import type { RolloutBatch } from './rollout.ts';
import { type RolloutSettings, stepsOf } from './settings.ts';

export interface GrpoSettings extends RolloutSettings {
  /** Responses to each prompt. */
  group: number;
  baseline: GroupBaseline;
}

/** `data` is prompts as JSONL (readPrompts). Throws as runStage. */
export function runGrpo(options: StageOptions<GrpoSettings>): Promise<StageReport> {
  return runStage<GrpoSettings, RolloutBatch>({ name: 'grpo', prepare }, options);
}

async function prepare(
  settings: GrpoSettings,
  place: RunPlace,
  checkpoint: string | undefined,
): Promise<PreparedStage<RolloutBatch>> {
  const { group, rollout } = settings;
  if (group < 2) {
    throw new AthanorError(
      'ERR_OPTION',
      `a group of ${group} has no others to weigh a response against`,
      'choose --group of at least 2',
    );
  }
  const ready = await prepareRollouts(settings, place, checkpoint, group);
  const { config } = ready.models.policy.model;
  const stage = makePolicyStage(ready, settings, {
    name: 'grpo',
    estimator: new GroupEstimator({ baseline: settings.baseline, responsesPerPrompt: group }),
    kl: new KlController({ coef: settings.klCoef, horizon: 1 }),
  });
  return {
    stage,
    title: `GRPO of ${settings.model} against ${settings.reward ?? settings.rewardFn}`,
    config: {
      parameters: formatCount(parameterCount(config)),
      trained: settings.loraRank > 0 ? `LoRA of rank ${settings.loraRank}` : 'all weights',
      prompts: ready.prompts.trainingCount,
      responses_a_rollout: rollout,
      responses_a_prompt: group,
      baseline: settings.baseline,
      minibatch: settings.batchSize * settings.gradAccum,
      epochs: settings.epochs,
      temperature: settings.temperature,
      kl_coef: settings.klCoef,
      clip: `${settings.clipLow}, ${settings.clipHigh}`,
      seed: settings.seed,
    },
    budget: { steps: stepsOf(settings) },
    defaultLr: stageLearningRate('rl', parameterCount(config), settings.loraRank),
    optimizer: { beta2: 0.95, eps: settings.adamEps, epsPlacement: settings.adamEpsPlacement },
    sampleEvery: settings.sampleEvery,
    patience: 0,
    exports: 'last',
    fields: [
      ['reward', 'reward', 3],
      ['kl', 'KL', 2],
      ['entropy', 'entropy', 2],
      ['response_length', 'length', 1],
    ],
    notes: [...ready.notes, memoryNote(ready, settings)],
  };
}
