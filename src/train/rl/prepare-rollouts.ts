/**
 * Loads and checks what sampling and scoring need: models, prompts and reward. PPO and
 * GRPO share it.
 */

import { AthanorError } from '../../base/errors.ts';
import { readPrompts } from '../../data/rows/prompts.ts';
import type { ModelConfig } from '../../nn/config.ts';
import { checkQuantization } from '../../nn/quantized-weights.ts';
import { RewardFileSource, RewardFunctionSource } from '../../scoring/reward-function.ts';
import { RewardModelSource } from '../../scoring/reward-model.ts';
import type { RewardSource } from '../../scoring/reward-source.ts';
import {
  type ChatTokenizer,
  chatTokenizer,
  checkLora,
  folderFields,
  loadChatModel,
} from '../loop/chat-model.ts';
import type { RunInput } from '../loop/run-inputs.ts';
import type { RunStart, StageContext } from '../loop/run-stage.ts';
import { modelOptions, policyOptions } from '../loop/settings.ts';
import { referenceInputs } from '../loop/start-inputs.ts';
import { startFolder, TrainableModel } from '../loop/trainable-model.ts';
import { RolloutModels } from './models.ts';
import { checkDivides } from './policy-stage.ts';
import { encodePrompts, type PromptSet } from './prompts.ts';
import { Sampler } from './sampler.ts';
import { Scorer } from './scorer.ts';
import { type RolloutSettings, rolloutDefaults } from './settings.ts';

export interface PreparedRollouts {
  chat: ChatTokenizer;
  /** Owned by the caller until a stage takes them over. */
  models: RolloutModels;
  prompts: PromptSet;
  sampler: Sampler;
  scorer: Scorer;
  /** Facts for the user, such as rows that were left out. */
  notes: string[];
}

/** What PPO and GRPO read. The starting model is the reference, or it is below the adapters. */
export function rolloutInputs(settings: RolloutSettings): RunInput[] {
  const { reward, rewardFn } = settings;
  const given = referenceInputs(settings);
  if (reward !== undefined) given.push({ setting: 'reward', path: reward, again: 'model' });
  if (typeof rewardFn === 'string') given.push({ setting: 'rewardFn', path: rewardFn, again: 'function' });
  return given;
}

/** Checks the settings that depend on each other, before anything is read. */
export function checkRollouts(settings: RolloutSettings, start: RunStart): void {
  const { rolloutSize, numGenerations, batchSize, gradAccum, reward, rewardFn } = settings;
  if (rolloutSize % numGenerations !== 0) {
    throw new AthanorError(
      'ERR_OPTION',
      `a rollout of ${rolloutSize} responses does not divide into groups of ${numGenerations}`,
      'choose `rolloutSize` as a multiple of `numGenerations`',
    );
  }
  checkDivides(rolloutSize, { batchSize, gradAccum });
  if ((reward === undefined) === (rewardFn === undefined)) {
    throw new AthanorError(
      'ERR_OPTION',
      'expected exactly one of `reward` and `rewardFn`',
      'name a reward model folder, or a file that exports a function of prompt and response',
    );
  }
  if (start.model) checkLengths(settings, start.model);
  checkLora(settings, start);
}

function checkLengths(settings: RolloutSettings, { contextLength }: ModelConfig): void {
  const { maxPromptLength, maxResponseLength } = settings;
  if (maxPromptLength + maxResponseLength <= contextLength) return;
  throw new AthanorError(
    'ERR_MISMATCH',
    `prompts of ${maxPromptLength} tokens and responses of ${maxResponseLength} exceed the context of ${contextLength} of the model in ${settings.model}`,
    'lower `maxPromptLength` or `maxResponseLength`',
  );
}

/**
 * Loads policy, reference, reward and prompts. Throws ERR_OPTION and ERR_MISMATCH if settings,
 * models or data do not fit together, ERR_ARGUMENT if no prompt is left, and the errors of
 * readPrompts and loadModel.
 */
export async function prepareRollouts(
  settings: RolloutSettings,
  { out, checkpoint, console, signal }: StageContext,
): Promise<PreparedRollouts> {
  const { rolloutSize, numGenerations, maxPromptLength, maxResponseLength } = settings;
  // A run of an earlier version has no such setting.
  const { rolloutQuantize: quantize = rolloutDefaults.rolloutQuantize } = settings;
  checkQuantization(quantize, 'rolloutQuantize');
  const chat = chatTokenizer(settings.model, out);
  const longest = maxPromptLength + maxResponseLength;
  const start = startFolder(settings.model, checkpoint, settings);
  const fields = folderFields(start, chat.template);
  // Before the prompts: a file without a function must not show after reading them.
  const reward = await rewardSource(settings, chat, { longest, stops: fields.stopTokens, signal });
  const { rows, counts } = await readPrompts(settings.data, settings);
  const model = loadChatModel(start, chat.tokenizer, policyOptions(settings));
  checkLengths(settings, model.config);
  const prompts = encodePrompts(rows, chat.template, { ...settings, counts });
  const policy = new TrainableModel(model, {
    ...settings,
    tokenizerFolder: chat.folder,
    ...fields,
  });
  const reference = policy.hasAdapters
    ? undefined
    : loadChatModel(settings.model, chat.tokenizer, modelOptions(settings));
  const models = new RolloutModels({ policy, reference, reward });
  const sampler = new Sampler(model, prompts.encoded, {
    promptsPerRollout: rolloutSize / numGenerations,
    responsesPerPrompt: numGenerations,
    maxResponseLength,
    temperature: settings.temperature,
    stopTokens: fields.stopTokens,
    suppressTokens: chat.tokenizer.unusedIds(model.config.vocabSize),
    decodeBatchSize: settings.decodeBatchSize,
    quantize,
    seed: settings.seed,
  });
  const scorer = new Scorer(models, prompts.encoded, chat.tokenizer, settings);
  const notes = [counts.describe()];
  if (reward instanceof RewardModelSource && reward.warning !== undefined) console.warn(reward.warning);
  if (prompts.tooLong > 0) {
    notes.push(`${prompts.tooLong} prompts of more than ${maxPromptLength} tokens left out`);
  }
  return { chat, models, prompts, sampler, scorer, notes: notes.filter((note) => note !== '') };
}

async function rewardSource(
  settings: RolloutSettings,
  { tokenizer, template }: ChatTokenizer,
  { longest, stops, signal }: { longest: number; stops: readonly number[]; signal: AbortSignal },
): Promise<RewardSource> {
  // A run of an earlier version has no limit in its settings.
  const { reward, rewardFn, rewardTimeout = rolloutDefaults.rewardTimeout } = settings;
  const limits = { seconds: rewardTimeout, signal };
  if (typeof rewardFn === 'function') return new RewardFunctionSource(rewardFn, limits);
  if (rewardFn !== undefined) return RewardFileSource.load(rewardFn, limits);
  const read = longest + Math.max(0, template.ending.length - 1);
  return RewardModelSource.load(reward!, tokenizer, read, modelOptions(settings), stops);
}
