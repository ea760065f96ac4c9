/**
 * The interface of a source of rewards. The two kinds are in
 * reward-model.ts and reward-function.ts.
 */
import type { JsonObject } from '../base/json.ts';

/** A response to be scored. */
export interface Answer {
  /** File and line of the prompt's row, for messages. */
  id: string;
  /**
   * The tokens of prompt and response. The response ends with its stop token or at
   * the length limit.
   */
  tokens: Int32Array;
  /** The last user message. */
  prompt: string;
  /** The response as text, without control tokens. */
  response: string;
  /** The prompt's row of the data, with all its fields. */
  row: JsonObject;
}

/** Scores answers: a reward model or a reward function. */
export interface RewardSource {
  /** One score per answer; higher is better. */
  score(answers: readonly Answer[]): Promise<Float32Array>;
  /** Frees the memory of the source. */
  dispose(): void;
}
