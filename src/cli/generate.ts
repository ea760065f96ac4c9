/** `athanor generate`: text from a model folder. */
import { readFileSync } from 'node:fs';
import { AthanorError, fileError } from '../native/errors.ts';
import { defineCommand } from './command.ts';
import { prepareEngine } from './engine.ts';
import { engineOptions, flag, integer, list, path, text } from './options.ts';
import { samplingOptions } from './sampling-options.ts';

export const generate = defineCommand({
  description:
    'Continues each prompt. One prompt is shown as it is written; several are shown when all are done.',
  arguments: { '[prompts...]': 'texts to continue; none starts a new document' },
  options: {
    ...engineOptions,
    model: path('model folder', { required: true }),
    promptFile: path('file with a prompt a line, besides those given'),
    maxTokens: integer('new tokens at most', { default: 128, min: 1 }),
    ...samplingOptions,
    stop: list(text('end the text before this string')),
    batchSize: integer('prompts continued at once', { default: 16, min: 1 }),
    samples: integer('continuations of each prompt', { default: 1, min: 1 }),
    chat: flag("take each prompt as a user's message, by the model's chat template"),
  },
  example: 'generate --model run "The people of the United States"',
  async run(options, { args, json }) {
    const { dtype } = await prepareEngine(options);
    const { loadGpt } = await import('../checkpoint/gpt-folder.ts');
    const { generationStopTokens } = await import('../checkpoint/load-model.ts');
    const { continueTokens, promptTokens } = await import('../generate/generate-text.ts');
    const { ChatTemplate } = await import('../text/chat-template.ts');
    const { Tokenizer } = await import('../text/tokenizer.ts');
    const tokenizer = Tokenizer.load(options.model);
    const template = options.chat ? ChatTemplate.of(tokenizer) : undefined;
    const given = [...args, ...(options.promptFile ? promptLines(options.promptFile) : [])];
    if (template && given.length === 0) {
      throw new AthanorError(
        'ERR_ARGUMENT',
        'there is no message to answer',
        'give one, or leave --chat out',
      );
    }
    const prompts = (given.length > 0 ? given : ['']).flatMap((prompt) =>
      Array<string>(options.samples).fill(prompt),
    );
    const ids = prompts.map((content) =>
      template ? template.encodePrompt([{ role: 'user', content }]) : promptTokens(tokenizer, content),
    );
    const stopTokens = new Set([...(template?.stopTokens ?? []), ...generationStopTokens(options.model)]);
    if (tokenizer.eosId !== undefined) stopTokens.add(tokenizer.eosId);
    const model = loadGpt(options.model, { dtype });
    const live = !json && prompts.length === 1;
    if (live && !template) process.stdout.write(prompts[0]!);
    const startedAt = performance.now();
    const abort = new AbortController();
    const stop = () => abort.abort();
    process.once('SIGINT', stop);
    const texts = await continueTokens(model, tokenizer, ids, {
      ...options,
      stopTokens: [...stopTokens],
      stopStrings: options.stop,
      skipSpecial: options.chat,
      signal: abort.signal,
      ...(live && { onText: (piece: string) => process.stdout.write(piece) }),
    });
    process.off('SIGINT', stop);
    const seconds = (performance.now() - startedAt) / 1000;
    const completions = texts.map((text, i) => ({ prompt: prompts[i]!, ...text }));
    const tokens = completions.reduce((sum, completion) => sum + completion.tokens, 0);
    model.dispose();
    const { chat } = options;
    return { completions, tokens, seconds, tokens_per_second: tokens / seconds, live, chat };
  },
  render: ({ completions, live, chat }) =>
    live
      ? ''
      : completions
          .map(({ prompt, text: continued }) => `${prompt}${chat ? '\n\n' : ''}${continued}`)
          .join('\n---\n'),
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
