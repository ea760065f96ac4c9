/** Completes texts: tokenizing, stop strings and streaming around generate(). */
import { AthanorError } from '../base/errors.ts';
import type { Gpt } from '../nn/gpt.ts';
import type { Tokenizer } from '../text/tokenizer.ts';
import { type GenerateOptions, generate } from './generate.ts';
import type { FinishReason } from './sequence.ts';
import { TextStream, type TextStreamOptions } from './text-stream.ts';

/**
 * The default of `stopTokens` is the tokenizer's end-of-text token, that of `suppressTokens` the
 * ids without a token.
 */
export interface TextOptions extends Omit<GenerateOptions, 'onToken'>, TextStreamOptions {
  /** Called with each new piece of text; a piece never splits a character. */
  onText?: (piece: string, prompt: number) => void;
}

/** A completion as text. */
export type TextCompletion = {
  prompt: string;
  text: string;
  /** Number of new tokens, including the one that ended the text. */
  tokens: number;
  finish: FinishReason;
};

/**
 * Completes texts. Throws ERR_MISMATCH when the tokenizer has ids beyond the model's vocabulary.
 */
export async function generateText(
  model: Gpt,
  tokenizer: Tokenizer,
  prompts: readonly string[],
  options: TextOptions,
): Promise<TextCompletion[]> {
  const ids = prompts.map((prompt) => promptTokens(tokenizer, prompt));
  const completions = await continueTokens(model, tokenizer, ids, options);
  return completions.map((completion, i) => ({ prompt: prompts[i]!, ...completion }));
}

/** Completes token sequences with text. Throws as generateText. */
export async function continueTokens(
  model: Gpt,
  tokenizer: Tokenizer,
  prompts: readonly Int32Array[],
  options: TextOptions,
): Promise<Omit<TextCompletion, 'prompt'>[]> {
  checkVocabulary(model, tokenizer);
  const stopTokens = options.stopTokens ?? (tokenizer.eosId === undefined ? [] : [tokenizer.eosId]);
  const streams = prompts.map(() => new TextStream(tokenizer, { ...options, stopTokens }));
  const emit = (piece: string, prompt: number) => {
    if (piece !== '') options.onText?.(piece, prompt);
  };
  const completions = await generate(model, prompts, {
    suppressTokens: tokenizer.unusedIds(model.config.vocabSize),
    ...options,
    stopTokens,
    onToken: ({ prompt, token }) => {
      const stream = streams[prompt]!;
      emit(stream.push(token), prompt);
      return stream.stopped;
    },
  });
  return completions.map(({ tokens, finish }, i) => {
    const stream = streams[i]!;
    emit(stream.end(), i);
    return { text: stream.text, tokens: tokens.length, finish };
  });
}

/**
 * The ids of a text to continue, with the tokens that the tokenizer's post-processor puts around
 * it, such as a begin token. An empty text starts a new document.
 */
export function promptTokens(tokenizer: Tokenizer, prompt: string): Int32Array {
  const ids = tokenizer.encode(prompt, { addSpecialTokens: true });
  if (ids.length > 0 || tokenizer.eosId === undefined) return ids;
  return Int32Array.of(tokenizer.eosId);
}

function checkVocabulary(model: Gpt, tokenizer: Tokenizer): void {
  if (tokenizer.vocabSize <= model.config.vocabSize) return;
  throw new AthanorError(
    'ERR_MISMATCH',
    `the tokenizer has ${tokenizer.vocabSize} tokens and the model only ${model.config.vocabSize}`,
    'use the tokenizer that the model was trained with',
  );
}
