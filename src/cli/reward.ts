/** `athanor reward`: a reward model from an assistant and comparisons of answers. */
import { defineCommand } from './command.ts';
import { prepareEngine } from './engine.ts';
import { engineOptions, integer, number, path } from './options.ts';
import { epochOptions, loraTargetsOf, tuningOptions } from './training-options.ts';

export const reward = defineCommand({
  description:
    'One score an answer, higher for better ones. Rows are prompt, chosen and rejected; prompt and completions, best first; or\ntwo transcripts.',
  options: {
    ...engineOptions,
    data: path('comparisons: a .jsonl file, or a folder of them'),
    ...tuningOptions,
    ...epochOptions,
    validation: number('share of prompts kept to validate on', { default: 0.1, min: 0, max: 0.5 }),
    epochs: number('passes over the comparisons, if --steps is not given', {
      default: 1,
      min: 0,
      exclusive: true,
    }),
    batchSize: integer('comparisons in a batch', { default: 32, min: 1 }),
    centering: number('weight of (better + worse)^2, which keeps scores around zero', { default: 0, min: 0 }),
    normalize: path('instructions whose answers shall score zero on average (default: the better answers)'),
  },
  example: 'reward --model assistant --data comparisons.jsonl --out reward-model',
  async run(options) {
    const { dtype } = await prepareEngine(options);
    const { runReward } = await import('../train/preference/reward.ts');
    return runReward({ ...options, dtype, loraTargets: loraTargetsOf(options.loraTargets) });
  },
  render: (result) => {
    const accuracy = result.val_accuracy;
    const shown =
      typeof accuracy === 'number'
        ? `, ${(100 * accuracy).toFixed(1)} % of held-out pairs in the right order (95 % interval ${percent(result.val_accuracy_low)} to ${percent(result.val_accuracy_high)})`
        : '';
    return `${result.step} steps, loss ${result.loss.toFixed(3)}${shown}\nmodel and report in ${result.out}`;
  },
});

function percent(share: unknown): string {
  return typeof share === 'number' ? (100 * share).toFixed(1) : '?';
}
