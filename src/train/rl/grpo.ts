/** GRPO as a function: PPO without a value model, each response weighed against the others to its prompt. */

import { AthanorError } from '../../base/errors.ts';
import { native } from '../../native/addon.ts';
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
import { KlController } from './kl-controller.ts';
import { type EpisodeBatch, PolicyStage } from './policy-stage.ts';
import { ratioTolerance } from './ratio-check.ts';
import { Sampler } from './sampler.ts';
import { memoryNote, prepareRollouts, type RolloutSettings, stepsOf } from './settings.ts';

export interface GrpoSettings extends RolloutSettings {
  /** Responses to each prompt. */
  group: number;
  baseline: GroupBaseline;
}

/** `data` is prompts as JSONL (readPrompts). Throws as runStage. */
export function runGrpo(options: StageOptions<GrpoSettings>): Promise<StageReport> {
  return runStage<GrpoSettings, EpisodeBatch>({ name: 'grpo', prepare }, options);
}

async function prepare(
  settings: GrpoSettings,
  place: RunPlace,
  checkpoint: string | undefined,
): Promise<PreparedStage<EpisodeBatch>> {
  const { group, rollout } = settings;
  if (group < 2) {
    throw new AthanorError(
      'ERR_OPTION',
      `a group of ${group} has no others to weigh a response against`,
      'choose --group of at least 2',
    );
  }
  const ready = await prepareRollouts(settings, place, checkpoint, group);
  const { policy, parts, sampler, training, validation } = ready;
  const { config } = policy.model;
  const stage = new PolicyStage(policy, new Sampler(parts, sampler), {
    ...settings,
    name: 'grpo',
    algorithm: { kind: 'group', baseline: settings.baseline, responsesPerPrompt: group },
    kl: new KlController({ coef: settings.klCoef, horizon: 1 }),
    dualClip: settings.dualClip,
    maxApproxKl: settings.maxApproxKl,
    ptx: undefined,
    training,
    validation,
    ratioTolerance: ratioTolerance(native.device(), settings.dtype),
  });
  return {
    stage,
    title: `GRPO of ${settings.model} against ${settings.reward ?? settings.rewardFn}`,
    config: {
      parameters: formatCount(parameterCount(config)),
      trained: settings.loraRank > 0 ? `LoRA of rank ${settings.loraRank}` : 'all weights',
      prompts: training,
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
