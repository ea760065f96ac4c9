/**
 * PPO as a function: from an assistant, a reward and prompts to an assistant that scores higher.
 */

import { AthanorError } from '../../base/errors.ts';
import { isScoringModel, loadScoringModel, scoringModelFrom } from '../../checkpoint/gpt-folder.ts';
import { readManifest } from '../../data/shards/manifest.ts';
import { TokenDataset } from '../../data/shards/token-dataset.ts';
import { TokenLoader } from '../../data/shards/token-loader.ts';
import { parameterCount } from '../../nn/config.ts';
import type { ScoringModel } from '../../nn/scoring-model.ts';
import { RewardModelSource } from '../../scoring/reward-model.ts';
import { chatTokenizer } from '../loop/chat-model.ts';
import { stageLearningRate } from '../loop/learning-rate.ts';
import type { RunInput } from '../loop/run-inputs.ts';
import {
  type PreparedStage,
  type RunHooks,
  type RunStart,
  runStage,
  type StageContext,
  type StageResult,
} from '../loop/run-stage.ts';
import { modelOptions, type StageOptions } from '../loop/settings.ts';
import { AdaptedCritic, type Critic, SeparateCritic, SharedCritic } from './critic.ts';
import { CriticEstimator } from './critic-estimator.ts';
import { KlController } from './kl-controller.ts';
import { makePolicyStage } from './make-policy-stage.ts';
import { memoryNote, type PlannedModel, parametersIn } from './memory-plan.ts';
import { checkRollouts, type PreparedRollouts, prepareRollouts, rolloutInputs } from './prepare-rollouts.ts';
import { PretrainingMix } from './pretraining-mix.ts';
import type { RolloutBatch } from './rollout.ts';
import { rewardName, rolloutConfig } from './rollout-config.ts';
import { ppoRules } from './rules.ts';
import { type PpoSettings, ppoDefaults } from './settings.ts';

/** The settings of ppo(); those with a default may be left out. */
export type PpoOptions = StageOptions<PpoSettings>;

/**
 * Trains an assistant on rewards with a value model (RLHF). Rows of `data` hold `prompt` or
 * `messages`. The reward is a reward model folder or a function. Throws as runStage.
 */
export function ppo(options: PpoOptions, hooks?: RunHooks): Promise<StageResult> {
  return runStage(
    {
      name: 'ppo',
      defaults: ppoDefaults,
      rules: ppoRules,
      check,
      inputs,
      prepare,
    },
    options,
    hooks,
  );
}

function inputs(settings: PpoSettings): RunInput[] {
  const { valueInit, ptxData } = settings;
  const given = rolloutInputs(settings);
  if (!['reward', 'head'].includes(valueInit)) {
    given.push({ setting: 'valueInit', path: valueInit, again: 'model' });
  }
  if (ptxData !== undefined) given.push({ setting: 'ptxData', path: ptxData });
  return given;
}

function check(settings: PpoSettings, start: RunStart): void {
  checkRollouts(settings, start);
  if (settings.valueInit !== 'reward' || settings.reward !== undefined) return;
  throw new AthanorError(
    'ERR_OPTION',
    'there is no reward model that the value model could start from',
    'choose `valueInit` head, or a model folder',
  );
}

