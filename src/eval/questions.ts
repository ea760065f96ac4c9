/** Answers of model folders to questions, and whether they are right. */

import { wilsonInterval } from '../base/statistics.ts';
import { loadModel } from '../checkpoint/gpt-folder.ts';
import { type Instruction, readInstructions } from '../data/rows/instructions.ts';
import type { Message } from '../text/chat-template.ts';
import { Tokenizer } from '../text/tokenizer.ts';
import { Answerer } from './answers.ts';
import { isCorrect, normalizeAnswer } from './exact-match.ts';
import type { AnsweringOptions } from './options.ts';

/** One answer to each dialogue. */
export async function answersOf(
  folder: string,
  dialogues: readonly (readonly Message[])[],
  options: AnsweringOptions,
): Promise<string[]> {
  const model = loadModel(folder, { dtype: options.dtype });
  try {
    return await new Answerer(model, Tokenizer.load(folder)).answer(dialogues, options);
  } finally {
    model.dispose();
  }
}

export interface Questions {
  dialogues: Message[][];
  /** The right answer to each. */
  references: string[];
  notes: string[];
}

/** Rows as for sft: the last answer of each is the right one. Throws as readInstructions. */
export async function readQuestions(path: string, { onBadLine }: AnsweringOptions): Promise<Questions> {
  const { rows, counts } = await readInstructions(path, { onBadLine });
  const last = ({ messages }: Instruction) => messages.at(-1)!.content;
  return {
    dialogues: rows.map(({ messages }) => messages.slice(0, -1)),
    references: rows.map(last),
    notes: [counts.describe()].filter((note) => note !== ''),
  };
}

/** Whether each answer names the right one; case, accents and punctuation aside. */
export function rightOf(answers: readonly string[], { references }: Questions): boolean[] {
  return answers.map((answer, i) => isCorrect(answer, references[i]!));
}

/**
 * `accuracy` is the share of answers in which the right one is named, `exact_match` of those that say it and nothing else.
 */
export async function exactMatch(folder: string, path: string, options: AnsweringOptions) {
  const questions = await readQuestions(path, options);
  const answers = await answersOf(folder, questions.dialogues, options);
  const right = rightOf(answers, questions).filter(Boolean).length;
  const same = answers.filter(
    (answer, i) => normalizeAnswer(answer) === normalizeAnswer(questions.references[i]!),
  ).length;
  const { low, high } = wilsonInterval(right, answers.length);
  const metrics = {
    accuracy: right / answers.length,
    accuracy_low: low,
    accuracy_high: high,
    exact_match: same / answers.length,
    questions: answers.length,
  };
  return { metrics, notes: questions.notes };
}
