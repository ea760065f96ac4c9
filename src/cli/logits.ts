/** `athanor logits`. */
import { readText } from '../base/files/read-file.ts';
import { defineCommand } from './command.ts';
import { prepareEngine } from './engine.ts';
import { engineOptions, inGroup, model, path } from './options.ts';

const { device, dtype, threads } = engineOptions;

export const logits = defineCommand({
  description:
    'Prints the log-probability of each token of a text, for a comparison with another program that has the same model. With --json: token_ids, log_probs (null for the first token), their negative sum as nats, and bits_per_byte.',
  options: {
    ...inGroup('Run', {
      model: model('folder of the model', { required: true }),
      textFile: path('file with the text', { required: true }),
    }),
    ...{ device, dtype, threads },
  },
  example: 'logits --model run --text-file text.txt --dtype f32 --json',
  async run({ model: folder, textFile, ...engine }) {
    const { dtype: used } = await prepareEngine(engine);
    const { loadModel } = await import('../checkpoint/gpt-folder.ts');
    const { textLogProbs } = await import('../scoring/text-log-probs.ts');
    const { Tokenizer } = await import('../text/tokenizer.ts');
    const text = readText(textFile);
    const tokenizer = Tokenizer.load(folder);
    const model = loadModel(folder, { dtype: used });
    try {
      return textLogProbs(model, tokenizer, text);
    } finally {
      model.dispose();
    }
  },
  render: ({ token_ids, nats, bits_per_byte }) =>
    `${token_ids.length} tokens, ${nats.toFixed(4)} nats, ${bits_per_byte.toFixed(5)} bits per byte`,
});
