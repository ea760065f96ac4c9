/**
 * Prepares a language model for dialogue. A model without a chat template gets the default
 * template, and embeddings for its control tokens.
 */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { AthanorError } from '../../base/errors.ts';
import type { JsonObject } from '../../base/json.ts';
import { joinIds, readCarriedFields } from '../../checkpoint/carried-fields.ts';
import { loadModel } from '../../checkpoint/gpt-folder.ts';
import { requireFolder } from '../../checkpoint/load-model.ts';
import type { FrozenFormat } from '../../native/binding/frozen.ts';
import type { DType } from '../../native/binding.ts';
import type { ModelConfig } from '../../nn/config.ts';
import type { WeightDType } from '../../nn/decoder.ts';
import type { Gpt } from '../../nn/gpt.ts';
import { growVocabulary } from '../../nn/grow-vocabulary.ts';
import { ChatTemplate } from '../../text/chat-template.ts';
import { CHAT_TOKENS, DEFAULT_CHAT_TEMPLATE } from '../../text/default-chat-template.ts';
import { Tokenizer } from '../../text/tokenizer.ts';
import type { RunStart } from './run-stage.ts';
import type { EpochSettings, TuningSettings } from './settings.ts';

export interface ChatModelOptions {
  dtype: DType;
  weights?: WeightDType | undefined;
  frozenProjections?: FrozenFormat | undefined;
  seed: number;
  checkpointActivations: boolean;
}

export interface ChatTokenizer {
  tokenizer: Tokenizer;
  template: ChatTemplate;
  /** Folder of the tokenizer, whose files are copied into the model folder. */
  folder: string;
}

/**
 * The tokenizer of a model, with a chat template. If the template had to be added, the tokenizer is
 * stored in `<out>/tokenizer`.
 */
export function chatTokenizer(model: string, out: string): ChatTokenizer {
  const kept = join(out, 'tokenizer');
  if (hasOwnTokenizer(out)) {
    const tokenizer = Tokenizer.load(kept);
    return { tokenizer, template: ChatTemplate.of(tokenizer), folder: kept };
  }
  requireFolder(model);
  const stored = Tokenizer.load(model);
  // Of several templates none may be the default. Then ours is not what their author meant.
  if (stored.chatTemplate !== undefined || stored.otherTemplates.length > 0) {
    const template = ChatTemplate.of(stored);
    if (!Tokenizer.hasTemplateFolder(model)) return { tokenizer: stored, template, folder: model };
    stored.save(kept);
    return { tokenizer: stored, template, folder: kept };
  }
  const tokenizer = stored.withSpecialTokens(CHAT_TOKENS);
  tokenizer.chatTemplate = DEFAULT_CHAT_TEMPLATE;
  tokenizer.save(kept);
  return { tokenizer, template: ChatTemplate.of(tokenizer), folder: kept };
}

/** Whether chatTokenizer stored the tokenizer of a run. */
export function hasOwnTokenizer(out: string): boolean {
  return existsSync(join(out, 'tokenizer', 'tokenizer.json'));
}

/**
 * Loads the model of a folder, with an embedding for every token of the tokenizer.
 * Throws as loadModel.
 */
export function loadChatModel(folder: string, tokenizer: Tokenizer, options: ChatModelOptions): Gpt {
  const model = loadModel(folder, options);
  if (tokenizer.vocabSize <= model.config.vocabSize) return model;
  const grown = growVocabulary(model, tokenizer.vocabSize);
  model.dispose();
  return grown;
}

/**
 * What the configuration files of a new assistant say: all that the folder says which it starts
 * from, and the tokens that end an answer.
 */
export function folderFields(
  folder: string,
  template: ChatTemplate,
): { generationConfig: JsonObject; configFields: JsonObject; stopTokens: number[] } {
  const { config, generation } = readCarriedFields(folder);
  const stopTokens = joinIds([...template.stopTokens], generation.eos_token_id);
  return { generationConfig: { ...generation, eos_token_id: stopTokens }, configFields: config, stopTokens };
}

/**
 * The token with which transformers pads shorter answers: the tokenizer's own, else the token that
 * ends a text, as TRL chooses. Scores are read at the last other token. A tokenizer without either
 * gives a control token that the template does not write behind an answer.
 */
export function scoringPad({ tokenizer, template }: ChatTokenizer): number | undefined {
  const { padId, eosId, bosId, specialTokens } = tokenizer;
  const unused = [bosId, ...specialTokens.values()].find(
    (id) => id !== undefined && !template.ending.includes(id),
  );
  return padId ?? eosId ?? unused;
}

/**
 * Checks the settings of a stage that reads examples. Throws as checkedContext, and ERR_OPTION for
 * settings without effect.
 */
export function checkEpochSettings(settings: EpochSettings, start: RunStart): void {
  const { context, model, patience, validationSplit, evalEvery } = settings;
  if (patience > 0 && (validationSplit === 0 || evalEvery === 0)) {
    const missing = validationSplit === 0 ? '`validationSplit` is 0' : '`evalEvery` is 0';
    throw new AthanorError(
      'ERR_OPTION',
      `\`patience\` ${patience} waits for evaluations during the run, and ${missing}`,
      'leave `patience` out, or give the other a value above 0',
    );
  }
  if (start.model) checkedContext(context, { config: start.model }, model);
  checkLora(settings, start);
}

/**
 * Throws ERR_OPTION for adapters of a larger rank than the weights have, which would learn nothing
 * more and need more memory than the weights themselves; and for frozen weights without adapters.
 */
export function checkLora(
  { loraRank, baseDtype }: Pick<TuningSettings, 'loraRank' | 'baseDtype'>,
  { model }: RunStart,
): void {
  checkBase({ loraRank, baseDtype });
  if (!model || loraRank <= model.hiddenSize) return;
  throw new AthanorError(
    'ERR_OPTION',
    `\`loraRank\` ${loraRank} exceeds ${model.hiddenSize}, the width of the model`,
    'lower `loraRank`, or leave it out to train all weights',
  );
}

/** Throws ERR_OPTION for frozen weights without adapters. */
export function checkBase({ loraRank, baseDtype }: Pick<TuningSettings, 'loraRank' | 'baseDtype'>): void {
  if (baseDtype === undefined || loraRank > 0) return;
  throw new AthanorError(
    'ERR_OPTION',
    `weights in ${baseDtype} (\`baseDtype\`) do not train, and \`loraRank\` is 0`,
    'give `loraRank`, such as 16, or leave `baseDtype` out',
  );
}

/** The context to use, at most that of the model. Throws ERR_MISMATCH for a longer one. */
export function checkedContext(
  asked: number | undefined,
  { config: { contextLength } }: { readonly config: ModelConfig },
  folder: string,
): number {
  if (asked !== undefined && asked > contextLength) {
    throw new AthanorError(
      'ERR_MISMATCH',
      `\`context\` ${asked} exceeds the context of ${contextLength} of the model in ${folder}`,
      'lower `context`',
    );
  }
  return asked ?? contextLength;
}
