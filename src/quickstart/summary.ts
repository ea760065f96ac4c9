/** The pipeline's state as rows, for the terminal, the page and docs/results.md. */
import type { Figure } from '../report/figures.ts';
import { exactCount, formatCount, formatDuration } from '../report/format.ts';
import type { ReportTable } from '../report/sections/section.ts';
import type { TrainingRecord } from '../train/loop/training-record.ts';
import type { PartState, PipelineState } from './run-progress.ts';
import type { ScoreboardRow, WinRate } from './scoreboard.ts';

const percent = (share: number) => `${(100 * share).toFixed(1)} %`;

export const scoreboardColumns = [
  'model',
  'bits per byte',
  'new wordings, greedy',
  'new wordings, sampled',
  'new facts, greedy',
  'new facts, sampled',
  'reward',
  'KL to SFT',
  'wins over the stage before',
];

/** The cells of one model; a dash where a figure is missing. */
export function scoreboardCells({ reward, kl, winRate, ...row }: ScoreboardRow): string[] {
  return [
    row.model,
    row.bitsPerByte.toFixed(3),
    percent(row.phrasingsGreedy),
    percent(row.phrasingsSampled),
    percent(row.factsGreedy),
    percent(row.factsSampled),
    reward === undefined ? '–' : reward.toFixed(2),
    kl === undefined ? '–' : kl.toFixed(2),
    winRate === undefined ? '–' : winRateCell(winRate),
  ];
}

const FEW = 10;

function winRateCell({ decided, share }: WinRate): string {
  if (share === undefined) return 'no question decided';
  // The interval of so few would cover nearly every share.
  if (decided < FEW) return `${Math.round(share.value * decided)} of ${decided} decided`;
  return `${percent(share.value)} of ${decided} (${percent(share.low)} to ${percent(share.high)})`;
}

export function scoreboardTable({ rows }: Pick<PipelineState, 'rows'>): ReportTable {
  return {
    title: 'After each stage',
    columns: scoreboardColumns,
    rows: rows.map(scoreboardCells),
    note: SCOREBOARD_NOTE,
  };
}

const SCOREBOARD_NOTE = [
  'Right answers to questions that no stage was trained on: facts of the fine-tuning data in new wordings, and facts that',
  'fine-tuning never asked for. An answer is right when it names what was asked about, the value, and no other value.',
  'Reward is the reward model’s, of sampled answers to new wordings, which the reward model has not seen either. A win is a',
  'question where this model’s sampled answer is right and that of the stage before is wrong, as a share of the questions',
  'where just one of them is right.',
].join(' ');

/** The shown questions with the answers of every model so far. */
export function answersTable({ questions, rows }: Pick<PipelineState, 'questions' | 'rows'>): ReportTable {
  return {
    title: 'The same questions, answered by every model',
    columns: ['question', 'right answer', ...rows.map(({ model }) => model)],
    rows: questions.map(({ question, answer }, i) => [
      question,
      answer,
      ...rows.map(({ shown, shownRight }) => ({
        text: shown[i]!.trim() === '' ? '(empty)' : shown[i]!,
        isRight: shownRight[i]!,
      })),
    ]),
    note: 'Greedy answers; best of 8 is what the reward model chose among sampled ones.',
  };
}

/**
 * The right answers of every model so far, as bars: sampled and greedy, of both kinds of questions.
 */
export function rightAnswerFigures({ rows }: Pick<PipelineState, 'rows'>): Figure[] {
  const figure = (title: string, shares: (row: ScoreboardRow) => readonly number[]): Figure => ({
    kind: 'shares',
    title,
    unit: 'share of right answers',
    series: ['sampled', 'greedy'],
    rows: rows.map((row) => ({ label: row.model, values: shares(row) })),
  });
  return [
    figure('Questions in new wordings', (row) => [row.phrasingsSampled, row.phrasingsGreedy]),
    figure('Questions about new facts', (row) => [row.factsSampled, row.factsGreedy]),
  ];
}

