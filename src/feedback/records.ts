/** What a served model answered, and what people and checks said of the answers. */
import type { JsonObject, JsonValue } from '../base/json.ts';

/** One choice of an answer. */
export interface AnswerRef {
  /** The `id` that the client got, such as `chatcmpl-…`. */
  id: string;
  /** Index of the choice. */
  choice: number;
}

/** Who sent something. */
export interface Sender {
  /** Name of the API key; null on a server without keys. */
  client: string | null;
  /** The `user` that the request named, or null. */
  user: string | null;
}

/** An answer, with all that is needed to score it and to draw it again. */
export interface AnswerRecord extends AnswerRef, Sender {
  /** Milliseconds since 1970. */
  createdAt: number;
  /** Messages of a chat request as they were sent, or null. */
  messages: JsonValue[] | null;
  promptIds: readonly number[];
  /** The ids that were drawn, the one that ended the text included. */
  answerIds: readonly number[];
  /** One of each drawn id, from the model itself: at temperature 1, before filters. Nats. */
  logProbs: readonly number[];
  text: string;
  finish: string;
  /** Temperature, top-p and the like, with the seed and the stream that drew the answer. */
  sampling: JsonObject;
  modelHash: string;
  tokenizerHash: string;
}

/** What a person said of one answer. At least one of rating and correction is not null. */
export interface FeedbackRecord extends Sender {
  id: string;
  answer: AnswerRef;
  createdAt: number;
  rating: 1 | -1 | null;
  reason: string | null;
  tags: readonly string[];
  /** The text that the answer should have been. */
  correction: string | null;
}

/** What a person said of two answers to one prompt. */
export interface ComparisonRecord extends Sender {
  id: string;
  first: AnswerRef;
  second: AnswerRef;
  preferred: 'first' | 'second' | 'tie' | 'neither';
  createdAt: number;
  reason: string | null;
}

/**
 * What the checks found in one exchange. A jailbreak is a harmful response to a prompt; an
 * over-refusal is a refused prompt without harm. Null stands for what no check decided.
 */
export interface SafetyEvent extends Sender {
  id: string;
  /** Null when the prompt was refused before an answer began. */
  answer: AnswerRef | null;
  createdAt: number;
  promptHarmful: boolean | null;
  responseRefused: boolean | null;
  responseHarmful: boolean | null;
  /** Name of the check that decided, with its measured value and its threshold. */
  checks: readonly { name: string; on: 'prompt' | 'response'; value: number; threshold: number }[];
  /** The messages of a prompt that has no answer in the store. */
  messages: JsonValue[] | null;
  modelHash: string;
}
