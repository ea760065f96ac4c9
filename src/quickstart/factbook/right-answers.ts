/** Decides which answers to the task's questions are right. */
import { AnswerRule } from '../../eval/exact-match.ts';
import type { Question } from './task.ts';

export class RightAnswers {
  readonly #rules: ReadonlyMap<string, AnswerRule>;

  /** @param values all values of each relation; a right answer names only one of them */
  constructor(values: ReadonlyMap<string, readonly string[]>) {
    this.#rules = new Map([...values].map(([relation, list]) => [relation, new AnswerRule(list)]));
  }

  isRight({ relation, answer, country }: Question, text: string): boolean {
    return this.#rules.get(relation)!.isCorrect(text, answer, country);
  }
}