/** The cards on top of the page: the results, and before the end the progress of the run. */
export function pipelineCards(state: PipelineState): [string, string][] {
  const { parts, rows, seconds, secondsLeft } = state;
  const done = parts.filter(({ status }) => status === 'done').length;
  const accuracy = parts.find(({ name }) => name === 'reward')?.report?.val_accuracy;
  const deviation = parts.find(({ name }) => name === 'ppo')?.report?.ratio_max_deviation;
  const kl = rows.find(({ model }) => model === 'PPO')?.kl;
  const cards: [string, string][] = rows
    .filter(({ model }) => ['base', 'SFT', 'PPO'].includes(model))
    .map(({ model, phrasingsSampled }) => [`Right answers, sampled: ${model}`, percent(phrasingsSampled)]);
  if (typeof accuracy === 'number') cards.push(['Reward model, held out', percent(accuracy)]);
  if (kl !== undefined) cards.push(['KL of PPO to SFT', `${kl.toFixed(2)} nats`]);
  if (deviation !== undefined) cards.push(['Largest deviation of the first ratios from 1', `${deviation}`]);
  if (done === parts.length) return [...cards, ['Time', formatDuration(seconds)]];
  const left: [string, string] = parts.some(({ status }) => status === 'stopped')
    ? ['Stopped after', formatDuration(seconds)]
    : ['Time left', `about ${formatDuration(secondsLeft)}`];
  return [['Parts done', `${done} of ${parts.length}`], left, ...cards];
}

/** Each part of the run: its result or its expected time, with links to the pages of the stages. */
export function partsTable({ parts }: Pick<PipelineState, 'parts'>): ReportTable {
  return {
    title: 'Parts of the run',
    columns: ['part', 'state', 'time', 'steps', 'tokens', 'tokens per second', 'on held-out data', 'report'],
    rows: parts.map((part) => {
      const { name, title, status, report } = part;
      const figures = report
        ? [
            exactCount(report.step),
            formatCount(report.tokens),
            formatCount(report.tokens_per_second),
            heldOut[name]?.(report) ?? '–',
          ]
        : ['–', '–', '–', '–'];
      const isStage = name in heldOut && status !== 'waiting';
      const link = isStage ? { text: 'charts', href: `${name}/report.html` } : '–';
      return [title, status, timeOf(part), ...figures, link];
    }),
  };
}

function timeOf({ secondsTaken, seconds }: PartState): string {
  return secondsTaken === undefined ? `about ${formatDuration(seconds)}` : formatDuration(secondsTaken);
}

/** The line on the terminal when a part begins. */
export function partLine({ parts, secondsLeft }: PipelineState, running: PartState): string {
  const place = `${parts.indexOf(running) + 1} of ${parts.length}`;
  return `— ${place}: ${running.title} (about ${formatDuration(secondsLeft)} left)`;
}

const heldOut: Record<string, (report: TrainingRecord) => string> = {
  pretrain: ({ val_loss, bits_per_byte }) => `loss ${fixed(val_loss)}, ${fixed(bits_per_byte)} bits per byte`,
  sft: ({ val_loss }) => `loss ${fixed(val_loss)}`,
  reward: ({ val_accuracy, val_accuracy_low, val_accuracy_high }) =>
    `${percent(Number(val_accuracy))} of pairs in the right order (${percent(Number(val_accuracy_low))} to ${percent(Number(val_accuracy_high))})`,
  ppo: ({ val_reward, val_kl }) => `reward ${fixed(val_reward)}, KL ${fixed(val_kl)} nats`,
};

const fixed = (value: unknown) => (typeof value === 'number' ? value.toFixed(3) : '–');

/**
 * The record with the names of --json. It is a type, so that the compiler accepts it as
 * a JSON object.
 */
export type ScoreboardRecord = {
  model: string;
  bits_per_byte: number;
  accuracy_new_wordings_greedy: number;
  accuracy_new_wordings_sampled: number;
  accuracy_new_facts_greedy: number;
  accuracy_new_facts_sampled: number;
  reward: number | null;
  kl: number | null;
  win_rate: number | null;
  win_rate_low: number | null;
  win_rate_high: number | null;
  win_rate_decided: number | null;
  answers: string[];
};

export function scoreboardRecord(row: ScoreboardRow): ScoreboardRecord {
  const { winRate } = row;
  return {
    model: row.model,
    bits_per_byte: row.bitsPerByte,
    accuracy_new_wordings_greedy: row.phrasingsGreedy,
    accuracy_new_wordings_sampled: row.phrasingsSampled,
    accuracy_new_facts_greedy: row.factsGreedy,
    accuracy_new_facts_sampled: row.factsSampled,
    reward: row.reward ?? null,
    kl: row.kl ?? null,
    win_rate: winRate?.share?.value ?? null,
    win_rate_low: winRate?.share?.low ?? null,
    win_rate_high: winRate?.share?.high ?? null,
    win_rate_decided: winRate?.decided ?? null,
    answers: row.shown,
  };
}

/** Columns separated by spaces, for the terminal. */
export function plainTable(columns: readonly string[], rows: readonly (readonly string[])[]): string {
  const widths = columns.map((column, i) => Math.max(column.length, ...rows.map((row) => row[i]!.length)));
  return [columns, ...rows]
    .map((row) =>
      row
        .map((cell, i) => cell.padEnd(widths[i]!))
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
}
