/**
 * The pipeline over several seeds: each figure's mean with the interval that Student's t gives for
 * so few runs, and what PPO added to SFT as differences within a seed, which the luck of a seed
 * does not blur. Written to docs/results.md.
 */
import { AthanorError } from '../base/errors.ts';
import type { JsonObject } from '../base/json.ts';
import { type Interval, mean, standardError } from '../base/statistics.ts';
import type { ScoreboardRecord } from './summary.ts';

/** What one seed's run left in its `result.json`. */
export interface SeedResult {
  seed: number;
  seconds: number;
  scoreboard: ScoreboardRecord[];
  stages: Record<string, JsonObject>;
}

/** Two-sided 95 % points of Student's t for 1, 2, … degrees of freedom. */
const T_95 = [
  12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228, 2.201, 2.179, 2.16, 2.145,
];

/** The 95 % interval of the mean. Throws ERR_ARGUMENT for fewer than 2 values or more than 15. */
export function meanInterval(values: readonly number[]): Interval & { mean: number } {
  const t = T_95[values.length - 2];
  if (t === undefined) {
    throw new AthanorError('ERR_ARGUMENT', `expected 2 to 15 seeds but got ${values.length}`);
  }
  const center = mean(values);
  const reach = t * standardError(values);
  return { mean: center, low: center - reach, high: center + reach };
}

type Figure = {
  [K in keyof ScoreboardRecord]: ScoreboardRecord[K] extends number | null ? K : never;
}[keyof ScoreboardRecord];

const percent = (share: number) => (100 * share).toFixed(1);

const figures: readonly { name: Figure; title: string; show: (value: number) => string }[] = [
  { name: 'bits_per_byte', title: 'bits per byte', show: (value) => value.toFixed(3) },
  { name: 'accuracy_new_wordings_greedy', title: 'new wordings, greedy, %', show: percent },
  { name: 'accuracy_new_wordings_sampled', title: 'new wordings, sampled, %', show: percent },
  { name: 'accuracy_new_facts_greedy', title: 'new facts, greedy, %', show: percent },
  { name: 'accuracy_new_facts_sampled', title: 'new facts, sampled, %', show: percent },
  { name: 'reward', title: 'reward', show: (value) => value.toFixed(2) },
  { name: 'kl', title: 'KL to SFT, nats', show: (value) => value.toFixed(2) },
  { name: 'win_rate', title: 'wins over the stage before, %', show: percent },
];

/** One row a model, one cell a figure: mean (low to high). */
export function summaryTable(results: readonly SeedResult[]): string {
  const models = results[0]!.scoreboard.map(({ model }) => model);
  const rows = models.map((model, at) => {
    const cells = figures.map(({ name, show }) => {
      const values = results.map(({ scoreboard }) => scoreboard[at]![name]);
      return values.every((value) => value !== null) ? shownInterval(values, show) : '–';
    });
    return [model, ...cells];
  });
  return markdownTable(['model', ...figures.map(({ title }) => title)], rows);
}

/** PPO less SFT within each seed. */
export function gainTable(results: readonly SeedResult[]): string {
  const of = (result: SeedResult, model: string, name: Figure) =>
    result.scoreboard.find((row) => row.model === model)![name] ?? Number.NaN;
  const gains = figures.filter(({ name }) => name !== 'kl' && name !== 'win_rate');
  const rows = gains.map(({ name, title, show }) => {
    const differences = results.map((result) => of(result, 'PPO', name) - of(result, 'SFT', name));
    return [title, ...differences.map(show), shownInterval(differences, show)];
  });
  return markdownTable(
    ['PPO less SFT', ...results.map(({ seed }) => `seed ${seed}`), 'mean (95 % interval)'],
    rows,
  );
}

/** Every seed's own figures. */
export function seedTable(results: readonly SeedResult[]): string {
  const rows = results.flatMap(({ seed, scoreboard }) =>
    scoreboard.map((row) => [
      `${seed}`,
      row.model,
      ...figures.map(({ name, show }) => {
        const value = row[name];
        return value === null ? '–' : show(value);
      }),
    ]),
  );
  return markdownTable(['seed', 'model', ...figures.map(({ title }) => title)], rows);
}

/** How good the reward model is and how exact PPO was, by seed. */
export function stageTable(results: readonly SeedResult[]): string {
  const shown = (value: unknown, show: (value: number) => string) =>
    typeof value === 'number' ? show(value) : '–';
  const rows = results.map(({ seed, seconds, stages }) => [
    `${seed}`,
    shown(stages.reward?.val_accuracy, percent),
    shown(stages.ppo?.ratio_max_deviation, (value) => `${value}`),
    shown(stages.ppo?.kl, (value) => value.toFixed(2)),
    seconds.toFixed(0),
  ]);
  return markdownTable(
    [
      'seed',
      'reward model, held-out accuracy, %',
      'ratio’s largest deviation from 1',
      'KL of the last rollout',
      'seconds',
    ],
    rows,
  );
}

function shownInterval(values: readonly number[], show: (value: number) => string): string {
  const { mean: center, low, high } = meanInterval(values);
  return `${show(center)} (${show(low)} to ${show(high)})`;
}

function markdownTable(columns: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]) => `| ${cells.join(' | ')} |`;
  return [line(columns), line(columns.map(() => '---')), ...rows.map(line)].join('\n');
}

/** docs/results.md. Throws ERR_ARGUMENT for fewer than 2 seeds or more than 15. */
export function resultsPage(results: readonly SeedResult[]): string {
  return `# Results of the packaged pipeline

\`npm run results -- --seeds ${results.map(({ seed }) => seed).join(',')}\` wrote this page. It runs \`athanor quickstart\` once
per seed. Everything that is drawn differs between seeds, and so does the split of facts into asked
and held out. Intervals are of the mean over the seeds, 95 %, by Student's t.

- **New wordings**: questions about facts of the fine-tuning data, in wordings that no stage has
  seen. **New facts**: facts that the pretraining text says and no fine-tuning asked for, in the same
  wordings. An answer is right when it names what was asked about, the value and no other value of
  its kind.
- **Reward** is the reward model's, of sampled answers to new wordings. **KL** is the divergence of
  those answers from the SFT model, in nats per answer. A **win** is a question that this model's
  sampled answer gets right and that of the stage before gets wrong, as a share of the questions
  where just one of them is right. "Best of 8" lets the reward model choose among eight sampled
  answers of SFT; it and PPO are both compared with SFT.

## After each stage
${summaryTable(results)}

## What PPO adds to SFT
${gainTable(results)}

## Reward model and PPO
${stageTable(results)}

## Each seed
${seedTable(results)}
`;
}
