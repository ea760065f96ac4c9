/**
 * A conversation with a model. For every answer the model's chat template turns the
 * whole conversation into tokens, as in training. When the context is full, the oldest
 * turns are forgotten.
 *
 * answer() generates by itself, for a terminal. A server that holds many conversations uses its two
 * halves instead: ask() gives a prompt for a Batch, and end() of the turn takes the answer that the
 * request's TextStream has collected. Only end() changes the conversation, so a request that is
 * cancelled or fails leaves no trace.
 */
import { AthanorError } from '../base/errors.ts';
import type { Gpt } from '../nn/gpt.ts';
import type { ChatTemplate, Message } from '../text/chat-template.ts';
import type { Tokenizer } from '../text/tokenizer.ts';
import { continueTokens, type TextOptions } from './generate-text.ts';
import type { FinishReason } from './sequence.ts';

/** How a conversation begins, and how its answers are sampled. */
export interface ConversationOptions extends Omit<TextOptions, 'onText' | 'signal' | 'batchSize'> {
  /** Text of the system message; without it, there is none. */
  system?: string | undefined;
}

/** Options of one answer. */
export interface AnswerOptions {
  onText?: (piece: string) => void;
  /** Once aborted, the answer ends as it is. */
  signal?: AbortSignal;
}

/** An answer of the model. */
export type Answer = {
  text: string;
  /** Number of new tokens, including the one that ended the answer. */
  tokens: number;
  finish: FinishReason;
  /** Number of messages that were forgotten before this answer. */
  forgotten: number;
};

/** A message that waits for its answer. */
export interface Turn {
  /** The conversation as tokens, up to the beginning of the answer. */
  prompt: Int32Array;
  /** Number of messages that did not fit into the prompt. */
  forgotten: number;
  /** Adds the message and the answer to the conversation. */
  end(answer: string): void;
}

/**
 * A dialogue with a model. It keeps the messages, and forgets the oldest when the context is full.
 */
export class Conversation {
  readonly #model: Gpt;
  readonly #tokenizer: Tokenizer;
  readonly #template: ChatTemplate;
  readonly #options: ConversationOptions;
  #system: string | undefined;
  #messages: readonly Message[] = [];

  /** Answers end at the template's stop tokens, unless the options give others. */
  constructor(model: Gpt, tokenizer: Tokenizer, template: ChatTemplate, options: ConversationOptions) {
    this.#model = model;
    this.#tokenizer = tokenizer;
    this.#template = template;
    this.#options = { stopTokens: template.stopTokens, ...options };
    this.#system = options.system;
  }

  /** The messages that the model still reads, without the forgotten ones. */
  get messages(): readonly Message[] {
    return this.#withSystem(this.#messages);
  }

  /** Forgets all turns; the system message stays. */
  reset(): void {
    this.#messages = [];
  }

  /** Sets the system message, or removes it if the text is empty, and forgets all turns. */
  setSystem(text: string): void {
    this.#system = text === '' ? undefined : text;
    this.reset();
  }

  /**
   * Begins the turn of this message. It must end before the next one begins. Throws
   * ERR_ARGUMENT for a message that does not fit into the context even alone, ERR_CONFIG when
   * the template refuses it.
   */
  ask(text: string): Turn {
    const asked: Message[] = [...this.#messages, { role: 'user', content: text }];
    const { messages, prompt } = this.#fitting(asked);
    return {
      prompt,
      forgotten: asked.length - messages.length,
      end: (answer) => {
        this.#messages = [...messages, { role: 'assistant', content: answer }];
      },
    };
  }

  /** Answers a message. Throws as ask; the conversation does not change then. */
  async answer(text: string, { onText, signal }: AnswerOptions = {}): Promise<Answer> {
    const turn = this.ask(text);
    const [completion] = await continueTokens(this.#model, this.#tokenizer, [turn.prompt], {
      ...this.#options,
      skipSpecial: true,
      ...(onText && { onText }),
      ...(signal && { signal }),
    });
    turn.end(completion!.text);
    return { ...completion!, forgotten: turn.forgotten };
  }

  #withSystem(messages: readonly Message[]): readonly Message[] {
    return this.#system === undefined ? messages : [{ role: 'system', content: this.#system }, ...messages];
  }

  /**
   * Removes the oldest question and its answer until there is room for an answer of maxTokens, or
   * of half the context if that is less.
   */
  #fitting(asked: readonly Message[]): { messages: readonly Message[]; prompt: Int32Array } {
    const { contextLength } = this.#model.config;
    const room = Math.min(this.#options.maxTokens, Math.floor(contextLength / 2));
    let messages = asked;
    let prompt = this.#template.encodePrompt(this.#withSystem(messages));
    while (prompt.length + room > contextLength && messages.length > 1) {
      messages = messages.slice(2);
      prompt = this.#template.encodePrompt(this.#withSystem(messages));
    }
    if (prompt.length < contextLength) return { messages, prompt };
    throw new AthanorError(
      'ERR_ARGUMENT',
      `the message has ${prompt.length} tokens with its template, but the model's context is ${contextLength}`,
      'shorten the message or the system message',
    );
  }
}
