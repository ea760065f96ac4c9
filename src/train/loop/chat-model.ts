/**
 * Prepares a language model for dialogue. A model without a chat template gets the default
 * template, and embeddings for its control tokens.
 */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { AthanorError } from '../../base/errors.ts';
import type { JsonObject } from '../../base/json.ts';
import { loadModel } from '../../checkpoint/gpt-folder.ts';
import type { DType } from '../../native/binding.ts';
import type { ModelConfig } from '../../nn/config.ts';
import type { WeightDType } from '../../nn/decoder.ts';
import type { Gpt } from '../../nn/gpt.ts';
import { growVocabulary } from '../../nn/grow-vocabulary.ts';
import { ChatTemplate } from '../../text/chat-template.ts';
import { CHAT_TOKENS, DEFAULT_CHAT_TEMPLATE } from '../../text/default-chat-template.ts';
import { Tokenizer } from '../../text/tokenizer.ts';
import type { RunStart } from './run-stage.ts';
import type { EpochSettings } from './settings.ts';

export interface ChatModelOptions {
  dtype: DType;
  weights?: WeightDType | undefined;
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
  if (existsSync(join(kept, 'tokenizer.json'))) {
    const tokenizer = Tokenizer.load(kept);
    return { tokenizer, template: ChatTemplate.of(tokenizer), folder: kept };
  }
  const stored = Tokenizer.load(model);
  if (stored.chatTemplate !== undefined) {
    return { tokenizer: stored, template: ChatTemplate.of(stored), folder: model };
  }
  const tokenizer = stored.withSpecialTokens(CHAT_TOKENS);
  tokenizer.chatTemplate = DEFAULT_CHAT_TEMPLATE;
  tokenizer.save(kept);
  return { tokenizer, template: ChatTemplate.of(tokenizer), folder: kept };
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

/** The settings that transformers' generate() needs to stop at the same tokens. */
export function generationConfig(template: ChatTemplate): JsonObject {
  return { eos_token_id: [...template.stopTokens] };
}

/**
 * The token with which transformers may pad shorter answers. It reads the score at the last token
 * that is not the padding token. So the padding token is never a token that ends an answer, even if
 * the tokenizer names one.
 */
export function scoringPad({ tokenizer, template }: ChatTokenizer): number | undefined {
  const [end] = template.stopTokens;
  const { padId, eosId, bosId, specialTokens } = tokenizer;
  return [padId, eosId, bosId, ...specialTokens.values()].find((id) => id !== undefined && id !== end);
}

/** Checks the settings of a stage that reads examples. Throws as checkedContext. */
export function checkEpochSettings({ context, model }: EpochSettings, start: RunStart): void {
  if (start.model) checkedContext(context, { config: start.model }, model);
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
