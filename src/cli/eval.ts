/** `athanor eval`: how well a model predicts held-out text. */
import { AthanorError } from '../native/errors.ts';
import { defineCommand } from './command.ts';
import { prepareEngine } from './engine.ts';
import { choice, count, engineOptions, integer, path } from './options.ts';

export const evaluate = defineCommand({
  description:
    'Perplexity and bits per byte over whole documents of a split. Bits per byte compares across tokenizers.',
  options: {
    ...engineOptions,
    model: path('model folder', { required: true }),
    data: path('folder of token shards', { required: true }),
    split: choice('which documents', ['train', 'validation'], { default: 'validation' }),
    batchSize: integer('windows at once', { default: 8, min: 1 }),
    context: integer("tokens in a window (default: the model's context)", { min: 2 }),
    maxTokens: count('tokens to read at most', { default: 1e9, min: 1 }),
  },
  example: 'eval --model run --data run/data',
  async run(options) {
    const { dtype } = await prepareEngine(options);
    const { loadGpt } = await import('../checkpoint/gpt-folder.ts');
    const { TokenDataset } = await import('../data/token-dataset.ts');
    const { perplexity } = await import('../eval/perplexity.ts');
    const { Tokenizer } = await import('../text/tokenizer.ts');
    const dataset = TokenDataset.open(options.data);
    if (Tokenizer.load(options.model).fingerprint() !== dataset.manifest.tokenizer_fingerprint) {
      throw new AthanorError(
        'ERR_MISMATCH',
        `the shards in ${options.data} were made with another tokenizer than that of ${options.model}`,
        'prepare the text with: athanor data prepare --tokenizer <model folder>',
      );
    }
    const model = loadGpt(options.model, { dtype });
    const startedAt = performance.now();
    const result = await perplexity(model, dataset, {
      split: options.split,
      batchSize: options.batchSize,
      context: Math.min(options.context ?? model.config.contextLength, model.config.contextLength),
      maxTokens: options.maxTokens,
    });
    const seconds = (performance.now() - startedAt) / 1000;
    model.dispose();
    dataset.close();
    return {
      val_loss: result.valLoss,
      perplexity: result.perplexity,
      bits_per_byte: result.bitsPerByte,
      tokens: result.tokens,
      tokens_per_second: result.tokens / seconds,
      seconds,
    };
  },
  render: ({ val_loss, perplexity, bits_per_byte, tokens }) =>
    `loss ${val_loss.toFixed(4)}  perplexity ${perplexity.toFixed(2)}  bits per byte ${bits_per_byte.toFixed(4)}  (${tokens} tokens)`,
});
