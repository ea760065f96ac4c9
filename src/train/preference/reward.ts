/**
 * Reward modelling as a function: from an assistant and comparisons to a model that scores answers.
 */

import { AthanorError } from '../../base/errors.ts';
import { readCarriedFields } from '../../checkpoint/carried-fields.ts';
import { loadScoringModel, saveScoringModel, scoreReading } from '../../checkpoint/gpt-folder.ts';
import { encodeRows } from '../../data/rows/encoded-rows.ts';
import { type Instruction, readInstructions } from '../../data/rows/instructions.ts';
import { parameterCount } from '../../nn/config.ts';
import type { ScoreReading, ScoringModel } from '../../nn/scoring-model.ts';
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
import type { RunInput } from '../loop/run-inputs.ts';
import {
  type PreparedStage,
  type RunHooks,
  runStage,
  type StageContext,
  type StageResult,
} from '../loop/run-stage.ts';
import { scoringStart } from '../loop/scoring-start.ts';
import { modelOptions, policyOptions, type StageOptions } from '../loop/settings.ts';
import { startInputs } from '../loop/start-inputs.ts';
import { startFolder, TrainableModel } from '../loop/trainable-model.ts';
import { centerOn, type RewardBatch, RewardStage } from './reward-stage.ts';
import { rewardRules } from './rules.ts';
import { type RewardSettings, rewardDefaults } from './settings.ts';

/** The settings of reward(); those with a default may be left out. */
export type RewardOptions = StageOptions<RewardSettings>;

/**
 * Trains a model that gives each answer one score. Rows of `data` hold `prompt`, `chosen` and
 * `rejected`, or `prompt` and ranked `completions`. Throws as runStage.
 */
export function reward(options: RewardOptions, hooks?: RunHooks): Promise<StageResult> {
  return runStage(
    {
      name: 'reward',
      defaults: rewardDefaults,
      rules: rewardRules,
      check: checkEpochSettings,
      inputs,
      prepare,
    },
    options,
    hooks,
  );
}

function inputs(settings: RewardSettings, place: { out: string }): RunInput[] {
  const { normalize } = settings;
  const given = startInputs(settings, place);
  return normalize === undefined
    ? given
    : [...given, { setting: 'normalize', path: normalize, again: 'file' }];
}

async function prepare(
  settings: RewardSettings,
  { out, checkpoint, communicator }: StageContext,
): Promise<PreparedStage<RewardBatch>> {
  const { seed, batchSize, gradAccum } = settings;
  const chat = chatTokenizer(settings.model, out);
  const { template, folder } = chat;
  const start = startFolder(settings.model, checkpoint, settings);
  const scoring = scoringStart(start, chat.tokenizer, policyOptions(settings));
  // A run that began with another reading keeps it.
  const token = checkpoint ? scoreReading(checkpoint).token : 'last';
  const reading = { token, padTokenId: scoringPad(chat) };
  scoring.reading = reading;
  const model = new TrainableModel<ScoringModel>(scoring, {
    ...settings,
    tokenizerFolder: folder,
    configFields: readCarriedFields(start).config,
  });
  const context = checkedContext(settings.context, model.model, settings.model);
  const data = await preferenceData(settings, template, context, reading);
  const { answers: zero, note } =
    settings.normalize === undefined
      ? { answers: data.train.map(({ answers, pairs }) => answers[pairs[0]![0]]!), note: '' }
      : await demonstrations(settings.normalize, settings, template, { context, reading });
  const stage = new RewardStage(model, {
    communicator,
    ...data,
    batchSize,
    gradAccum,
    centering: settings.centering,
    seed,
  });
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
    budget: settings.steps === undefined ? { passes: settings.epochs } : { steps: settings.steps },
    derived: { lr: stageLearningRate('reward', parameterCount(config), settings.loraRank), context },
    optimizer: { eps: 1e-5 },
    finish: () => normalize(out, settings, chat, zero),
    fields: [['accuracy', 'accuracy', 3]],
    notes: note === '' ? data.notes : [...data.notes, note],
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
    await saveScoringModel(out, model, {
      tokenizer: chat.folder,
      configFields: readCarriedFields(out).config,
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
  { context, reading }: { context: number; reading: ScoreReading },
) {
  // The other settings of reading are about the comparisons.
  const { rows, counts } = await readInstructions(path, { onBadLine: settings.onBadLine });
  const encode = ({ id, messages }: Instruction) => {
    const prompt = messages.slice(0, -1);
    const completions = [messages.at(-1)!.content];
    return encodeComparison({ id, prompt, completions, ranks: [0] }, template, reading).answers[0]!;
  };
  const { encoded, refusal } = encodeRows(rows, encode, { ...settings, counts });
  const fitting = encoded.filter(({ tokens }) => tokens.length <= context);
  if (fitting.length > 0) return { answers: fitting, note: counts.describe() };
  if (encoded.length === 0 && refusal) throw refusal;
  throw new AthanorError(
    'ERR_ARGUMENT',
    `${path} has no answer of at most ${context} tokens to normalize on`,
    'raise `context`, or give other instructions to `normalize`',
  );
}
