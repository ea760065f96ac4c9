/** Best-of-n answers as text, with a reward model folder as the judge. */

import type { GenerateOptions } from '../generate/generate.ts';
import type { FinishReason } from '../generate/sequence.ts';
import type { DType } from '../native/binding.ts';
import type { Gpt } from '../nn/gpt.ts';
import type { Tokenizer } from '../text/tokenizer.ts';
import { bestOf } from './best-of.ts';
import { RewardModelSource } from './reward-source.ts';

export interface BestTextsOptions extends GenerateOptions {
  /** Answers drawn for each prompt. */
  bestOf: number;
  /** Reward model. */
  folder: string;
  dtype: DType;
}

export type BestText = {
  text: string;
  tokens: number;
  finish: FinishReason;
  reward: number;
  /** Of all answers drawn. */
  rewards: number[];
};

/** Throws ERR_MISMATCH when the reward model has another tokenizer or a shorter context, and as generate. */
export async function bestTexts(
  model: Gpt,
  tokenizer: Tokenizer,
  prompts: readonly Int32Array[],
  { bestOf: candidates, folder, dtype, ...options }: BestTextsOptions,
): Promise<BestText[]> {
  const longest = Math.max(...prompts.map(({ length }) => length)) + options.maxTokens;
  const { contextLength } = model.config;
  const judge = RewardModelSource.load(folder, tokenizer, Math.min(longest, contextLength), { dtype });
  try {
    const completions = await bestOf(model, prompts, {
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
