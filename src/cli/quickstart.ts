/** `athanor quickstart`: the main job on packaged real text, small enough for a laptop; what `npm start` runs. */
import { defineCommand } from './command.ts';
import { prepareEngine } from './engine.ts';
import { duration, engineOptions, integer, path, text } from './options.ts';

/** 4 layers, 256 wide: some 25,000 tokens a second on two cores with bf16, over a million in a minute. */
const MODEL = 'micro';

export const quickstart = defineCommand({
  description:
    'Fetches the State of the Union addresses (CC0, 7 MB, kept in a cache), learns a vocabulary, makes token shards, trains a\nsmall GPT on them, and shows its loss curve and what it writes.',
  options: {
    ...engineOptions,
    out: path('folder for the run; it is numbered when it exists', { default: 'runs/quickstart' }),
    time: duration('train for about this long', { default: 60, min: 5 }),
    data: text('packaged corpus, file or folder', { default: 'state-of-the-union' }),
    vocabSize: integer('vocabulary', { default: 4096, min: 257 }),
  },
  example: 'quickstart --time 30s',
  async run(options) {
    const engine = await prepareEngine(options);
    const { existsSync } = await import('node:fs');
    const { runPretraining } = await import('../train/pretrain.ts');
    let out = options.out;
    for (let i = 2; existsSync(out); ++i) out = `${options.out}-${i}`;
    return runPretraining({
      out,
      resume: false,
      data: options.data,
      model: MODEL,
      dtype: engine.dtype,
      seed: options.seed,
      time: options.time,
      batchSize: 16,
      context: 256,
      vocabSize: options.vocabSize,
      documentMask: true,
      gradAccum: 1,
      schedule: 'cosine',
      warmup: 40,
      finalLr: 0.1,
      decay: 0.2,
      weightDecay: 0.1,
      beta2: 0.95,
      clip: 1,
      onSpike: 'warn',
      spikeThreshold: 6,
      evalEvery: 100,
      evalTokens: 32768,
      saveEvery: 100,
      sampleEvery: 100,
      samplePrompt: ['The people of the United States', 'We must', 'In the past year'],
      sampleTokens: 48,
      keep: 2,
      checkpointActivations: false,
    });
  },
  render: (result) =>
    [
      `trained ${(result.parameters / 1e6).toFixed(1)}M parameters on ${result.tokens} tokens in ${result.seconds.toFixed(0)} s (${result.tokens_per_second.toFixed(0)} tok/s)`,
      `validation loss ${result.val_loss?.toFixed(3) ?? '?'}, ${result.bits_per_byte?.toFixed(3) ?? '?'} bits per byte`,
      `report:   ${result.out}/report.html`,
      `generate: npx athanor generate --model ${result.out} "The people of"`,
    ].join('\n'),
});