async function prepare(settings: PpoSettings, context: StageContext): Promise<PreparedStage<RolloutBatch>> {
  checkTokenizer(settings, chatTokenizer(settings.model, context.out).tokenizer.fingerprint());
  const ready = await prepareRollouts(settings, context);
  const { config } = ready.models.policy.model;
  const value = valueModel(settings, ready);
  const stage = makePolicyStage(ready, settings, {
    name: 'ppo',
    estimator: new CriticEstimator(value.critic, {
      ...settings,
      responsesPerPrompt: settings.numGenerations,
    }),
    kl: new KlController({ coef: settings.klCoef, target: settings.targetKl, horizon: settings.klHorizon }),
    // The loss of the value model is a mean over tokens too.
    loss: 'dapo',
    importanceSamplingLevel: 'token',
    ptx: pretraining(settings, config.contextLength),
    communicator: context.communicator,
  });
  const parameters = parameterCount(config);
  return {
    stage,
    title: `PPO of ${settings.model} against ${rewardName(settings)}`,
    parameters,
    config: {
      ...rolloutConfig(settings, ready.prompts.trainingCount),
      value_init: settings.valueInit,
      target_kl: settings.targetKl ?? 'none',
      gamma: settings.gamma,
      lambda: settings.lambda,
      ptx_coef: settings.ptxData ? settings.ptxCoef : 0,
    },
    budget: settings.steps === undefined ? { passes: settings.iterations } : { steps: settings.steps },
    derived: { lr: stageLearningRate('rl', parameters, settings.loraRank) },
    optimizer: { eps: settings.adamEps, epsPlacement: settings.adamEpsPlacement },
    fields: [
      ['reward', 'reward', 3],
      ['kl', 'KL', 2],
      ['entropy', 'entropy', 2],
      ['clip_fraction', 'clipped', 3],
      ['value_explained_variance', 'explained', 2],
      ['response_length', 'length', 1],
    ],
    notes: [...ready.notes, memoryNote(ready, settings, [value.memory])],
  };
}

/** The critic, and its parameters that it does not share with other models. */
function valueModel(
  settings: PpoSettings,
  ready: PreparedRollouts,
): { critic: Critic; memory: PlannedModel } {
  const { valueInit, valueLrScale: lrScale, seed } = settings;
  const { loraRank: rank, loraAlpha: alpha, loraTargets: targets } = settings;
  const name = 'value model';
  if (valueInit === 'head') {
    const critic = new SharedCritic(ready.models.policy.model.config.hiddenSize, lrScale);
    return { critic, memory: { name, trained: parametersIn(critic.group.parameters.values()) } };
  }
  if (rank === 0) {
    const model = scoringModel(settings);
    return { critic: new SeparateCritic(model, lrScale), memory: { name, trained: model.parameterCount() } };
  }
  const rewardModel = ready.models.reward;
  const shared = valueInit === 'reward' && rewardModel instanceof RewardModelSource ? rewardModel : undefined;
  const model = shared?.model ?? scoringModel(settings);
  const critic = new AdaptedCritic(model, { rank, alpha, targets, seed }, lrScale, shared === undefined);
  shared?.share(critic.adapters);
  const trained = parametersIn(critic.group.parameters.values());
  return { critic, memory: { name, trained, passing: shared ? 0 : model.parameterCount() } };
}

/** A scoring model of its own, with the weights that the value model starts from. */
function scoringModel(settings: PpoSettings): ScoringModel {
  const { valueInit, reward } = settings;
  const options = modelOptions(settings);
  if (valueInit !== 'reward')
    return (isScoringModel(valueInit) ? loadScoringModel : scoringModelFrom)(valueInit, options);
  return loadScoringModel(reward!, options);
}

/** Throws ERR_MISMATCH for pretraining text of another tokenizer. */
function checkTokenizer({ ptxData, ptxCoef }: PpoSettings, fingerprint: string): void {
  if (ptxData === undefined || ptxCoef === 0) return;
  if (readManifest(ptxData).tokenizer_fingerprint === fingerprint) return;
  throw new AthanorError(
    'ERR_MISMATCH',
    `the shards in ${ptxData} were made with another tokenizer than the policy's`,
    'prepare them with: athanor data prepare --tokenizer <model folder>',
  );
}

function pretraining({ ptxData, ptxCoef, ptxBatchSize, seed }: PpoSettings, contextLength: number) {
  if (ptxData === undefined || ptxCoef === 0) return undefined;
  const loader = { batchSize: ptxBatchSize, context: contextLength, seed };
  return new PretrainingMix(new TokenLoader(TokenDataset.open(ptxData), loader), ptxCoef);
}
