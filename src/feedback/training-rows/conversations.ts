/** The answers that feedback is about, with their prompts as rows have them. */
import type { JsonValue } from '../../base/json.ts';
import { BadRow, promptOf } from '../../data/rows/rows.ts';
import type { AnswerRecord, AnswerRef } from '../records.ts';
import type { FeedbackDropReason } from './funnel.ts';
import { NearDuplicates } from './near-duplicates.ts';
import { answerKey } from './source.ts';

/** A prompt that rows can have. */
export interface RowPrompt {
  /** As they were sent. */
  messages: JsonValue[];
  /** Equal for equal messages. */
  key: string;
  /** All texts, for comparisons of similarity. */
  text: string;
  /** Equal for prompts that are nearly the same, which are held out together. */
  group: number;
}

/** An answer to a conversation. */
export interface Exchange {
  key: string;
  prompt: RowPrompt;
  text: string;
}

export class Conversations {
  readonly #exchanges = new Map<string, Exchange | FeedbackDropReason>();
  readonly #prompts = new Map<string, RowPrompt | undefined>();
  readonly #groups: NearDuplicates;

  constructor(nearDuplicate: number) {
    this.#groups = new NearDuplicates(nearDuplicate);
  }

  add(record: AnswerRecord): void {
    this.#exchanges.set(answerKey(record), this.#exchange(record));
  }

  /** The answer, or why there is none to use. */
  of(ref: AnswerRef): Exchange | FeedbackDropReason {
    return this.#exchanges.get(answerKey(ref)) ?? 'unknown_answer';
  }

  /** Undefined for messages that no row can have. */
  prompt(messages: JsonValue[]): RowPrompt | undefined {
    const key = JSON.stringify(messages);
    if (this.#prompts.has(key)) return this.#prompts.get(key);
    const text = promptText(messages);
    const prompt =
      text === undefined ? undefined : { messages, key, text, group: this.#groups.place([text]).number };
    this.#prompts.set(key, prompt);
    return prompt;
  }

  #exchange(record: AnswerRecord): Exchange | FeedbackDropReason {
    if (record.messages === null) return 'not_chat';
    const prompt = this.prompt(record.messages);
    if (prompt === undefined || !/\S/.test(record.text)) return 'malformed';
    return { key: answerKey(record), prompt, text: record.text };
  }
}

function promptText(messages: JsonValue[]): string | undefined {
  try {
    return promptOf(messages, 'messages')
      .map(({ role, content }) => `${role}: ${content}`)
      .join('\n');
  } catch (error) {
    if (error instanceof BadRow) return undefined;
    throw error;
  }
}
