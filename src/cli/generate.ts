/** `athanor generate`: text from a model folder. */
import { readFileSync } from 'node:fs';
import { AthanorError, fileError } from '../native/errors.ts';
import { defineCommand } from './command.ts';
import { prepareEngine } from './engine.ts';
import { engineOptions, integer, list, number, path, text } from './options.ts';

export const generate = defineCommand({
  description:
    'Continues each prompt. One prompt is shown as it is written; several are shown when all are done.',
  arguments: { '[prompts...]': 'texts to continue; none starts a new document' },
  options: {
    ...engineOptions,
    model: path('model folder', { required: true }),
    promptFile: path('file with a prompt a line, besides those given'),
    maxTokens: integer('new tokens at most', { default: 128, min: 1 }),
    temperature: number('0 always takes the likeliest token', { default: 0.8, min: 0 }),
    topK: integer('keep the k likeliest tokens (0: all)', { default: 0, min: 0 }),
    topP: number('keep the likeliest tokens that together reach this probability', {
      default: 0.95,
      min: 0,
      max: 1,
    }),
    minP: number('keep tokens at least this fraction as likely as the likeliest', {
      default: 0,
      min: 0,
      max: 1,
    }),
    repetitionPenalty: number('above 1: makes tokens that are there already less likely', {
      default: 1,
      min: 0,
      exclusive: true,
    }),
    stop: list(text('end the text before this string')),
    batchSize: integer('prompts continued at once', { default: 16, min: 1 }),
    samples: integer('continuations of each prompt', { default: 1, min: 1 }),
  },
  example: 'generate --model run "The people of the United States"',
  async run(options, { args, json }) {
    const { dtype } = await prepareEngine(options);
    const { loadGpt } = await import('../checkpoint/gpt-folder.ts');
    const { generateText } = await import('../generate/generate-text.ts');
    const { Tokenizer } = await import('../text/tokenizer.ts');
    const model = loadGpt(options.model, { dtype });
    const tokenizer = Tokenizer.load(options.model);
    const given = [...args, ...(options.promptFile ? promptLines(options.promptFile) : [])];
    const prompts = (given.length > 0 ? given : ['']).flatMap((prompt) =>
      Array<string>(options.samples).fill(prompt),
    );
    const live = !json && prompts.length === 1;
    if (live) process.stdout.write(prompts[0]!);
    const startedAt = performance.now();
    const abort = new AbortController();
    const stop = () => abort.abort();
    process.once('SIGINT', stop);
    const completions = await generateText(model, tokenizer, prompts, {
      maxTokens: options.maxTokens,
      temperature: options.temperature,
      topK: options.topK,
      topP: options.topP,
      minP: options.minP,
      repetitionPenalty: options.repetitionPenalty,
      stopStrings: options.stop,
      batchSize: options.batchSize,
      seed: options.seed,
      signal: abort.signal,
      ...(live && { onText: (piece: string) => process.stdout.write(piece) }),
    });
    process.off('SIGINT', stop);
    const seconds = (performance.now() - startedAt) / 1000;
    const tokens = completions.reduce((sum, completion) => sum + completion.tokens, 0);
    model.dispose();
    return { completions, tokens, seconds, tokens_per_second: tokens / seconds, live };
  },
  render: ({ completions, live }) =>
    live ? '' : completions.map(({ prompt, text: continued }) => `${prompt}${continued}`).join('\n---\n'),
});

function promptLines(file: string): string[] {
  let content: string;
  try {
    content = readFileSync(file, 'utf8');
  } catch (error) {
    throw fileError(error, file);
  }
  const lines = content.split(/\r?\n/).filter((line) => line !== '');
  if (lines.length === 0)
    throw new AthanorError('ERR_ARGUMENT', `${file} holds no prompt`, 'write one a line');
  return lines;
}
