/**
 * A conversation with a model: what was said so far becomes tokens by the model's chat template, whole, for every answer,
 * as it was in training. What no longer fits into the context is forgotten from the oldest turn on.
 */
import { AthanorError } from '../base/errors.ts';
import type { Gpt } from '../nn/gpt.ts';
import type { ChatTemplate, Message } from '../text/chat-template.ts';
import type { Tokenizer } from '../text/tokenizer.ts';
import { continueTokens, type TextOptions } from './generate-text.ts';
import type { FinishReason } from './generator.ts';

export interface ConversationOptions extends Omit<TextOptions, 'onText' | 'signal' | 'batchSize'> {
  /** What the system message says; without, there is none. */
  system?: string | undefined;
}

export interface AnswerOptions {
  onText?: (piece: string) => void;
  /** Ends the answer where it is. */
  signal?: AbortSignal;
}

export type Answer = {
  text: string;
  /** New tokens, with the one that ended the answer. */
  tokens: number;
  finish: FinishReason;
  /** Messages forgotten before this answer. */
  forgotten: number;
};

export class Conversation {
  readonly #model: Gpt;
  readonly #tokenizer: Tokenizer;
  readonly #template: ChatTemplate;
  readonly #options: ConversationOptions;
  #system: string | undefined;
  #messages: Message[] = [];

  /** Answers end at the template's stop tokens unless the options name others. */
  constructor(model: Gpt, tokenizer: Tokenizer, template: ChatTemplate, options: ConversationOptions) {
    this.#model = model;
    this.#tokenizer = tokenizer;
    this.#template = template;
    this.#options = { stopTokens: template.stopTokens, ...options };
    this.#system = options.system;
  }

  /** What the model is told next time, without what was forgotten. */
  get messages(): readonly Message[] {
    const system: Message[] = this.#system === undefined ? [] : [{ role: 'system', content: this.#system }];
    return [...system, ...this.#messages];
  }

  /** Forgets all turns; the system message stays. */
  reset(): void {
    this.#messages = [];
  }

  /** Sets the system message, or with an empty text takes it away, and forgets all turns. */
  setSystem(text: string): void {
    this.#system = text === '' ? undefined : text;
    this.reset();
  }

  /**
   * Answers a message. Throws ERR_ARGUMENT for one that does not fit into the context alone, ERR_CONFIG when the
   * template refuses it; the conversation is then as it was.
   */
  async answer(text: string, { onText, signal }: AnswerOptions = {}): Promise<Answer> {
    const before = this.#messages;
    this.#messages = [...before, { role: 'user', content: text }];
    try {
      const prompt = this.#fittingPrompt();
      const forgotten = before.length + 1 - this.#messages.length;
      const [completion] = await continueTokens(this.#model, this.#tokenizer, [prompt], {
        ...this.#options,
        skipSpecial: true,
        ...(onText && { onText }),
        ...(signal && { signal }),
      });
      this.#messages.push({ role: 'assistant', content: completion!.text });
      return { ...completion!, forgotten };
    } catch (error) {
      this.#messages = before;
      throw error;
    }
  }

  /** Forgets a question and its answer at a time until an answer has room: as long as it may be, or half of the context. */
  #fittingPrompt(): Int32Array {
    const { contextLength } = this.#model.config;
    const room = Math.min(this.#options.maxTokens, Math.floor(contextLength / 2));
    let prompt = this.#template.encodePrompt(this.messages);
    while (prompt.length + room > contextLength && this.#messages.length > 1) {
      this.#messages = this.#messages.slice(2);
      prompt = this.#template.encodePrompt(this.messages);
    }
    if (prompt.length < contextLength) return prompt;
    throw new AthanorError(
      'ERR_ARGUMENT',
      `the message comes to ${prompt.length} tokens and the model's context is ${contextLength}`,
      'shorten the message or the system message',
    );
  }
}
