/** `athanor safety train`: trains a classifier, from a model and labelled texts or dialogues. */
import { classifierDefaults as defaults } from '../train/classifier/settings.ts';
import { defineCommand } from './command.ts';
import { engineOptions, inGroup, integer, number, path, text } from './options.ts';
import { epochOptions, tuningOptions } from './training-options.ts';
import { lossText, runTraining } from './training-run.ts';

export const train = defineCommand({
  description:
    'Trains a classifier: the probability that a text or a dialogue is of a class. Rows are text or messages, and label: 0 or 1, or the name of a class. The threshold is chosen on held-out rows.',
  options: {
    ...inGroup('Run', {
      data: path(
        'labelled rows: a file of JSON Lines, JSON, Parquet or Arrow, or a folder of them (required for a new run)',
      ),
    }),
    ...tuningOptions(defaults),
    ...epochOptions(defaults),
    ...inGroup('Data', {
      batchSize: integer('rows per batch', { default: defaults.batchSize, min: 1 }),
      category: text('the class to learn, where labels are names of classes', { placeholder: '<name>' }),
      minScore: number('rows have a score in place of a label, and are of the class from this one on'),
    }),
    ...inGroup('Evaluation', {
      falsePositiveRate: number('share of rows outside of the class that may pass the threshold', {
        default: defaults.falsePositiveRate,
        min: 0,
        max: 1,
      }),
    }),
    ...engineOptions,
  },
  example: 'safety train --model base --data labelled.jsonl --out classifier',
  run: (options, context) =>
    runTraining(
      'safety train',
      async () => (await import('../train/classifier/run.ts')).classifier,
      options,
      context,
    ),
  render: (result) => {
    const { precision, recall, threshold } = result;
    const shares = [
      typeof precision === 'number' ? `precision ${(100 * precision).toFixed(1)} %` : '',
      typeof recall === 'number' ? `recall ${(100 * recall).toFixed(1)} %` : '',
    ].filter((part) => part !== '');
    const measured = shares.length > 0 ? `: ${shares.join(' and ')} on held-out rows` : '';
    const chosen = typeof threshold === 'number' ? `\nthreshold ${threshold.toFixed(4)}${measured}` : '';
    return `${result.step} steps${lossText(result.loss)}${chosen}\nmodel and report in ${result.out}`;
  },
});
