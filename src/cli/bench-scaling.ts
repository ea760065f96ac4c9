/** `athanor bench scaling`: training steps on several ranks next to one process. */
import { defineCommand } from './command.ts';
import { choice, inGroup, integer, text } from './options.ts';

export const scaling = defineCommand({
  description:
    'Times the same update in one process with as many threads as ranks, and on ranks with one thread each: with all of AdamW on each rank (--zero 0), shared out (--zero 1), and without exchange during the backward pass; with gradients shared out too (--zero 2), and weights (--zero 3). The ways alternate, and the fastest step counts.',
  options: {
    ...inGroup('Run', {
      ranks: integer('processes', { default: 2, min: 2, max: 1024 }),
      engine: choice('how they exchange', ['mpi', 'tcp'], { default: 'tcp' }),
      steps: integer('steps to time per run', { default: 4, min: 1 }),
      repeats: integer('runs of each way', { default: 2, min: 1 }),
    }),
    ...inGroup('Model', {
      model: text('preset of the model', { default: 'nano', placeholder: '<preset>' }),
      vocabSize: integer("size of the vocabulary (default: the preset's)", { min: 2 }),
    }),
    ...inGroup('Data', {
      batchSize: integer('sequences per batch; an update has one batch per rank', { default: 4, min: 1 }),
      context: integer('tokens per sequence', { default: 256, min: 2 }),
    }),
    ...inGroup('Engine', {
      dtype: choice('precision of activations', ['f32', 'bf16'], { default: 'bf16' }),
    }),
  },
  example: 'bench scaling --model gpt2 --ranks 2',
  async run({ ranks, engine, repeats, ...shape }) {
    const { scalingKinds, timeScaling } = await import('../bench/scaling-bench.ts');
    const best = new Map<string, Awaited<ReturnType<typeof timeScaling>>>();
    for (let round = 0; round < repeats; ++round) {
      for (const kind of scalingKinds) {
        const found = await timeScaling(kind, engine, ranks, shape);
        const before = best.get(kind);
        if (!before || found.seconds < before.seconds) best.set(kind, found);
      }
    }
    const one = best.get('one process')!;
    const tokens = ranks * shape.batchSize * shape.context;
    const rows = [...best].map(([kind, timing]) => ({
      kind,
      seconds: timing.seconds,
      tokens_per_second: tokens / timing.seconds,
      of_one_process: one.seconds / timing.seconds,
      waited_seconds: timing.waitedSeconds,
      moment_bytes: timing.momentBytes,
      moments_of_one_process: timing.momentBytes / one.momentBytes,
      peak_bytes: timing.peakBytes,
      // Weights and gradients are f32 here, and take as much as the moments.
      peak_of_state: timing.peakBytes / (2 * one.momentBytes),
    }));
    return { ranks, engine, model: shape.model, rows };
  },
  render: ({ ranks, engine, model, rows }) =>
    [
      `${model}, ${ranks} ranks, ${engine}`,
      ...rows.map((row) => {
        const speed = `${row.tokens_per_second.toFixed(0)} tok/s`.padStart(12);
        const waited = `waited ${(row.waited_seconds * 1000).toFixed(1)} ms`.padStart(18);
        const moments = `moments ${(row.moment_bytes / 2 ** 20).toFixed(1)} MiB (${row.moments_of_one_process.toFixed(2)})`;
        return `${row.kind.padEnd(20)} ${speed}  ${row.of_one_process.toFixed(3)} ${waited}  ${moments}  peak ${(row.peak_bytes / 2 ** 20).toFixed(0)} MiB (${row.peak_of_state.toFixed(2)} of the state)`;
      }),
    ].join('\n'),
});
