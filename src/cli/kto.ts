/** `athanor kto`: trains an assistant on rated answers, without a reward model or sampling. */
import { ktoDefaults as defaults } from '../train/preference/settings.ts';
import { defineCommand } from './command.ts';
import { choice, engineOptions, inGroup, integer, number, path } from './options.ts';
import { epochOptions, tuningOptions } from './training-options.ts';
import { idleText, lossText, runTraining } from './training-run.ts';

export const kto = defineCommand({
  description:
    'Learns from answers that are good or bad, each on its own, such as thumbs up and down. Rows have prompt, completion and label, or are comparisons.',
  options: {
    ...inGroup('Run', {
      data: path(
        'rated answers: a file of JSON Lines, JSON, Parquet or Arrow, or a folder of them (required for a new run)',
      ),
    }),
    ...tuningOptions(defaults),
    ...epochOptions(defaults),
    ...inGroup('Data', {
      batchSize: integer('answers per batch', { default: defaults.batchSize, min: 1 }),
    }),
    ...inGroup('Loss', {
      beta: number('strength of the pull towards the starting model', {
        default: defaults.beta,
        min: 0,
        exclusive: true,
      }),
      loss: choice('loss per answer', ['kto', 'apo-zero'], { default: defaults.loss }),
      desirableWeight: number('weight of good answers', {
        default: defaults.desirableWeight,
        min: 0,
        exclusive: true,
      }),
      undesirableWeight: number('weight of bad answers', {
        default: defaults.undesirableWeight,
        min: 0,
        exclusive: true,
      }),
    }),
    ...engineOptions,
  },
  example: 'kto --model assistant --data ratings.jsonl --out kto',
  run: (options, context) =>
    runTraining('kto', async () => (await import('../train/preference/kto.ts')).kto, options, context),
  render: (result) => {
    const accuracy = result.val_accuracy;
    const shown =
      typeof accuracy === 'number'
        ? `, ${(100 * accuracy).toFixed(1)} % of held-out answers on the right side`
        : '';
    return `${result.step} steps${lossText(result.loss)}${shown}${idleText(result)}\nmodel and report in ${result.out}`;
  },
});
