/**
 * `athanor quickstart`: the whole pipeline on packaged real data, small enough for a laptop.
 * `npm start` runs it.
 */
import { defineCommand } from './command.ts';
import { prepareEngine } from './engine.ts';
import { count, engineOptions, flag, inGroup, integer, path } from './options.ts';
import { requireAlone } from './require-alone.ts';
import { repeatingCommand } from './spelling.ts';

const quick = {
  tokens: 120_000,
  iterations: 2,
  questions: 40,
  most: { tuningSteps: 24, sampledQuestions: 300 },
};

const quickstartOptions = {
  ...inGroup('Run', {
    out: path('folder for the run; a number is added if it exists', { default: 'runs/quickstart' }),
    quick: flag('run all stages in about a minute, too short to learn much'),
    tokens: count('pretraining tokens', { default: 1_100_000, min: 10_000 }),
    iterations: integer('iterations of PPO; each is one rollout with its updates', { default: 28, min: 1 }),
    questions: integer('questions of each kind to measure the models on', { default: 600, min: 10 }),
  }),
  ...engineOptions,
};

export const quickstart = defineCommand({
  description:
    'Fetches the World Factbook (public domain, 2 MB, kept in a cache), pretrains a small Llama on it, fine-tunes the model to answer questions, trains a reward model on comparisons, trains the assistant further with PPO, and shows the effect of each stage. report.html in the folder of the run is updated during the run.',
  options: quickstartOptions,
  example: 'quickstart --seed 1',
  async run(options, { spell }) {
    requireAlone('quickstart');
    const engine = await prepareEngine(options);
    const { existsSync } = await import('node:fs');
    const { join } = await import('node:path');
    const { replaceFile } = await import('../base/files/replace-file.ts');
    const { FolderLock } = await import('../native/folder-lock.ts');
    const { Interrupt } = await import('./interrupt.ts');
    const { terminalProgress } = await import('../train/loop/terminal-progress.ts');
    const { runPipeline } = await import('../quickstart/pipeline.ts');
    const { writePipelineReport } = await import('../quickstart/pipeline-report.ts');
    const { planAt, plannedSeconds, planRun } = await import('../quickstart/plan.ts');
    const { planLines, QUICK_NOTE } = await import('../quickstart/plan-text.ts');
    const { partLine, plainTable, scoreboardCells, scoreboardColumns, scoreboardRecord } = await import(
      '../quickstart/summary.ts'
    );
    let out = options.out;
    for (let i = 2; existsSync(out); ++i) out = `${options.out}-${i}`;
    const lock = FolderLock.take(out);
    const size = { ...options, ...(options.quick && quick) };
    const plan = await planRun(size, engine);
    const quickSeconds = plannedSeconds(planAt(quick, plan.tokensPerSecond));
    const say = (line: string) => process.stderr.write(`${line}\n`);
    planLines(plan, { ...engine, out, quick: options.quick, quickSeconds }).forEach(say);
    const notes = options.quick ? [QUICK_NOTE] : [];
    const { seed } = options;
    const repeated = { ...options, out: undefined, dtype: engine.dtype };
    const command = repeatingCommand('quickstart', quickstartOptions, repeated);
    let begun = '';
    const interrupt = new Interrupt();
    const state = await runPipeline({
      ...size,
      seed,
      out,
      dtype: engine.dtype,
      plan,
      hooks: { signal: interrupt.signal, onEvent: terminalProgress({ spell }) },
      onChange: (now) => {
        writePipelineReport(out, now, { notes, seed, command });
        const running = now.parts.find(({ status }) => status === 'running');
        if (running && running.name !== begun) say(partLine(now, running));
        begun = running?.name ?? begun;
      },
    }).finally(() => {
      interrupt.dispose();
      lock.release();
    });
    const figures = {
      seed,
      seconds: state.seconds,
      scoreboard: state.rows.map(scoreboardRecord),
      stages: Object.fromEntries(state.parts.flatMap(({ name, report }) => (report ? [[name, report]] : []))),
    };
    replaceFile(join(out, 'result.json'), `${JSON.stringify(figures, undefined, 2)}\n`);
    return {
      out,
      ...figures,
      table: plainTable(scoreboardColumns, state.rows.map(scoreboardCells)),
      answers: state.questions.map(({ question }, i) =>
        [question, ...state.rows.map(({ model, shown }) => `  ${model}: ${shown[i]}`)].join('\n'),
      ),
      notes,
    };
  },
  render: ({ out, seconds, table, answers, notes }) =>
    [
      '',
      table,
      '',
      ...answers,
      '',
      ...notes,
      `done in ${seconds.toFixed(0)} s`,
      `report: ${out}/report.html`,
      `talk to the assistant: npx athanor chat --model ${out}/ppo`,
    ].join('\n'),
});
