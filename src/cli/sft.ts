/** `athanor sft`: an assistant from a base model and instructions. */
import { defineCommand } from './command.ts';
import { prepareEngine } from './engine.ts';
import { choice, engineOptions, flag, integer, list, number, path, text } from './options.ts';
import { epochOptions, loraTargetsOf, tuningOptions } from './training-options.ts';

export const sft = defineCommand({
  description:
    'Learns what the assistant says in each of its turns. A model without a chat template gets one, with the control tokens it\nneeds. Rows are messages, prompt and completion, or instruction, input and output.',
  options: {
    ...engineOptions,
    data: path('instructions: a .jsonl file, or a folder of them'),
    ...tuningOptions,
    ...epochOptions,
    epochs: number('passes over the examples, if --steps is not given', {
      default: 3,
      min: 0,
      exclusive: true,
    }),
    batchSize: integer('rows of --context tokens in a batch (without packing: examples)', {
      default: 8,
      min: 1,
    }),
    packing: flag('fill rows with several examples', { default: true }),
    overLong: choice('examples longer than --context', ['truncate', 'drop'], { default: 'truncate' }),
    neftune: number('noise on embeddings, 5 to 15 (0: none)', { default: 0, min: 0 }),
    sampleEvery: integer('steps between sample answers (0: at the end only)', { default: 0, min: 0 }),
    samplePrompt: list(text('user message to answer as a sample')),
    sampleTokens: integer('new tokens of a sample', { default: 64, min: 1 }),
  },
  example: 'sft --model base --data instructions.jsonl --out assistant',
  async run(options) {
    const { dtype } = await prepareEngine(options);
    const { runSft } = await import('../train/sft/run.ts');
    return runSft({ ...options, dtype, loraTargets: loraTargetsOf(options.loraTargets) });
  },
  render: (result) => {
    const loss = result.val_loss === null ? '' : `, validation loss ${result.val_loss.toFixed(3)}`;
    return `${result.step} steps, loss ${result.loss.toFixed(3)}${loss}\nmodel and report in ${result.out}; talk to it with: athanor chat --model ${result.out}`;
  },
});
