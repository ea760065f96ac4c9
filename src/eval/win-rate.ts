/** Compares two models on the same prompts. A reward model or the right answers are the judge. */
import { AthanorError } from '../base/errors.ts';
import { mean, pairedBootstrap } from '../base/statistics.ts';
import { loadScoringModel, scoreReading } from '../checkpoint/gpt-folder.ts';
import { readPrompts } from '../data/rows/prompts.ts';
import { encodeComparison } from '../scoring/encoded-comparisons.ts';
import { scoreAll } from '../scoring/reward-model.ts';
import { readingWarning } from '../scoring/score-reading.ts';
import { ChatTemplate, type Message } from '../text/chat-template.ts';
import { Tokenizer } from '../text/tokenizer.ts';
import type { AnsweringOptions, Metrics } from './options.ts';
import { correctAnswers, folderAnswers, readQuestions, takenBy } from './questions.ts';

/**
 * Files of rows. `questions` have right answers. `prompts` have none, and the reward model in the
 * folder `reward` is the judge.
 */
export type WinRateJudge = { questions: string } | { prompts: string; reward: string };

/**
 * `win_rate` is the share of prompts on which the model in folder `model` gives the better answer;
 * ties count half. It has a 95 % interval over prompts. Throws as readPrompts and readInstructions.
 */
export async function winRate(
  model: string,
  against: string,
  judge: WinRateJudge,
  options: AnsweringOptions,
): Promise<Metrics> {
  const { points, others, names } =
    'questions' in judge
      ? await byReference(model, against, judge.questions, options)
      : await byReward(model, against, judge, options);
  const won = points.map((point, i) => (point > others[i]! ? 1 : point < others[i]! ? 0 : 0.5));
  const { low, high } = pairedBootstrap(
    won,
    won.map((share) => 1 - share),
    { seed: options.seed },
  );
  return {
    win_rate: mean(won),
    // The interval is that of the difference, which lies between -1 and 1.
    win_rate_low: (low + 1) / 2,
    win_rate_high: (high + 1) / 2,
    wins: won.filter((share) => share === 1).length,
    ties: won.filter((share) => share === 0.5).length,
    losses: won.filter((share) => share === 0).length,
    [names[0]]: mean(points),
    [names[1]]: mean(others),
  };
}

/** Points of each answer of the two models. */
interface Judged {
  points: number[];
  others: number[];
  /** Names of the means of the two models. */
  names: readonly [string, string];
}

async function byReference(
  model: string,
  against: string,
  path: string,
  options: AnsweringOptions,
): Promise<Judged> {
  const questions = await readQuestions(path, [model, against], options);
  const pointsOf = async (folder: string) =>
    correctAnswers(await folderAnswers(folder, questions.dialogues, options), questions).map(Number);
  const names = ['accuracy', 'against_accuracy'] as const;
  return { points: await pointsOf(model), others: await pointsOf(against), names };
}

async function byReward(
  model: string,
  against: string,
  { prompts, reward }: { prompts: string; reward: string },
  options: AnsweringOptions,
): Promise<Judged> {
  const { rows, counts } = await readPrompts(prompts, options);
  const all = rows.map(({ id, messages }) => ({ id, dialogue: messages }));
  const { onBadLine } = options;
  const taken = takenBy([model, against, reward], all, { onBadLine, counts });
  const dialogues = taken.map(({ dialogue }) => dialogue);
  const scored = async (folder: string) =>
    rewardsOf(reward, dialogues, await folderAnswers(folder, dialogues, options), options);
  const note = counts.describe();
  if (note !== '') options.console.note(note);
  const warning = readingWarning(reward, scoreReading(reward), ChatTemplate.of(Tokenizer.load(reward)));
  if (warning !== undefined) options.console.warn(warning);
  const names = ['reward', 'against_reward'] as const;
  return { points: await scored(model), others: await scored(against), names };
}

/**
 * The scores of answers by the reward model in `folder`. The judge reads answers with its own
 * tokenizer and template, so the models may have others.
 */
export function rewardsOf(
  folder: string,
  dialogues: readonly Message[][],
  answers: readonly string[],
  { dtype }: Pick<AnsweringOptions, 'dtype'>,
): number[] {
  const template = ChatTemplate.of(Tokenizer.load(folder));
  const judge = loadScoringModel(folder, { dtype });
  try {
    const sequences = dialogues.map((prompt, i) => {
      const comparison = { id: '', prompt, completions: [answers[i]!], ranks: [0] };
      return encodeComparison(comparison, template, judge.reading).answers[0]!.tokens;
    });
    const { contextLength } = judge.config;
    const longest = Math.max(...sequences.map(({ length }) => length));
    if (longest > contextLength) {
      throw new AthanorError(
        'ERR_MISMATCH',
        `a prompt with its answer can have ${longest} tokens, but the context of the reward model in ${folder} is ${contextLength}`,
        'lower `maxTokens`, or use a reward model with a longer context',
      );
    }
    return scoreAll(judge, sequences);
  } finally {
    judge.dispose();
  }
}
