/** Settings that PPO and GRPO share, and what both make ready from them. */

import { AthanorError } from '../../base/errors.ts';
import { fittingPrompts, type Prompt, readPrompts } from '../../data/rows/prompts.ts';
import { holdOutPrompts } from '../../data/rows/row-split.ts';
import type { Gpt } from '../../nn/gpt.ts';
import { RewardFunctionSource, RewardModelSource, type RewardSource } from '../../scoring/reward-source.ts';
import type { Tensor } from '../../tensor/tensor.ts';
import { type ChatTokenizer, chatTokenizer, generationConfig, loadChatModel } from '../loop/chat-model.ts';
import type { CommonSettings, RunPlace } from '../loop/run-stage.ts';
import { type LoraSettings, startFolder, TrainableModel } from '../loop/trainable-model.ts';
import { memoryPlan, type PlannedModel } from './memory-plan.ts';
import type { EncodedPrompt, SamplerOptions, SamplerParts } from './sampler.ts';

export interface RolloutSettings extends CommonSettings, LoraSettings {
  /** Reward model folder, or else a file that exports a function. */
  reward?: string | undefined;
  rewardFn?: string | undefined;
  /** Rollouts in all; `steps` are what they come to. */
  rollouts: number;
  /** Responses of a rollout. */
  rollout: number;
  batchSize: number;
  epochs: number;
  maxPrompt: number;
  maxResponse: number;
  temperature: number;
  decodeBatch: number;
  missingEos: 'score' | 'penalty' | 'none';
  missingEosValue: number;
  rewardClip: number;
  klCoef: number;
  entropyCoef: number;
  clipLow: number;
  clipHigh: number;
  dualClip?: number | undefined;
  maxApproxKl?: number | undefined;
  ema: number;
  /** Prompts of an evaluation, kept out of training. */
  evalPrompts: number;
  adamEps: number;
  adamEpsPlacement: 'torch' | 'tensorflow';
  onBadLine: 'skip' | 'stop';
  sampleEvery: number;
}

export interface RolloutParts {
  policy: TrainableModel<Gpt>;
  chat: ChatTokenizer;
  parts: SamplerParts;
  sampler: SamplerOptions;
  /** Prompts are ordered: those to train on, then those to evaluate on. */
  training: number;
  validation: number[];
  notes: string[];
}

/** Loads policy, reference, reward and prompts. Throws ERR_MISMATCH and ERR_OPTION for what does not fit together. */
export async function prepareRollouts(
  settings: RolloutSettings,
  { out }: RunPlace,
  checkpoint: string | undefined,
  responsesPerPrompt: number,
): Promise<RolloutParts> {
  const { seed, rollout } = settings;
  if (rollout % responsesPerPrompt !== 0) {
    throw new AthanorError(
      'ERR_OPTION',
      `a rollout of ${rollout} responses does not divide into groups of ${responsesPerPrompt}`,
      'choose --rollout as a multiple of --group',
    );
  }
  const chat = chatTokenizer(settings.model, out);
  const { rows, counts } = await readPrompts(settings.data, settings);
  const model = loadChatModel(startFolder(settings.model, checkpoint, settings), chat.tokenizer, settings);
  const longest = settings.maxPrompt + settings.maxResponse;
  if (longest > model.config.contextLength) {
    throw new AthanorError(
      'ERR_MISMATCH',
      `prompts of ${settings.maxPrompt} tokens and responses of ${settings.maxResponse} exceed the context of ${model.config.contextLength} of the model in ${settings.model}`,
      'lower --max-prompt or --max-response',
    );
  }
  const { prompts, training, validation, tooLong } = encodePrompts(rows, chat, settings);
  const reward = await rewardSource(settings, chat, longest);
  const policy = new TrainableModel(model, {
    ...settings,
    tokenizerFolder: chat.folder,
    generationConfig: generationConfig(chat.template),
  });
  const reference = policy.hasAdapters ? undefined : loadChatModel(settings.model, chat.tokenizer, settings);
  const notes = [counts.describe()];
  if (tooLong > 0) notes.push(`${tooLong} prompts of more than ${settings.maxPrompt} tokens left out`);
  return {
    policy,
    chat,
    parts: {
      policy: model,
      reference,
      tokenizer: chat.tokenizer,
      prompts,
      reward,
      withReference: (body) => (reference ? body(reference) : policy.withoutAdapters(() => body(model))),
    },
    sampler: {
      ...settings,
      prompts: rollout / responsesPerPrompt,
      responsesPerPrompt,
      stopTokens: chat.template.stopTokens,
      seed,
    },
    training,
    validation,
    notes: notes.filter((note) => note !== ''),
  };
}

function encodePrompts(rows: readonly Prompt[], { template }: ChatTokenizer, settings: RolloutSettings) {
  const { fitting, tooLong } = fittingPrompts(rows, template, settings.maxPrompt);
  const split = holdOutPrompts(fitting, ({ prompt }) => prompt.messages, settings.evalPrompts, settings.seed);
  if (split.train.length === 0) {
    throw new AthanorError(
      'ERR_ARGUMENT',
      `${settings.data} has no prompt of at most ${settings.maxPrompt} tokens to train on`,
      'raise --max-prompt, or give more prompts',
    );
  }
  const prompts = [...split.train, ...split.validation].map(
    ({ prompt, tokens }): EncodedPrompt => ({
      id: prompt.id,
      tokens,
      text: prompt.messages.at(-1)!.content,
      row: prompt.row,
    }),
  );
  const training = split.train.length;
  return {
    prompts,
    training,
    validation: split.validation.map((_, i) => training + i),
    tooLong,
  };
}

async function rewardSource(
  settings: RolloutSettings,
  { tokenizer }: ChatTokenizer,
  longest: number,
): Promise<RewardSource> {
  const { reward, rewardFn, dtype, weights } = settings;
  if ((reward === undefined) === (rewardFn === undefined)) {
    throw new AthanorError(
      'ERR_OPTION',
      'expected exactly one of --reward and --reward-fn',
      'name a reward model folder, or a file that exports a function of prompt and response',
    );
  }
  if (rewardFn !== undefined) return RewardFunctionSource.load(rewardFn);
  return RewardModelSource.load(reward!, tokenizer, longest, { dtype, weights });
}

/** The memory plan, as a note to the user. @param others models that PPO has and GRPO has not */
export function memoryNote(
  { policy, parts: { reference, reward } }: RolloutParts,
  { ema, dtype, weights }: RolloutSettings,
  others: readonly PlannedModel[] = [],
): string {
  const trained = parametersIn(policy.trainable.values());
  const models: PlannedModel[] = [
    { name: 'policy', trained, passing: policy.hasAdapters ? policy.model.parameterCount() : 0 },
  ];
  if (reference) models.push({ name: 'reference', trained: 0, read: reference.parameterCount() });
  if (reward instanceof RewardModelSource) {
    const count = reward.model.parameterCount();
    models.push({
      name: 'reward model',
      trained: 0,
      ...(reward.isShared ? { passing: count } : { read: count }),
    });
  }
  models.push(...others);
  return memoryPlan(models, ema > 0 ? trained : 0, { dtype, weights });
}

export function parametersIn(tensors: Iterable<Tensor>): number {
  return [...tensors].reduce((sum, { size }) => sum + size, 0);
}

/** Optimizer steps that the rollouts come to. */
export function stepsOf(settings: RolloutSettings): number {
  const { rollouts, rollout, batchSize, gradAccum, epochs, steps } = settings;
  return steps ?? Math.max(1, Math.floor((rollouts * epochs * rollout) / (batchSize * gradAccum)));
}
