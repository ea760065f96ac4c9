/** `athanor sft`: trains an assistant, from a base model and instructions. */
import { sftDefaults as defaults } from '../train/sft/settings.ts';
import { defineCommand } from './command.ts';
import { choice, engineOptions, flag, inGroup, integer, number, path } from './options.ts';
import { epochOptions, sampleOptions, tuningOptions } from './training-options.ts';
import { lossText, runTraining } from './training-run.ts';

export const sft = defineCommand({
  description:
    'Learns the turns of the assistant. A model without a chat template gets one, together with its control tokens. Rows are messages; or prompt and completion; or instruction, input and output.',
  options: {
    ...inGroup('Run', {
      data: path(
        'instructions: a file of JSON Lines, JSON, Parquet or Arrow, or a folder of them (required for a new run)',
      ),
    }),
    ...tuningOptions(defaults),
    ...epochOptions(defaults),
    ...inGroup('Data', {
      batchSize: integer('rows of --context tokens per batch (without packing: examples per batch)', {
        default: defaults.batchSize,
        min: 1,
      }),
      packing: flag('fill rows with several examples', {
        default: defaults.packing,
        negated: 'give every example a row of its own',
      }),
      overLong: choice('what to do with an example longer than --context', ['truncate', 'drop'], {
        default: defaults.overLong,
      }),
    }),
    ...inGroup('Loss', {
      neftuneAlpha: number('noise on embeddings (NEFTune); usual values are 5 to 15 (0: none)', {
        default: defaults.neftuneAlpha,
        min: 0,
      }),
    }),
    ...sampleOptions('user message that samples answer', defaults),
    ...engineOptions,
  },
  example: 'sft --model base --data instructions.jsonl --out assistant',
  run: (options, context) =>
    runTraining('sft', async () => (await import('../train/sft/run.ts')).sft, options, context),
  render: (result) => {
    const loss = result.val_loss === null ? '' : `, validation loss ${result.val_loss.toFixed(3)}`;
    return `${result.step} steps${lossText(result.loss)}${loss}\nmodel and report in ${result.out}; talk to it with: athanor chat --model ${result.out}`;
  },
});
