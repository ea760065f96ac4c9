import { expect, it } from 'vitest';
import type { Question } from '../../src/quickstart/factbook/task.ts';
import type { ScoreboardRow } from '../../src/quickstart/scoreboard.ts';
import {
  answersTable,
  rightAnswerFigures,
  scoreboardCells,
  scoreboardRecord,
} from '../../src/quickstart/summary.ts';

const row: ScoreboardRow = {
  model: 'base',
  bitsPerByte: 0.4,
  phrasingsGreedy: 0,
  phrasingsSampled: 0,
  factsGreedy: 0,
  factsSampled: 0,
  reward: undefined,
  kl: undefined,
  winRate: { decided: 0, share: undefined },
  shown: [],
  shownRight: [],
};

it('gives no interval where no question is decided, and no figure that is not measured', () => {
  expect(scoreboardCells(row).slice(-3)).toEqual(['–', '–', 'no question decided']);
  expect(scoreboardRecord(row)).toMatchObject({
    reward: null,
    kl: null,
    win_rate: null,
    win_rate_low: null,
    win_rate_high: null,
    win_rate_decided: 0,
  });
});

it('gives the share of decided questions with its interval', () => {
  const winRate = { decided: 40, share: { value: 0.75, low: 0.6, high: 0.86 } };
  expect(scoreboardCells({ ...row, winRate }).at(-1)).toBe('75.0 % of 40 (60.0 % to 86.0 %)');
});

it('gives counts alone where few questions are decided', () => {
  const winRate = { decided: 1, share: { value: 0, low: 0, high: 0.79 } };
  expect(scoreboardCells({ ...row, winRate }).at(-1)).toBe('0 of 1 decided');
});

it('draws the right answers of every model, and marks each shown answer', () => {
  const rows = [{ ...row, phrasingsSampled: 0.25, shown: ['Bern'], shownRight: [true] }];
  const [wordings, facts] = rightAnswerFigures({ rows });
  expect(wordings).toMatchObject({ kind: 'shares', rows: [{ label: 'base', values: [0.25, 0] }] });
  expect(facts).toMatchObject({ rows: [{ label: 'base', values: [0, 0] }] });
  const questions = [{ question: 'Capital of Switzerland?', answer: 'Bern' } as Question];
  expect(answersTable({ questions, rows }).rows).toEqual([
    ['Capital of Switzerland?', 'Bern', { text: 'Bern', isRight: true }],
  ]);
});
