/**
 * Comparisons of a model's own answers. A declared rule judges them, where InstructGPT had people.
 * The reward model must learn to tell apart the answers that the policy will give.
 */

import type { JsonObject } from '../base/json.ts';
import { Answerer } from '../eval/answers.ts';
import type { Gpt } from '../nn/gpt.ts';
import type { Tokenizer } from '../text/tokenizer.ts';
import { RightAnswers } from './factbook/right-answers.ts';
import type { Question } from './factbook/task.ts';

export interface JudgedSamplesOptions {
  /** Answers per question. */
  samples: number;
  maxTokens: number;
  temperature: number;
  seed: number;
}

/**
 * Rankings of the right answer and sampled ones. Questions whose answers are all right or all wrong
 * are left out.
 */
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
  const rule = new RightAnswers(values);
  return questions.flatMap((question, i) => {
    const own = texts.slice(i * samples, (i + 1) * samples).filter((text) => /\S/.test(text));
    const completions = [...new Set([question.sentence, ...own])];
    const ranks = completions.map((text) => (rule.isRight(question, text) ? 0 : 1));
    if (!ranks.includes(0) || !ranks.includes(1)) return [];
    return [{ prompt: question.question, completions, ranks, source: 'rule' }];
  });
}
