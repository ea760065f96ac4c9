/** `athanor report` and `athanor compare`: pages about runs that are over, made from their logs. */
import { defineCommand } from './command.ts';
import { path, text } from './options.ts';

export const report = defineCommand({
  description:
    'Writes report.html into the folder from its metrics.jsonl. Title, settings and tables are those of the\nreport before; where there is none, the settings of run.json.',
  arguments: { '<folder>': 'folder of a run' },
  options: {},
  example: 'report runs/quickstart/sft',
  async run(_, { args: [folder] }) {
    const { join } = await import('node:path');
    const { writeReport } = await import('../report/html-report.ts');
    writeReport(folder!);
    return { report: join(folder!, 'report.html') };
  },
  render: ({ report: page }) => page,
});

export const compare = defineCommand({
  description:
    'One chart for each metric with one line per run, the figures of each run, and the settings that differ.\nRuns are named by their folders.',
  arguments: { '<folders...>': 'folders of two or more runs' },
  options: {
    out: path('file of the page', { default: 'comparison.html' }),
    title: text('title of the page (default: the names of the runs)'),
  },
  example: 'compare runs/lr-1e-3 runs/lr-3e-4 --out learning-rates.html',
  async run({ out, title }, { args }) {
    const { writeComparison } = await import('../report/comparison.ts');
    const runs = writeComparison(args, { out, ...(title !== undefined && { title }) });
    return { report: out, runs };
  },
  render: ({ report: page }) => page,
});
