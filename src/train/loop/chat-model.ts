/**
 * A language model made ready for dialogue: with the chat template that it carries, or with the
 * default one and the control tokens it needs, for which the model grows.
 */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { AthanorError } from '../../base/errors.ts';
import type { JsonObject } from '../../base/json.ts';
import { loadModel } from '../../checkpoint/gpt-folder.ts';
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
  /** Where it is stored, to go along with the model. */
  folder: string;
}

/**
 * The tokenizer of a model with a chat template; one that was completed is
 * kept in `<out>/tokenizer`.
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
 * The model of a folder with a row for every token. Throws ERR_MISMATCH when it has no room
 * in its context.
 */
export function loadChatModel(folder: string, tokenizer: Tokenizer, options: ChatModelOptions): Gpt {
  const model = loadModel(folder, options);
  if (tokenizer.vocabSize <= model.config.vocabSize) return model;
  const grown = growVocabulary(model, tokenizer.vocabSize);
  model.dispose();
  return grown;
}

/** What transformers' generate() needs to stop where we do. */
export function generationConfig(template: ChatTemplate): JsonObject {
  return { eos_token_id: [...template.stopTokens] };
}

/**
 * What transformers may fill shorter answers up with. It reads a score at the last token that is
 * not this one, so it is never the token that ends an answer, whatever the tokenizer says.
 */
export function scoringPad({ tokenizer, template }: ChatTokenizer): number | undefined {
  const [end] = template.stopTokens;
  const { padId, eosId, bosId, specialTokens } = tokenizer;
  return [padId, eosId, bosId, ...specialTokens.values()].find((id) => id !== undefined && id !== end);
}

/** A context within what the model has. Throws ERR_MISMATCH. */
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
