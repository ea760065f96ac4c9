/** What PPO and GRPO make ready from their settings: policy, reference, reward and prompts. */

import { AthanorError } from '../../base/errors.ts';
import { fittingPrompts, type Prompt, readPrompts } from '../../data/rows/prompts.ts';
import { holdOutPrompts } from '../../data/rows/row-split.ts';
import type { Gpt } from '../../nn/gpt.ts';
import { RewardFunctionSource, RewardModelSource, type RewardSource } from '../../scoring/reward-source.ts';
import type { Tensor } from '../../tensor/tensor.ts';
import { type ChatTokenizer, chatTokenizer, generationConfig, loadChatModel } from '../loop/chat-model.ts';
import type { StageContext } from '../loop/run-stage.ts';
import { modelOptions } from '../loop/settings.ts';
import { startFolder, TrainableModel } from '../loop/trainable-model.ts';
import { memoryPlan, type PlannedModel } from './memory-plan.ts';
import type { EncodedPrompt, SamplerOptions, SamplerParts } from './sampler.ts';
import type { RolloutSettings } from './settings.ts';

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
  { out, checkpoint }: StageContext,
): Promise<RolloutParts> {
  const { seed, rolloutSize, numGenerations } = settings;
  if (rolloutSize % numGenerations !== 0) {
    throw new AthanorError(
      'ERR_OPTION',
      `a rollout of ${rolloutSize} responses does not divide into groups of ${numGenerations}`,
      'choose `rolloutSize` as a multiple of `numGenerations`',
    );
  }
  const chat = chatTokenizer(settings.model, out);
  const { rows, counts } = await readPrompts(settings.data, settings);
  const start = startFolder(settings.model, checkpoint, settings);
  const model = loadChatModel(start, chat.tokenizer, modelOptions(settings));
  const longest = settings.maxPromptLength + settings.maxResponseLength;
  if (longest > model.config.contextLength) {
    throw new AthanorError(
      'ERR_MISMATCH',
      `prompts of ${settings.maxPromptLength} tokens and responses of ${settings.maxResponseLength} exceed the context of ${model.config.contextLength} of the model in ${settings.model}`,
      'lower `maxPromptLength` or `maxResponseLength`',
    );
  }
  const { prompts, training, validation, tooLong } = encodePrompts(rows, chat, settings);
  const reward = await rewardSource(settings, chat, longest);
  const policy = new TrainableModel(model, {
    ...settings,
    tokenizerFolder: chat.folder,
    generationConfig: generationConfig(chat.template),
  });
  const reference = policy.hasAdapters
    ? undefined
    : loadChatModel(settings.model, chat.tokenizer, modelOptions(settings));
  const notes = [counts.describe()];
  if (tooLong > 0) notes.push(`${tooLong} prompts of more than ${settings.maxPromptLength} tokens left out`);
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
      prompts: rolloutSize / numGenerations,
      responsesPerPrompt: numGenerations,
      maxResponse: settings.maxResponseLength,
      decodeBatch: settings.decodeBatchSize,
      stopTokens: chat.template.stopTokens,
      seed,
    },
    training,
    validation,
    notes: notes.filter((note) => note !== ''),
  };
}

function encodePrompts(rows: readonly Prompt[], { template }: ChatTokenizer, settings: RolloutSettings) {
  const { fitting, tooLong } = fittingPrompts(rows, template, settings.maxPromptLength);
  const split = holdOutPrompts(fitting, ({ prompt }) => prompt.messages, settings.evalPrompts, settings.seed);
  if (split.train.length === 0) {
    throw new AthanorError(
      'ERR_ARGUMENT',
      `${settings.data} has no prompt of at most ${settings.maxPromptLength} tokens to train on`,
      'raise `maxPromptLength`, or give more prompts',
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
  const { reward, rewardFn } = settings;
  if ((reward === undefined) === (rewardFn === undefined)) {
    throw new AthanorError(
      'ERR_OPTION',
      'expected exactly one of `reward` and `rewardFn`',
      'name a reward model folder, or a file that exports a function of prompt and response',
    );
  }
  if (typeof rewardFn === 'function') return new RewardFunctionSource(rewardFn, 'rewardFn');
  if (rewardFn !== undefined) return RewardFunctionSource.load(rewardFn);
  return RewardModelSource.load(reward!, tokenizer, longest, modelOptions(settings));
}

/** The memory plan, as a note to the user. @param others models that PPO has and GRPO has not */
export function memoryNote(
  { policy, parts: { reference, reward } }: RolloutParts,
  { emaDecay, dtype, paramDtype: weights }: RolloutSettings,
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
  return memoryPlan(models, emaDecay > 0 ? trained : 0, { dtype, weights });
}

export function parametersIn(tensors: Iterable<Tensor>): number {
  return [...tensors].reduce((sum, { size }) => sum + size, 0);
}

/** Optimizer steps that the rollouts come to. */
export function stepsOf(settings: RolloutSettings): number {
  const { iterations, rolloutSize, batchSize, gradAccum, epochs, steps } = settings;
  return steps ?? Math.max(1, Math.floor((iterations * epochs * rolloutSize) / (batchSize * gradAccum)));
}
