/** `athanor report` and `athanor compare`: pages about finished runs, made from their logs. */
import { AthanorError } from '../base/errors.ts';
import { defineCommand } from './command.ts';
import { inGroup, path, text } from './options.ts';

export const report = defineCommand({
  description:
    'Writes report.html into the folder from its metrics.jsonl. The title, settings and tables are those of the last report. Without one, the settings are those of run.json. Of a folder of token shards it is the page of the corpus.',
  arguments: { '<folder>': 'folder of a run, or of token shards' },
  options: {},
  example: 'report runs/quickstart/sft',
  async run(_, { args: [folder] }) {
    const { join } = await import('node:path');
    const { existsSync } = await import('node:fs');
    const { MANIFEST } = await import('../data/shards/manifest.ts');
    if (existsSync(join(folder!, MANIFEST))) {
      const { writeCorpusReport } = await import('../report/corpus-report.ts');
      await writeCorpusReport(folder!);
      return { report: join(folder!, 'report.html') };
    }
    const { requireMetrics } = await import('../report/metrics-log.ts');
    const { writeReport } = await import('../report/html-report.ts');
    requireMetrics(folder!);
    writeReport(folder!);
    return { report: join(folder!, 'report.html') };
  },
  render: ({ report: page }) => page,
});

export const compare = defineCommand({
  description:
    'Writes a page with one chart per metric, in which each run has a line, with the results of each run and the settings that differ. The name of a run is its folder.',
  arguments: { '<folders...>': 'folders of two or more runs' },
  options: inGroup('Run', {
    out: path('file of the page', { default: 'comparison.html' }),
    title: text('title of the page (default: the names of the runs)'),
  }),
  example: 'compare runs/lr-1e-3 runs/lr-3e-4 --out learning-rates.html',
  async run({ out, title }, { args }) {
    if (args.length < 2) {
      const remedy = 'name two or more folders; athanor report makes the page of one';
      throw new AthanorError('ERR_OPTION', 'a comparison needs at least two runs', remedy);
    }
    const { writeComparison } = await import('../report/comparison.ts');
    const runs = writeComparison(args, { out, ...(title !== undefined && { title }) });
    return { report: out, runs };
  },
  render: ({ report: page }) => page,
});
