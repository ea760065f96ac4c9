/** The pipeline's page: the table of all models first, their answers side by side, and a way to each stage's own report. */
import { writeReport } from '../report/html-report.ts';
import { MetricsLog } from '../report/metrics-log.ts';
import type { PipelineResult } from './pipeline.ts';
import { pipelineCards, stageTable, standingTable } from './summary.ts';

export function writePipelineReport(out: string, result: PipelineResult): void {
  MetricsLog.open(out).close();
  writeReport(out, {
    title: 'From text to assistant',
    subtitle: 'Pretraining, fine-tuning, reward model and PPO on the World Factbook',
    summary: pipelineCards(result),
    tables: [
      standingTable(result),
      {
        title: 'The same questions, answered by every model',
        columns: ['question', 'right', ...result.standings.map(({ model }) => model)],
        rows: result.questions.map(({ question, answer }, i) => [
          question,
          answer,
          ...result.standings.map(({ shown }) => shown[i]!),
        ]),
        note: 'Greedy answers; best of 8 is what the reward model chose among sampled ones.',
      },
      stageTable(result),
    ],
    notes: [`Talk to the assistant: npx athanor chat --model ${out}/ppo`],
  });
}
