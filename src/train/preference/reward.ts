/**
 * Reward modelling as a function: from an assistant and comparisons to a model that scores answers.
 */

import { AthanorError } from '../../base/errors.ts';
import { loadScoringModel, saveScoringModel } from '../../checkpoint/gpt-folder.ts';
import { readInstructions } from '../../data/rows/instructions.ts';
import { parameterCount } from '../../nn/config.ts';
import type { ScoringModel } from '../../nn/scoring-model.ts';
import { encodeComparison, preferenceData } from '../../scoring/encoded-comparisons.ts';
import type { ResponseSequence } from '../../scoring/sequences.ts';
import type { ChatTemplate } from '../../text/chat-template.ts';
import {
  type ChatTokenizer,
  chatTokenizer,
  checkEpochSettings,
  checkedContext,
  scoringPad,
} from '../loop/chat-model.ts';
import { stageLearningRate } from '../loop/learning-rate.ts';
import {
  type PreparedStage,
  type RunHooks,
  runStage,
  type StageContext,
  type StageResult,
} from '../loop/run-stage.ts';
import { modelOptions, type StageOptions } from '../loop/settings.ts';
import { startFolder, TrainableModel } from '../loop/trainable-model.ts';
import { centerOn, type RewardBatch, RewardStage } from './reward-stage.ts';
import { rewardRules } from './rules.ts';
import { scoringStart } from './scoring-start.ts';
import { type RewardSettings, rewardDefaults } from './settings.ts';

/** The settings of reward(); those with a default may be left out. */
export type RewardOptions = StageOptions<RewardSettings>;

/**
 * Trains a model that gives each answer one score. Rows of `data` hold `prompt`, `chosen` and
 * `rejected`, or `prompt` and ranked `completions`. Throws as runStage.
 */
export function reward(options: RewardOptions, hooks?: RunHooks): Promise<StageResult> {
  return runStage(
    { name: 'reward', defaults: rewardDefaults, rules: rewardRules, check: checkEpochSettings, prepare },
    options,
    hooks,
  );
}

async function prepare(
  settings: RewardSettings,
  { out, checkpoint, communicator }: StageContext,
): Promise<PreparedStage<RewardBatch>> {
  const { seed, batchSize, gradAccum } = settings;
  const chat = chatTokenizer(settings.model, out);
  const { template, folder } = chat;
  const start = startFolder(settings.model, checkpoint, settings);
  const model = new TrainableModel<ScoringModel>(
    scoringStart(start, chat.tokenizer, modelOptions(settings)),
    {
      ...settings,
      tokenizerFolder: folder,
      padTokenId: scoringPad(chat),
    },
  );
  const context = checkedContext(settings.context, model.model, settings.model);
  const data = await preferenceData(settings, template, context);
  const zero =
    settings.normalize === undefined
      ? data.train.map(({ answers, pairs }) => answers[pairs[0]![0]]!)
      : await demonstrations(settings.normalize, settings, template, context);
  const stage = new RewardStage(model, {
    ...data,
    batchSize,
    centering: settings.centering,
    seed,
    communicator,
  });
  const comparisonsPerStep = batchSize * gradAccum * communicator.size;
  const stepsPerEpoch = Math.max(1, Math.floor(data.train.length / comparisonsPerStep));
  const { config } = model.model;
  return {
    stage,
    title: `Reward model from ${settings.model} on ${settings.data}`,
    parameters: parameterCount(config, 'score'),
    config: {
      comparisons: data.train.length,
      validation_comparisons: data.validation.length,
      epochs: settings.epochs,
      centering: settings.centering,
    },
    budget: { steps: settings.steps ?? Math.max(1, Math.round(settings.epochs * stepsPerEpoch)) },
    defaultLr: stageLearningRate('reward', parameterCount(config), settings.loraRank),
    optimizer: { eps: 1e-5 },
    finish: () => normalize(out, settings, chat, zero),
    fields: [['accuracy', 'accuracy', 3]],
    notes: data.notes,
  };
}

/**
 * Normalizes the model in the run's folder. It is not the model in memory when an earlier
 * checkpoint was better.
 */
async function normalize(
  out: string,
  settings: RewardSettings,
  chat: ChatTokenizer,
  zero: readonly ResponseSequence[],
): Promise<Record<string, number>> {
  const model = loadScoringModel(out, modelOptions(settings));
  try {
    const before = centerOn(
      model,
      zero.map(({ tokens }) => tokens),
    );
    const padTokenId = scoringPad(chat);
    await saveScoringModel(out, model, {
      tokenizer: chat.folder,
      ...(padTokenId !== undefined && { padTokenId }),
    });
    return { score_offset: -before };
  } finally {
    model.dispose();
  }
}

async function demonstrations(
  path: string,
  settings: RewardSettings,
  template: ChatTemplate,
  context: number,
) {
  const { rows } = await readInstructions(path, settings);
  const encoded = rows.map(({ id, messages }) => {
    const prompt = messages.slice(0, -1);
    const completions = [messages.at(-1)!.content];
    return encodeComparison({ id, prompt, completions, ranks: [0] }, template).answers[0]!;
  });
  const fitting = encoded.filter(({ tokens }) => tokens.length <= context);
  if (fitting.length > 0) return fitting;
  throw new AthanorError(
    'ERR_ARGUMENT',
    `${path} has no answer of at most ${context} tokens to normalize on`,
    'raise `context`, or give other instructions to `normalize`',
  );
}
