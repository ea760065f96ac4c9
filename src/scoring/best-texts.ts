/** Best-of-n answers as text, chosen by the reward model of a folder. */

import type { GenerateOptions } from '../generate/generate.ts';
import type { FinishReason } from '../generate/sequence.ts';
import type { DType } from '../native/binding.ts';
import type { Gpt } from '../nn/gpt.ts';
import type { Tokenizer } from '../text/tokenizer.ts';
import { bestOf } from './best-of.ts';
import { RewardModelSource } from './reward-model.ts';

/** How the candidates are sampled. */
export interface BestTextsOptions extends GenerateOptions {
  /** Answers to draw per prompt. */
  bestOf: number;
  /** Folder of the reward model. */
  folder: string;
  dtype: DType;
  /** Called with what the user should know about the reward model. */
  onWarning?: (text: string) => void;
}

/** The best of several sampled texts. */
export type BestText = {
  text: string;
  /** Number of new tokens. */
  tokens: number;
  finish: FinishReason;
  /** Score of the best answer. */
  reward: number;
  /** Scores of all answers. */
  rewards: number[];
};

/**
 * One answer per prompt. Throws ERR_MISMATCH if the reward model has another tokenizer or a shorter
 * context, and as generate.
 */
export async function bestTexts(
  model: Gpt,
  tokenizer: Tokenizer,
  prompts: readonly Int32Array[],
  { bestOf: candidates, folder, dtype, onWarning, ...options }: BestTextsOptions,
): Promise<BestText[]> {
  const longest = Math.max(...prompts.map(({ length }) => length)) + options.maxTokens;
  const { contextLength } = model.config;
  const longestRead = Math.min(longest, contextLength);
  const { stopTokens } = options;
  const judge = RewardModelSource.load(folder, tokenizer, longestRead, { dtype }, stopTokens);
  if (judge.warning !== undefined) onWarning?.(judge.warning);
  try {
    const completions = await bestOf(model, prompts, {
      suppressTokens: tokenizer.unusedIds(model.config.vocabSize),
      ...options,
      candidates,
      score: (sequences) => judge.scoreSequences(sequences),
    });
    return completions.map(({ tokens, finish, score, scores }) => ({
      text: tokenizer.decode(tokens, { skipSpecial: true }),
      tokens: tokens.length,
      finish,
      reward: score,
      rewards: scores,
    }));
  } finally {
    judge.dispose();
  }
}
