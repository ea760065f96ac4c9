/** Best-of-n: several answers to each prompt, of which the one that a judge scores highest stays. */

import { concatInts } from '../base/concat.ts';
import { type GenerateOptions, generate } from '../generate/generate.ts';
import type { Completion } from '../generate/sequence.ts';
import type { Gpt } from '../nn/gpt.ts';

export interface BestOfOptions extends GenerateOptions {
  /** Answers drawn for each prompt. */
  candidates: number;
  /** One number for each sequence of prompt and answer; higher is better. */
  score: (sequences: readonly Int32Array[]) => Promise<ArrayLike<number>>;
}

export interface BestCompletion extends Completion {
  score: number;
  /** Of all candidates, in the order in which they were drawn. */
  scores: number[];
}

/**
 * An answer that ended by itself goes before any that was cut at the limit, which no reward model has seen the like of; of
 * equal scores the first stays. Every candidate draws from its own stream. Throws as generate.
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
