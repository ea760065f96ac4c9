/** Best-of-n: draw several answers to each prompt, score them all, and keep the best one. */

import { concatInts } from '../base/concat.ts';
import { type GenerateOptions, generate } from '../generate/generate.ts';
import type { Completion } from '../generate/sequence.ts';
import type { Gpt } from '../nn/gpt.ts';

/** How the candidates are sampled. */
export interface BestOfOptions extends GenerateOptions {
  /** Answers to draw per prompt. */
  candidates: number;
  /** One score per sequence of prompt and answer; higher is better. */
  score: (sequences: readonly Int32Array[]) => Promise<ArrayLike<number>>;
}

/** The best of several completions. */
export interface BestCompletion extends Completion {
  /** Score of the best answer. */
  score: number;
  /** Scores of all candidates, in the order of drawing. */
  scores: number[];
}

/**
 * One answer per prompt. An answer that ended by itself is better than any answer that was cut at
 * the limit, because no reward model was trained on cut answers. Of equal scores the first answer
 * wins. Every candidate draws from its own random stream. Throws as generate.
 */
export async function bestOf(
  model: Gpt,
  prompts: readonly ArrayLike<number>[],
  { candidates, score, ...options }: BestOfOptions,
): Promise<BestCompletion[]> {
  const repeated = prompts.flatMap((prompt) => new Array<ArrayLike<number>>(candidates).fill(prompt));
  const drawn = await generate(model, repeated, options);
  const scores = await score(drawn.map(({ tokens }, i) => concatInts([repeated[i]!, tokens])));
  return prompts.map((_, prompt) => {
    const own = Array.from({ length: candidates }, (_, i) => prompt * candidates + i);
    const best = own.reduce((leader, i) => (isBetter(i, leader) ? i : leader));
    return { ...drawn[best]!, score: scores[best]!, scores: own.map((i) => scores[i]!) };
  });

  function isBetter(one: number, other: number): boolean {
    const [ended, otherEnded] = [drawn[one]!.finish === 'stop', drawn[other]!.finish === 'stop'];
    return ended === otherEnded ? scores[one]! > scores[other]! : ended;
  }
}
