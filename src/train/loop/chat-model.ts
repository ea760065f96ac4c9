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
import type { DType } from '../../native/binding.ts';
import type { Decoder, WeightDType } from '../../nn/decoder.ts';
import type { Gpt } from '../../nn/gpt.ts';
import { growVocabulary } from '../../nn/grow-vocabulary.ts';
import { ChatTemplate } from '../../text/chat-template.ts';
import { CHAT_TOKENS, DEFAULT_CHAT_TEMPLATE } from '../../text/default-chat-template.ts';
import { Tokenizer } from '../../text/tokenizer.ts';

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
 * The token with which transformers may pad shorter answers. It reads the score at the last token
 * that is not the padding token. So the padding token is never a token that ends an answer, even if
 * the tokenizer names one.
 */
export function scoringPad({ tokenizer, template }: ChatTokenizer): number | undefined {
  const [end] = template.stopTokens;
  const { padId, eosId, bosId, specialTokens } = tokenizer;
  return [padId, eosId, bosId, ...specialTokens.values()].find((id) => id !== undefined && id !== end);
}

/** The context to use, at most that of the model. Throws ERR_MISMATCH for a longer one. */
export function checkedContext(asked: number | undefined, model: Decoder, folder: string): number {
  const { contextLength } = model.config;
  if (asked !== undefined && asked > contextLength) {
    throw new AthanorError(
      'ERR_MISMATCH',
      `\`context\` ${asked} exceeds the context of ${contextLength} of the model in ${folder}`,
      'lower `context`',
    );
  }
  return asked ?? contextLength;
}
