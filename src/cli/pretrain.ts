/** `athanor pretrain`: a base model from token shards (or straight from text, which is prepared first). */
import { defineCommand } from './command.ts';
import { prepareEngine } from './engine.ts';
import { count, duration, engineOptions, flag, integer, list, number, path, text } from './options.ts';
import { trainingOptions } from './training-options.ts';

export const pretrain = defineCommand({
  description:
    'Give exactly one of --steps, --tokens and --time. Ctrl-C finishes the step, saves and exits; --resume goes on, bit for bit.',
  options: {
    ...engineOptions,
    data: path(
      'token shards, or text to prepare first: a file, a folder or a packaged name such as state-of-the-union',
    ),
    model: text('preset (tiny, nano, gpt2, llama-160m, ...) or the folder of a model to go on from', {
      default: 'nano',
      placeholder: '<preset|folder>',
    }),
    out: path('folder to write checkpoints, metrics, report and model to', { required: true }),
    ...trainingOptions,
    tokens: count('training tokens in all', { min: 1 }),
    time: duration('train for about this long', { min: 1 }),
    batchSize: integer('sequences in a batch', { default: 8, min: 1 }),
    context: integer("tokens in a sequence (default: the model's context)", { min: 2 }),
    vocabSize: integer('vocabulary of the tokenizer trained when --data is text', {
      default: 4096,
      min: 257,
    }),
    documentMask: flag('let a token attend to its own document only', { default: true }),
    evalTokens: count('validation tokens that an evaluation reads at most', { default: 65536, min: 1 }),
    sampleEvery: integer('steps between samples (0: at the end only)', { default: 0, min: 0 }),
    samplePrompt: list(text('text to continue as a sample')),
    sampleTokens: integer('new tokens in a sample', { default: 64, min: 1 }),
    beta2: number("AdamW's second beta", { default: 0.95, min: 0, max: 1 }),
  },
  example: 'pretrain --data corpus.txt --out run --time 5m',
  async run(options) {
    const engine = await prepareEngine(options);
    const { runPretraining } = await import('../train/pretrain/run.ts');
    return runPretraining({ ...options, dtype: engine.dtype });
  },
  render: (result) => {
    const loss = result.val_loss === null ? '' : `, validation loss ${result.val_loss.toFixed(3)}`;
    return `${result.step} steps, ${result.tokens} tokens, loss ${result.loss.toFixed(3)}${loss}\nmodel and report in ${result.out}`;
  },
});
