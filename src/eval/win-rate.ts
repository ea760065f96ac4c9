/** One model against another on the same prompts, judged by a reward model or by the right answers. */

import { AthanorError } from '../base/errors.ts';
import { mean, pairedBootstrap } from '../base/statistics.ts';
import { loadScoringModel } from '../checkpoint/gpt-folder.ts';
import { readPrompts } from '../data/rows/prompts.ts';
import { encodeComparison } from '../scoring/encoded-comparisons.ts';
import { scoreAll } from '../scoring/reward-model.ts';
import { ChatTemplate, type Message } from '../text/chat-template.ts';
import { Tokenizer } from '../text/tokenizer.ts';
import type { AnsweringOptions } from './options.ts';
import { answersOf, readQuestions, rightOf } from './questions.ts';

/** `questions` have right answers; `prompts` have none, and `reward`, a model folder, judges. */
export type WinRateJudge = { questions: string } | { prompts: string; reward: string };

/**
 * Share of prompts on which the answer of `model` is the better one, ties counted half, with a 95 % interval over prompts.
 * Throws as readPrompts and readInstructions.
 */
export async function winRate(
  model: string,
  against: string,
  judge: WinRateJudge,
  options: AnsweringOptions,
) {
  const { points, others, notes, names } =
    'questions' in judge
      ? await byReference(model, against, judge.questions, options)
      : await byReward(model, against, judge, options);
  const won = points.map((point, i) => (point > others[i]! ? 1 : point < others[i]! ? 0 : 0.5));
  const { low, high } = pairedBootstrap(
    won,
    won.map((share) => 1 - share),
    { seed: options.seed },
  );
  const metrics = {
    win_rate: mean(won),
    // The bootstrap is of the difference, from -1 to 1.
    win_rate_low: (low + 1) / 2,
    win_rate_high: (high + 1) / 2,
    wins: won.filter((share) => share === 1).length,
    ties: won.filter((share) => share === 0.5).length,
    losses: won.filter((share) => share === 0).length,
    [names[0]]: mean(points),
    [names[1]]: mean(others),
  };
  return { metrics, notes };
}

interface Judged {
  points: number[];
  others: number[];
  notes: string[];
  /** What the mean points of the two are called. */
  names: readonly [string, string];
}

async function byReference(
  model: string,
  against: string,
  path: string,
  options: AnsweringOptions,
): Promise<Judged> {
  const questions = await readQuestions(path, options);
  const pointsOf = async (folder: string) =>
    rightOf(await answersOf(folder, questions.dialogues, options), questions).map(Number);
  const names = ['accuracy', 'against_accuracy'] as const;
  return { points: await pointsOf(model), others: await pointsOf(against), notes: questions.notes, names };
}

async function byReward(
  model: string,
  against: string,
  { prompts, reward }: { prompts: string; reward: string },
  options: AnsweringOptions,
): Promise<Judged> {
  const { rows, counts } = await readPrompts(prompts, options);
  const dialogues = rows.map(({ messages }) => messages);
  const scored = async (folder: string) =>
    rewardsOf(reward, dialogues, await answersOf(folder, dialogues, options), options);
  const notes = [counts.describe()].filter((note) => note !== '');
  const names = ['reward', 'against_reward'] as const;
  return { points: await scored(model), others: await scored(against), notes, names };
}

/** Answers are read with the judge's own tokenizer and template, so the models may have others. */
function rewardsOf(
  folder: string,
  dialogues: readonly Message[][],
  answers: readonly string[],
  { dtype }: AnsweringOptions,
): number[] {
  const template = ChatTemplate.of(Tokenizer.load(folder));
  const judge = loadScoringModel(folder, { dtype });
  try {
    const sequences = dialogues.map((prompt, i) => {
      const comparison = { id: '', prompt, completions: [answers[i]!], ranks: [0] };
      return encodeComparison(comparison, template).answers[0]!.tokens;
    });
    const { contextLength } = judge.config;
    const longest = Math.max(...sequences.map(({ length }) => length));
    if (longest > contextLength) {
      throw new AthanorError(
        'ERR_MISMATCH',
        `prompt and answer can be ${longest} tokens and the reward model in ${folder} reads ${contextLength}`,
        'lower `maxTokens`, or judge with a reward model of a longer context',
      );
    }
    return scoreAll(judge, sequences);
  } finally {
    judge.dispose();
  }
}
