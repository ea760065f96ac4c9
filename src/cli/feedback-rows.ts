/** `athanor feedback rows`: the feedback of a store as rows of training data. */
import { feedbackRowDefaults } from '../feedback/training-rows/settings.ts';
import { defineCommand } from './command.ts';
import { feedbackRowOptions, rowSettingsOf } from './feedback-row-options.ts';
import { inGroup, integer, path } from './options.ts';

export const feedbackRows = defineCommand({
  description:
    'Cleans what a server stored and writes rows: corrections and safety rows for sft, comparisons for reward and dpo, ratings with labels, prompts, and prompts that test safety. Every row names its records. What is left out is counted with the reason.',
  arguments: { '<file>': 'file of the feedback store' },
  options: {
    ...inGroup('Run', {
      out: path('folder for the rows', { required: true }),
      seed: integer('seed of the choice of what is held out', { default: feedbackRowDefaults.seed, min: 0 }),
    }),
    ...feedbackRowOptions(feedbackRowDefaults.heldOut),
  },
  example: 'feedback rows feedback.db --out rows',
  async run(options, { args: [file] }) {
    const { FeedbackStore } = await import('../feedback/store.ts');
    const { writeFeedbackRows } = await import('../feedback/training-rows/write-rows.ts');
    const store = FeedbackStore.open(file!, { readOnly: true });
    try {
      const { seed } = options;
      const { funnel, lines, out } = await writeFeedbackRows(store, options.out, {
        ...rowSettingsOf(options),
        seed,
      });
      return { ...funnel, lines, out };
    } finally {
      store.close();
    }
  },
  render: ({ lines, out }) => [...(lines as string[]), `rows in ${out}`].join('\n'),
});
