/** `athanor dpo`: an assistant trained on comparisons directly, with no reward model and no sampling. */
import { defineCommand } from './command.ts';
import { prepareEngine } from './engine.ts';
import { choice, engineOptions, integer, number, path } from './options.ts';
import { epochOptions, loraTargetsOf, tuningOptions } from './training-options.ts';

export const dpo = defineCommand({
  description: 'Takes the same comparisons as reward.',
  options: {
    ...engineOptions,
    data: path('comparisons: a .jsonl file, or a folder of them'),
    ...tuningOptions,
    ...epochOptions,
    epochs: number('passes over the pairs, if --steps is not given', { default: 1, min: 0, exclusive: true }),
    batchSize: integer('pairs in a batch', { default: 16, min: 1 }),
    beta: number('how strongly the starting model holds', { default: 0.1, min: 0, exclusive: true }),
    loss: choice('of a pair', ['sigmoid', 'ipo', 'hinge'], { default: 'sigmoid' }),
    labelSmoothing: number('share of labels taken to be wrong', { default: 0, min: 0, max: 0.49 }),
  },
  example: 'dpo --model assistant --data comparisons.jsonl --out dpo',
  async run(options) {
    const { dtype } = await prepareEngine(options);
    const { runDpo } = await import('../train/preference/dpo.ts');
    return runDpo({ ...options, dtype, loraTargets: loraTargetsOf(options.loraTargets) });
  },
  render: (result) => {
    const accuracy = result.val_accuracy;
    const shown =
      typeof accuracy === 'number'
        ? `, ${(100 * accuracy).toFixed(1)} % of held-out pairs in the right order`
        : '';
    return `${result.step} steps, loss ${result.loss.toFixed(3)}${shown}\nmodel and report in ${result.out}`;
  },
});
