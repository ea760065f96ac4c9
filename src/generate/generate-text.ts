/** Text out, and text in: tokenizing, stop strings and streaming around generate(). */
import { AthanorError } from '../base/errors.ts';
import type { Gpt } from '../nn/gpt.ts';
import type { StreamDecoder } from '../text/stream-decoder.ts';
import type { Tokenizer } from '../text/tokenizer.ts';
import { type FinishReason, type GenerateOptions, generate } from './generator.ts';

export interface TextOptions extends Omit<GenerateOptions, 'onToken'> {
  /** Strings that end the text; not part of it. */
  stopStrings?: readonly string[];
  /** Called with each new piece of text; a piece never splits a character. */
  onText?: (piece: string, prompt: number) => void;
  /** Leave special tokens out of the text. Default false. */
  skipSpecial?: boolean;
}

export type TextCompletion = {
  prompt: string;
  text: string;
  /** New tokens, with the one that ended the text. */
  tokens: number;
  finish: FinishReason;
};

/** Completes texts. Throws ERR_MISMATCH when the tokenizer has ids that the model lacks. */
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
  const stopStrings = options.stopStrings ?? [];
  const stopTokens = options.stopTokens ?? (tokenizer.eosId === undefined ? [] : [tokenizer.eosId]);
  const writers = prompts.map(() => new StopWriter(tokenizer.stream(options), stopStrings));
  const emit = (piece: string, prompt: number) => {
    if (piece !== '') options.onText?.(piece, prompt);
  };
  const completions = await generate(model, prompts, {
    ...options,
    stopTokens,
    onToken: ({ prompt, token }) => {
      if (stopTokens.includes(token)) return true;
      const writer = writers[prompt]!;
      emit(writer.push(token), prompt);
      return writer.stopped;
    },
  });
  return completions.map(({ tokens, finish }, i) => {
    const writer = writers[i]!;
    emit(writer.end(), i);
    return { text: writer.text, tokens: tokens.length, finish };
  });
}

/** The ids of a text to continue; an empty one starts a new document. */
export function promptTokens(tokenizer: Tokenizer, prompt: string): Int32Array {
  const ids = tokenizer.encode(prompt);
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

/** Holds back text that may turn out to be the beginning of a stop string. */
class StopWriter {
  text = '';
  stopped = false;
  #held = '';
  readonly #stream: StreamDecoder;
  readonly #stopStrings: readonly string[];

  constructor(stream: StreamDecoder, stopStrings: readonly string[]) {
    this.#stream = stream;
    this.#stopStrings = stopStrings.filter((stop) => stop !== '');
  }

  push(token: number): string {
    return this.#release(this.#stream.push(token), false);
  }

  end(): string {
    return this.stopped ? '' : this.#release(this.#stream.end(), true);
  }

  #release(piece: string, last: boolean): string {
    const pending = this.#held + piece;
    const stops = this.#stopStrings.map((stop) => pending.indexOf(stop)).filter((at) => at >= 0);
    this.stopped = stops.length > 0;
    const keepBack = last || this.stopped ? 0 : this.#partialStop(pending);
    const ready = this.stopped
      ? pending.slice(0, Math.min(...stops))
      : pending.slice(0, pending.length - keepBack);
    this.#held = this.stopped ? '' : pending.slice(pending.length - keepBack);
    this.text += ready;
    return ready;
  }

  /** Length of the longest suffix that begins a stop string. */
  #partialStop(text: string): number {
    let longest = 0;
    for (const stop of this.#stopStrings) {
      for (let n = Math.min(stop.length - 1, text.length); n > longest; --n) {
        if (text.endsWith(stop.slice(0, n))) longest = n;
      }
    }
    return longest;
  }
}
