/** PPO as a function: an assistant, a reward and prompts in, an assistant that scores higher out. */

import { AthanorError } from '../../base/errors.ts';
import { isScoringModel, loadScoringModel, scoringModelFrom } from '../../checkpoint/gpt-folder.ts';
import { TokenDataset } from '../../data/shards/token-dataset.ts';
import { TokenLoader } from '../../data/shards/token-loader.ts';
import { parameterCount } from '../../nn/config.ts';
import type { ScoringModel } from '../../nn/scoring-model.ts';
import { formatCount } from '../../report/format.ts';
import { RewardModelSource } from '../../scoring/reward-model.ts';
import { stageLearningRate } from '../loop/learning-rate.ts';
import {
  type PreparedStage,
  type RunPlace,
  runStage,
  type StageOptions,
  type StageReport,
} from '../loop/run-stage.ts';
import { AdaptedCritic, type Critic, SeparateCritic, SharedCritic } from './critic.ts';
import { CriticEstimator } from './critic-estimator.ts';
import { KlController } from './kl-controller.ts';
import { makePolicyStage } from './make-policy-stage.ts';
import { memoryNote, type PlannedModel, parametersIn } from './memory-plan.ts';
import { type PreparedRollouts, prepareRollouts } from './prepare-rollouts.ts';
import { PretrainingMix } from './pretraining-mix.ts';
import type { RolloutBatch } from './rollout.ts';
import { type RolloutSettings, stepsOf } from './settings.ts';

export interface PpoSettings extends RolloutSettings {
  /** `reward` starts as the reward model (with LoRA on its very weights), `head` is a head on the policy, else a model folder. */
  value: string;
  /** Learning rate of the value model as a multiple of the policy's. */
  valueLr: number;
  valueClip: number;
  valueCoef: number;
  gamma: number;
  lambda: number;
  klEstimator: 'k1' | 'k2' | 'k3';
  targetKl?: number | undefined;
  klHorizon: number;
  whitenRewards: boolean;
  /** Responses to each prompt; above 1, each is scored by how far it is above the mean of the others. */
  group: number;
  /** Token shards of pretraining text, and the weight of their loss. */
  ptx?: string | undefined;
  ptxCoef: number;
  ptxBatch: number;
}

/** `data` is prompts as JSONL (readPrompts). Throws as runStage. */
export function runPpo(options: StageOptions<PpoSettings>): Promise<StageReport> {
  return runStage<PpoSettings, RolloutBatch>({ name: 'ppo', prepare }, options);
}

async function prepare(
  settings: PpoSettings,
  place: RunPlace,
  checkpoint: string | undefined,
): Promise<PreparedStage<RolloutBatch>> {
  const ready = await prepareRollouts(settings, place, checkpoint, settings.group);
  const { config } = ready.models.policy.model;
  const value = valueModel(settings, ready);
  const stage = makePolicyStage(ready, settings, {
    name: 'ppo',
    estimator: new CriticEstimator(value.critic, { ...settings, responsesPerPrompt: settings.group }),
    kl: new KlController({ coef: settings.klCoef, target: settings.targetKl, horizon: settings.klHorizon }),
    ptx: pretraining(settings, ready.chat.tokenizer.fingerprint(), config.contextLength),
  });
  return {
    stage,
    title: `PPO of ${settings.model} against ${settings.reward ?? settings.rewardFn}`,
    config: {
      parameters: formatCount(parameterCount(config)),
      trained: settings.loraRank > 0 ? `LoRA of rank ${settings.loraRank}` : 'all weights',
      value_model: settings.value,
      prompts: ready.prompts.trainingCount,
      responses_a_rollout: settings.rollout,
      responses_a_prompt: settings.group,
      minibatch: settings.batchSize * settings.gradAccum,
      epochs: settings.epochs,
      temperature: settings.temperature,
      kl_coef: settings.klCoef,
      target_kl: settings.targetKl ?? 'none',
      clip: `${settings.clipLow}, ${settings.clipHigh}`,
      gamma: settings.gamma,
      lambda: settings.lambda,
      ptx_coef: settings.ptx ? settings.ptxCoef : 0,
      seed: settings.seed,
    },
    budget: { steps: stepsOf(settings) },
    defaultLr: stageLearningRate('rl', parameterCount(config), settings.loraRank),
    optimizer: {
      beta2: 0.95,
      eps: settings.adamEps,
      epsPlacement: settings.adamEpsPlacement,
    },
    sampleEvery: settings.sampleEvery,
    patience: 0,
    exports: 'last',
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

/** The critic, and what it takes beside the models that it shares weights with. */
function valueModel(
  settings: PpoSettings,
  ready: PreparedRollouts,
): { critic: Critic; memory: PlannedModel } {
  const { value, valueLr, loraRank: rank, loraAlpha: alpha, loraTargets: targets, seed } = settings;
  const name = 'value model';
  if (value === 'head') {
    const critic = new SharedCritic(ready.models.policy.model.config.hiddenSize, valueLr);
    return { critic, memory: { name, trained: parametersIn(critic.group.parameters.values()) } };
  }
  if (rank === 0) {
    const model = scoringModel(settings);
    return { critic: new SeparateCritic(model, valueLr), memory: { name, trained: model.parameterCount() } };
  }
  const rewardModel = ready.models.reward;
  const shared = value === 'reward' && rewardModel instanceof RewardModelSource ? rewardModel : undefined;
  const model = shared?.model ?? scoringModel(settings);
  const critic = new AdaptedCritic(model, { rank, alpha, targets, seed }, valueLr, shared === undefined);
  shared?.share(critic.adapters);
  const trained = parametersIn(critic.group.parameters.values());
  return { critic, memory: { name, trained, passing: shared ? 0 : model.parameterCount() } };
}

/** Of its own, with the weights that the value model starts from. */
function scoringModel(settings: PpoSettings): ScoringModel {
  const { value, reward, dtype, weights, seed, checkpointActivations } = settings;
  const options = { dtype, weights, seed, checkpointActivations };
  if (value !== 'reward')
    return (isScoringModel(value) ? loadScoringModel : scoringModelFrom)(value, options);
  if (reward !== undefined) return loadScoringModel(reward, options);
  throw new AthanorError(
    'ERR_OPTION',
    'there is no reward model that the value model could start from',
    'choose --value head, or --value with a model folder',
  );
}

function pretraining({ ptx, ptxCoef, ptxBatch, seed }: PpoSettings, fingerprint: string, context: number) {
  if (ptx === undefined || ptxCoef === 0) return undefined;
  const dataset = TokenDataset.open(ptx);
  if (dataset.manifest.tokenizer_fingerprint !== fingerprint) {
    throw new AthanorError(
      'ERR_MISMATCH',
      `the shards in ${ptx} were made with another tokenizer than the policy's`,
      'prepare them with: athanor data prepare --tokenizer <model folder>',
    );
  }
  return new PretrainingMix(new TokenLoader(dataset, { batchSize: ptxBatch, context, seed }), ptxCoef);
}
