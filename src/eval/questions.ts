/** Answers of model folders to questions, compared with the right answers. */
import { wilsonInterval } from '../base/statistics.ts';
import { loadModel } from '../checkpoint/gpt-folder.ts';
import { encodeRows, type RefusalOptions } from '../data/rows/encoded-rows.ts';
import { readInstructions } from '../data/rows/instructions.ts';
import { ChatTemplate, type Message } from '../text/chat-template.ts';
import { Tokenizer } from '../text/tokenizer.ts';
import { Answerer } from './answers.ts';
import { isCorrect, normalizeAnswer } from './exact-match.ts';
import type { AnsweringOptions, EvaluationOptions, Metrics } from './options.ts';

/** One answer of a model folder to each dialogue. */
export async function folderAnswers(
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

/** Questions with their right answers. */
export interface Questions {
  /** Dialogues that end with the question. */
  dialogues: Message[][];
  /** The right answer to each question. */
  references: string[];
}

/**
 * Reads rows as SFT does. The last answer of each row is the right one. Throws as readInstructions,
 * and as encodeRows for a question that the template of a folder refuses.
 * @param folders models that will answer
 */
export async function readQuestions(
  path: string,
  folders: readonly string[],
  { onBadLine, console }: Pick<EvaluationOptions, 'onBadLine' | 'console'>,
): Promise<Questions> {
  const { rows, counts } = await readInstructions(path, { onBadLine });
  const all = rows.map(({ id, messages }) => {
    return { id, dialogue: messages.slice(0, -1), reference: messages.at(-1)!.content };
  });
  const taken = takenBy(folders, all, { onBadLine, counts });
  const note = counts.describe();
  if (note !== '') console.note(note);
  return {
    dialogues: taken.map(({ dialogue }) => dialogue),
    references: taken.map(({ reference }) => reference),
  };
}

/** The rows whose dialogues the templates of all folders take. Throws as encodeRows. */
export function takenBy<Row extends { id: string; dialogue: readonly Message[] }>(
  folders: readonly string[],
  rows: readonly Row[],
  options: RefusalOptions,
): Row[] {
  let taken = [...rows];
  for (const folder of folders) {
    const tokenizer = Tokenizer.load(folder);
    if (tokenizer.chatTemplate === undefined) continue;
    const template = ChatTemplate.of(tokenizer);
    const check = (row: Row) => {
      template.render(row.dialogue, { addGenerationPrompt: true }, row.id);
      return row;
    };
    const { encoded, refusal } = encodeRows(taken, check, options);
    if (encoded.length === 0 && refusal) throw refusal;
    taken = encoded;
  }
  return taken;
}

/** Whether each answer names the right one. Case, accents and punctuation do not matter. */
export function correctAnswers(answers: readonly string[], { references }: Questions): boolean[] {
  return answers.map((answer, i) => isCorrect(answer, references[i]!));
}

/**
 * `accuracy` is the share of answers that name the right one, with its 95 % interval. `exact_match`
 * is the share of answers that are the right one and nothing else. Throws as readQuestions.
 */
export async function questionAccuracy(
  folder: string,
  path: string,
  options: AnsweringOptions,
): Promise<Metrics> {
  const questions = await readQuestions(path, [folder], options);
  const answers = await folderAnswers(folder, questions.dialogues, options);
  const correct = correctAnswers(answers, questions).filter(Boolean).length;
  const exact = answers.filter(
    (answer, i) => normalizeAnswer(answer) === normalizeAnswer(questions.references[i]!),
  ).length;
  const { low, high } = wilsonInterval(correct, answers.length);
  return {
    accuracy: correct / answers.length,
    accuracy_low: low,
    accuracy_high: high,
    exact_match: exact / answers.length,
    questions: answers.length,
  };
}
