/**
 * What a source of rewards gets and gives; reward-model.ts and reward-function.ts are
 * the two kinds.
 */
import type { JsonObject } from '../base/json.ts';

/** A response to be scored. */
export interface Answer {
  /** Prompt and response, the response up to its stop token or the limit. */
  tokens: Int32Array;
  /** The last user message. */
  prompt: string;
  /** The response as text, without control tokens. */
  response: string;
  /** The prompt's row of the data, with all of its fields. */
  row: JsonObject;
}

export interface RewardSource {
  /** One score per answer; a higher one is better. */
  score(answers: readonly Answer[]): Promise<Float32Array>;
  /** Frees what the source holds. */
  dispose(): void;
}
