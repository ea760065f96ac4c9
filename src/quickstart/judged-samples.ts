/**
 * Comparisons of a model's own answers, as InstructGPT's labellers made them, but judged by a declared rule: what the
 * policy will say is what the reward model must be able to tell apart.
 */

import type { JsonObject } from '../base/json.ts';
import { Answerer } from '../eval/answers.ts';
import { isCorrect } from '../eval/exact-match.ts';
import type { Gpt } from '../nn/gpt.ts';
import type { Tokenizer } from '../text/tokenizer.ts';
import type { Question } from './factbook/task.ts';

export interface JudgedSamplesOptions {
  /** Answers to each question. */
  samples: number;
  maxTokens: number;
  temperature: number;
  seed: number;
}

/** Rankings of the right answer and sampled ones; a question whose answers are all right or all wrong teaches nothing. */
export async function judgedSamples(
  model: Gpt,
  tokenizer: Tokenizer,
  questions: readonly Question[],
  values: ReadonlyMap<string, readonly string[]>,
  { samples, ...sampling }: JudgedSamplesOptions,
): Promise<JsonObject[]> {
  const dialogues = questions.flatMap(({ question }) =>
    Array.from({ length: samples }, () => [{ role: 'user', content: question }]),
  );
  const texts = await new Answerer(model, tokenizer).answer(dialogues, { ...sampling, batchSize: 64 });
  return questions.flatMap(({ question, answer, sentence, relation, country }, i) => {
    const own = texts.slice(i * samples, (i + 1) * samples).filter((text) => /\S/.test(text));
    const completions = [...new Set([sentence, ...own])];
    const ranks = completions.map((text) => (isCorrect(text, answer, values.get(relation), country) ? 0 : 1));
    if (!ranks.includes(0) || !ranks.includes(1)) return [];
    return [{ prompt: question, completions, ranks, source: 'rule' }];
  });
}
