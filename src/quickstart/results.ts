/**
 * The pipeline over several seeds, for docs/results.md: the mean of each figure with its interval
 * by Student's t, and the gains of PPO over SFT as differences within a seed, which do not vary
 * with the luck of the seed.
 */
import type { JsonObject } from '../base/json.ts';
import { meanInterval, meanShareInterval } from '../base/statistics.ts';
import type { ScoreboardRecord } from './summary.ts';

/** The `result.json` of one seed's run. */
export interface SeedResult {
  seed: number;
  seconds: number;
  scoreboard: ScoreboardRecord[];
  stages: Record<string, JsonObject>;
}

type Figure = {
  [K in keyof ScoreboardRecord]: ScoreboardRecord[K] extends number | null ? K : never;
}[keyof ScoreboardRecord];

const percent = (share: number) => (100 * share).toFixed(1);

interface ShownFigure {
  name: Figure;
  title: string;
  show: (value: number) => string;
  /** Marks a share of questions, whose interval must stay between 0 and 1. */
  isShare?: true;
}

const figures: readonly ShownFigure[] = [
  { name: 'bits_per_byte', title: 'bits per byte', show: (value) => value.toFixed(3) },
  {
    name: 'accuracy_new_wordings_greedy',
    title: 'new wordings, greedy, %',
    show: percent,
    isShare: true,
  },
  {
    name: 'accuracy_new_wordings_sampled',
    title: 'new wordings, sampled, %',
    show: percent,
    isShare: true,
  },
  {
    name: 'accuracy_new_facts_greedy',
    title: 'new facts, greedy, %',
    show: percent,
    isShare: true,
  },
  {
    name: 'accuracy_new_facts_sampled',
    title: 'new facts, sampled, %',
    show: percent,
    isShare: true,
  },
  { name: 'reward', title: 'reward', show: (value) => value.toFixed(2) },
  { name: 'kl', title: 'KL to SFT, nats', show: (value) => value.toFixed(2) },
  { name: 'win_rate', title: 'wins over the stage before, %', show: percent, isShare: true },
];

/** One row per model, one cell per figure: mean (low to high). */
export function summaryTable(results: readonly SeedResult[]): string {
  const models = results[0]!.scoreboard.map(({ model }) => model);
  const rows = models.map((model, at) => {
    const cells = figures.map(({ name, show, isShare }) => {
      const values = results.map(({ scoreboard }) => scoreboard[at]![name]);
      if (!values.every((value) => value !== null)) return '–';
      return shownInterval(isShare ? meanShareInterval(values) : meanInterval(values), show);
    });
    return [model, ...cells];
  });
  return markdownTable(['model', ...figures.map(({ title }) => title)], rows);
}

/** The difference of PPO and SFT within each seed. */
export function gainTable(results: readonly SeedResult[]): string {
  const of = (result: SeedResult, model: string, name: Figure) =>
    result.scoreboard.find((row) => row.model === model)![name] ?? Number.NaN;
  const gains = figures.filter(({ name }) => name !== 'kl' && name !== 'win_rate');
  const rows = gains.map(({ name, title, show }) => {
    const differences = results.map((result) => of(result, 'PPO', name) - of(result, 'SFT', name));
    return [title, ...differences.map(show), shownInterval(meanInterval(differences), show)];
  });
  return markdownTable(
    ['PPO less SFT', ...results.map(({ seed }) => `seed ${seed}`), 'mean (95 % interval)'],
    rows,
  );
}

/** The figures of every seed. */
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

/** The accuracy of the reward model and the exactness of PPO, by seed. */
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

function shownInterval(
  { mean, low, high }: ReturnType<typeof meanInterval>,
  show: (value: number) => string,
): string {
  return `${show(mean)} (${show(low)} to ${show(high)})`;
}

function markdownTable(columns: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]) => `| ${cells.join(' | ')} |`;
  return [line(columns), line(columns.map(() => '---')), ...rows.map(line)].join('\n');
}

/** docs/results.md. Throws ERR_ARGUMENT for fewer than 2 seeds or more than 15. */
export function resultsPage(results: readonly SeedResult[]): string {
  return `# Results of the packaged pipeline

This page was written by \`npm run results -- --seeds ${results.map(({ seed }) => seed).join(',')}\`. The command runs
\`athanor quickstart\` once per seed. A seed changes everything that is drawn, including the split of
facts into those that fine-tuning asks for and those that it does not.

- **New wordings** are questions about facts of the fine-tuning data, in wordings that no stage has
  seen.
- **New facts** are questions in those wordings about facts that only the pretraining text says.
- An answer is **right** when it names the subject of the question and the value, and no other value
  of its kind.
- **Reward** is the reward model's score of sampled answers to new wordings.
- **KL** is the divergence of those answers from the SFT model, in nats per answer.
- A **win** is a question that this model's sampled answer gets right and the stage before's answer
  gets wrong, as a share of the questions that just one of them gets right.
- **Best of 8** lets the reward model choose among eight sampled answers of SFT. It and PPO are both
  compared with SFT.

Intervals are 95 % intervals of the mean over the seeds, by Student's t. They are wide for few
seeds; the last table has each seed's own figures. The interval of a share is computed for its logit
and transformed back, because the plain one can leave the range of 0 to 100 %.

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
