/** The pipeline's result as rows: for the terminal, the report and docs/results.md. */
import { exactCount, formatCount, formatDuration } from '../report/format.ts';
import type { ReportTable } from '../report/sections/section.ts';
import type { TrainingRecord } from '../train/loop/training-record.ts';
import type { PipelineResult } from './pipeline.ts';
import type { Standing } from './scoreboard.ts';

const percent = (share: number) => `${(100 * share).toFixed(1)} %`;

export const standingColumns = [
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

export function standingRow(standing: Standing): string[] {
  const { winRate, kl } = standing;
  return [
    standing.model,
    standing.bitsPerByte.toFixed(3),
    percent(standing.phrasingsGreedy),
    percent(standing.phrasingsSampled),
    percent(standing.factsGreedy),
    percent(standing.factsSampled),
    standing.reward.toFixed(2),
    kl === undefined ? '–' : kl.toFixed(2),
    winRate === undefined
      ? '–'
      : `${percent(winRate.share)} of ${winRate.decided} (${percent(winRate.low)} to ${percent(winRate.high)})`,
  ];
}

export function standingTable({ standings }: Pick<PipelineResult, 'standings'>): ReportTable {
  return {
    title: 'After each stage',
    columns: standingColumns,
    rows: standings.map(standingRow),
    note: 'Right answers to questions that no stage was trained on: facts of the fine-tuning data in new wordings, and facts that fine-tuning never asked for. An answer is right when it names what was asked about, the value, and no other value. Reward is the reward model’s, of sampled answers to new wordings, which the reward model has not seen either. A win is a question where this model’s sampled answer is right and the stage before’s is wrong, of those where just one is right.',
  };
}

/** What the whole run came to, for the top of the page. */
export function pipelineCards({ standings, stages, seconds }: PipelineResult): [string, string][] {
  const of = (model: string) => standings.find((standing) => standing.model === model)!;
  const report = (stage: string) => stages.find(({ name }) => name === stage)!.report;
  const accuracy = report('reward').val_accuracy;
  return [
    ['Right answers, sampled: base', percent(of('base').phrasingsSampled)],
    ['after SFT', percent(of('SFT').phrasingsSampled)],
    ['after PPO', percent(of('PPO').phrasingsSampled)],
    ['Reward model, held out', typeof accuracy === 'number' ? percent(accuracy) : '–'],
    ['KL of PPO to SFT', `${of('PPO').kl!.toFixed(2)} nats`],
    ['Largest deviation of the first ratios from 1', `${report('ppo').ratio_max_deviation}`],
    ['Time', formatDuration(seconds)],
  ];
}

/** How each stage went, with its own report. */
export function stageTable({ stages }: PipelineResult): ReportTable {
  return {
    title: 'Stages',
    columns: ['stage', 'steps', 'tokens', 'tokens a second', 'time', 'on held-out data', 'report'],
    rows: stages.map(({ name, report }) => [
      name,
      exactCount(report.step),
      formatCount(report.tokens),
      formatCount(report.tokens_per_second),
      formatDuration(report.seconds),
      heldOut[name]?.(report) ?? '–',
      { text: 'charts', href: `${name}/report.html` },
    ]),
  };
}

const heldOut: Record<string, (report: TrainingRecord) => string> = {
  pretrain: ({ val_loss, bits_per_byte }) => `loss ${fixed(val_loss)}, ${fixed(bits_per_byte)} bits per byte`,
  sft: ({ val_loss }) => `loss ${fixed(val_loss)}`,
  reward: ({ val_accuracy, val_accuracy_low, val_accuracy_high }) =>
    `${percent(Number(val_accuracy))} of pairs in the right order (${percent(Number(val_accuracy_low))} to ${percent(Number(val_accuracy_high))})`,
  ppo: ({ val_reward, val_kl }) => `reward ${fixed(val_reward)}, KL ${fixed(val_kl)} nats`,
};

const fixed = (value: unknown) => (typeof value === 'number' ? value.toFixed(3) : '–');

/** With the names of --json; a type, so that it is a JSON object to the compiler. */
export type StandingRecord = {
  model: string;
  bits_per_byte: number;
  accuracy_new_wordings_greedy: number;
  accuracy_new_wordings_sampled: number;
  accuracy_new_facts_greedy: number;
  accuracy_new_facts_sampled: number;
  reward: number;
  kl: number | null;
  win_rate: number | null;
  win_rate_low: number | null;
  win_rate_high: number | null;
  win_rate_decided: number | null;
  answers: string[];
};

export function standingRecord(standing: Standing): StandingRecord {
  const { winRate } = standing;
  return {
    model: standing.model,
    bits_per_byte: standing.bitsPerByte,
    accuracy_new_wordings_greedy: standing.phrasingsGreedy,
    accuracy_new_wordings_sampled: standing.phrasingsSampled,
    accuracy_new_facts_greedy: standing.factsGreedy,
    accuracy_new_facts_sampled: standing.factsSampled,
    reward: standing.reward,
    kl: standing.kl ?? null,
    win_rate: winRate?.share ?? null,
    win_rate_low: winRate?.low ?? null,
    win_rate_high: winRate?.high ?? null,
    win_rate_decided: winRate?.decided ?? null,
    answers: standing.shown,
  };
}

/** Columns set by spaces, for the terminal. */
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
