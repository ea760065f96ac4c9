/** `athanor quickstart`: the whole pipeline on packaged real data, small enough for a laptop; what `npm start` runs. */
import { defineCommand } from './command.ts';
import { prepareEngine } from './engine.ts';
import { count, engineOptions, flag, integer, path } from './options.ts';

const quick = {
  tokens: 120_000,
  rollouts: 2,
  questions: 40,
  most: { tuningSteps: 24, sampledQuestions: 300 },
};

export const quickstart = defineCommand({
  description:
    'Fetches the World Factbook (public domain, 2 MB, kept in a cache), pretrains a small GPT on it, fine-tunes it to answer\nquestions, learns a reward model from comparisons, improves the assistant with PPO, and shows what each stage did.',
  options: {
    ...engineOptions,
    out: path('folder for the run; it is numbered when it exists', { default: 'runs/quickstart' }),
    tokens: count('pretraining tokens', { default: 1_900_000, min: 10_000 }),
    rollouts: integer('rollouts of PPO', { default: 40, min: 1 }),
    quick: flag('see every stage run in a minute, too shortly to learn much'),
    questions: integer('questions of each kind that the models are measured on', { default: 600, min: 10 }),
  },
  example: 'quickstart --seed 1',
  async run(options) {
    const engine = await prepareEngine(options);
    const { existsSync } = await import('node:fs');
    const { join } = await import('node:path');
    const { replaceFile } = await import('../base/files/replace-file.ts');
    const { Interrupt } = await import('./interrupt.ts');
    const { terminalProgress } = await import('../train/loop/terminal-progress.ts');
    const { runPipeline } = await import('../quickstart/pipeline.ts');
    const { writePipelineReport } = await import('../quickstart/pipeline-report.ts');
    const { plainTable, standingColumns, standingRecord, standingRow } = await import(
      '../quickstart/summary.ts'
    );
    let out = options.out;
    for (let i = 2; existsSync(out); ++i) out = `${options.out}-${i}`;
    const interrupt = new Interrupt();
    const result = await runPipeline({
      ...options,
      ...(options.quick && quick),
      out,
      dtype: engine.dtype,
      hooks: { signal: interrupt.signal, onEvent: terminalProgress() },
      onPart: (part) => process.stderr.write(`— ${part}\n`),
    });
    interrupt.dispose();
    writePipelineReport(out, result);
    const figures = {
      seed: options.seed,
      seconds: result.seconds,
      standings: result.standings.map(standingRecord),
      stages: Object.fromEntries(result.stages.map(({ name, report }) => [name, report])),
    };
    replaceFile(join(out, 'result.json'), `${JSON.stringify(figures, undefined, 2)}\n`);
    return {
      out,
      ...figures,
      table: plainTable(standingColumns, result.standings.map(standingRow)),
      answers: result.questions.map(({ question }, i) =>
        [question, ...result.standings.map(({ model, shown }) => `  ${model}: ${shown[i]}`)].join('\n'),
      ),
    };
  },
  render: ({ out, seconds, table, answers }) =>
    [
      '',
      table,
      '',
      ...answers,
      '',
      `done in ${seconds.toFixed(0)} s`,
      `report: ${out}/report.html`,
      `talk to the assistant: npx athanor chat --model ${out}/ppo`,
    ].join('\n'),
});
