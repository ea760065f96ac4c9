/** `athanor dpo`: trains an assistant on comparisons, without a reward model or sampling. */
import { dpoDefaults as defaults } from '../train/preference/settings.ts';
import { defineCommand } from './command.ts';
import { choice, engineOptions, inGroup, integer, number, path } from './options.ts';
import { epochOptions, tuningOptions } from './training-options.ts';
import { idleText, lossText, runTraining } from './training-run.ts';

export const dpo = defineCommand({
  description:
    'Learns from comparisons directly, without a reward model and without sampling. Rows are those of the reward command.',
  options: {
    ...inGroup('Run', {
      data: path(
        'comparisons: a file of JSON Lines, JSON, Parquet or Arrow, or a folder of them (required for a new run)',
      ),
    }),
    ...tuningOptions(defaults),
    ...epochOptions(defaults),
    ...inGroup('Data', {
      batchSize: integer('pairs per batch', { default: defaults.batchSize, min: 1 }),
    }),
    ...inGroup('Loss', {
      beta: number('strength of the pull towards the starting model', {
        default: defaults.beta,
        min: 0,
        exclusive: true,
      }),
      loss: choice('loss per pair', ['sigmoid', 'ipo', 'hinge'], { default: defaults.loss }),
      labelSmoothing: number('share of pairs whose order is assumed to be wrong', {
        default: defaults.labelSmoothing,
        min: 0,
        max: 0.49,
      }),
    }),
    ...engineOptions,
  },
  example: 'dpo --model assistant --data comparisons.jsonl --out dpo',
  run: (options, context) =>
    runTraining('dpo', async () => (await import('../train/preference/dpo.ts')).dpo, options, context),
  render: (result) => {
    const accuracy = result.val_accuracy;
    const shown =
      typeof accuracy === 'number'
        ? `, ${(100 * accuracy).toFixed(1)} % of held-out pairs in the right order`
        : '';
    return `${result.step} steps${lossText(result.loss)}${shown}${idleText(result)}\nmodel and report in ${result.out}`;
  },
});
