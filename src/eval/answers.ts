/**
 * Answers of a model to questions. A model with a chat template answers; a base model
 * continues the question.
 */
import { generate } from '../generate/generate.ts';
import type { SamplingOptions } from '../generate/sampling.ts';
import type { Gpt } from '../nn/gpt.ts';
import { type BestOfOptions, bestOf } from '../scoring/best-of.ts';
import { ChatTemplate, type Message } from '../text/chat-template.ts';
import type { Tokenizer } from '../text/tokenizer.ts';

export interface AnswerOptions extends SamplingOptions {
  /** Largest number of new tokens per answer. */
  maxTokens: number;
  /** Answers to decode at the same time. */
  batchSize?: number;
  /** Draws several answers to each question and takes the best one. Default: draws one answer. */
  best?: Pick<BestOfOptions, 'candidates' | 'score'> | undefined;
}

export class Answerer {
  readonly #model: Gpt;
  readonly #tokenizer: Tokenizer;
  readonly #template: ChatTemplate | undefined;

  constructor(model: Gpt, tokenizer: Tokenizer) {
    this.#model = model;
    this.#tokenizer = tokenizer;
    this.#template = tokenizer.chatTemplate === undefined ? undefined : ChatTemplate.of(tokenizer);
  }

  /** One answer to each dialogue. */
  async answer(
    dialogues: readonly (readonly Message[])[],
    { best, ...sampling }: AnswerOptions,
  ): Promise<string[]> {
    const eos = this.#tokenizer.eosId;
    const stopTokens = this.#template?.stopTokens ?? (eos === undefined ? [] : [eos]);
    const prompts = dialogues.map((messages) => this.#prompt(messages));
    const suppressTokens = this.#tokenizer.unusedIds(this.#model.config.vocabSize);
    const options = { ...sampling, stopTokens, suppressTokens };
    const completions = best
      ? await bestOf(this.#model, prompts, { ...options, ...best })
      : await generate(this.#model, prompts, options);
    return completions.map(({ tokens }) => {
      const text = this.#tokenizer.decode(tokens, { skipSpecial: true });
      return this.#template ? text : firstSentence(text);
    });
  }

  #prompt(messages: readonly Message[]): Int32Array {
    if (this.#template) return this.#template.encodePrompt(messages);
    const text = messages.map(({ content }) => content).join('\n');
    return this.#tokenizer.encode(text, { addSpecialTokens: true });
  }
}

/** A base model never stops by itself, so its first sentence counts as the answer. */
function firstSentence(text: string): string {
  return /^\s*[^\n]*?[.!?](?=\s|$)/.exec(text)?.[0].trim() ?? text.split('\n')[0]!.trim();
}
