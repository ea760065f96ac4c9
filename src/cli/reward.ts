/** `athanor reward`: trains a reward model, from an assistant and comparisons of answers. */
import { rewardDefaults as defaults } from '../train/preference/settings.ts';
import { defineCommand } from './command.ts';
import { engineOptions, inGroup, integer, number, path } from './options.ts';
import { epochOptions, tuningOptions } from './training-options.ts';
import { lossText, runTraining } from './training-run.ts';

export const reward = defineCommand({
  description:
    'Learns one score per answer, higher for better answers. Rows are prompt, chosen and rejected; or prompt and completions, best first; or two transcripts.',
  options: {
    ...inGroup('Run', {
      data: path(
        'comparisons: a file of JSON Lines, JSON, Parquet or Arrow, or a folder of them (required for a new run)',
      ),
    }),
    ...tuningOptions(defaults),
    ...epochOptions(defaults),
    ...inGroup('Data', {
      batchSize: integer('comparisons per batch', { default: defaults.batchSize, min: 1 }),
    }),
    ...inGroup('Loss', {
      centering: number('weight of the penalty (better + worse)^2, which keeps scores around zero', {
        default: defaults.centering,
        min: 0,
      }),
      normalize: path('instructions whose answers get a mean score of zero (default: the better answers)'),
    }),
    ...engineOptions,
  },
  example: 'reward --model assistant --data comparisons.jsonl --out reward-model',
  run: (options, context) =>
    runTraining(
      'reward',
      async () => (await import('../train/preference/reward.ts')).reward,
      options,
      context,
    ),
  render: (result) => {
    const accuracy = result.val_accuracy;
    const shown =
      typeof accuracy === 'number'
        ? `, ${(100 * accuracy).toFixed(1)} % of held-out pairs in the right order (95 % interval ${percent(result.val_accuracy_low)} to ${percent(result.val_accuracy_high)})`
        : '';
    return `${result.step} steps${lossText(result.loss)}${shown}\nmodel and report in ${result.out}`;
  },
});

function percent(share: unknown): string {
  return typeof share === 'number' ? (100 * share).toFixed(1) : '?';
}
