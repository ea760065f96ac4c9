/**
 * The pipeline's page, written anew after every part: the models' right answers as bars, the course
 * of each stage, the table of all models, their answers side by side, and each part with a link to
 * its stage's own page.
 */

import { formatRate } from '../report/format.ts';
import { writeReport } from '../report/html-report.ts';
import { MetricsLog } from '../report/metrics-log.ts';
import type { PipelineState } from './run-progress.ts';
import { answersTable, partsTable, pipelineCards, rightAnswerFigures, scoreboardTable } from './summary.ts';

/** Seconds after which an open page reloads during the run. */
const REFRESH_SECONDS = 10;

export interface PageNotes {
  /** Texts at the end of the page, such as the limits of a short run. */
  notes: readonly string[];
  seed: number;
  /** The command line that repeats the run. */
  command: string;
}

/** The chart of each stage that says most about it. */
const stages = [
  { name: 'Pretraining', folder: 'pretrain', charts: ['loss'] },
  { name: 'Fine-tuning', folder: 'sft', charts: ['loss'] },
  { name: 'Reward model', folder: 'reward', charts: ['accuracy'] },
  { name: 'PPO', folder: 'ppo', charts: ['reward'] },
];

/** Writes `<out>/report.html`. Throws as writeReport does. */
export function writePipelineReport(out: string, state: PipelineState, page: PageNotes): void {
  const { notes, seed, command } = page;
  MetricsLog.open(out).close();
  const running = state.parts.some(({ status }) => status === 'running' || status === 'waiting');
  const stopped = state.parts.some(({ status }) => status === 'stopped');
  const continues = running && !stopped;
  const measured = state.rows.length > 0 ? [scoreboardTable(state), answersTable(state)] : [];
  const parts = partsTable(state);
  const assistant = state.parts.findLast(({ name, report }) => report && (name === 'sft' || name === 'ppo'));
  const talk = assistant ? [`Talk to the assistant: npx athanor chat --model ${out}/${assistant.name}`] : [];
  const growing = continues
    ? [
        `The run continues; this page reloads every ${REFRESH_SECONDS} seconds. This machine trains at ${formatRate(state.tokensPerSecond, 'tokens')}.`,
      ]
    : [];
  writeReport(out, {
    title: 'From text to assistant',
    subtitle: 'Pretraining, fine-tuning, reward model and PPO on the World Factbook',
    summary: pipelineCards(state),
    config: { seed },
    command,
    figures: state.rows.length > 0 ? rightAnswerFigures(state) : [],
    stages,
    tables: continues ? [parts, ...measured] : [...measured, parts],
    notes: [...growing, ...notes, ...talk],
    ...(continues && { refreshSeconds: REFRESH_SECONDS }),
  });
}
