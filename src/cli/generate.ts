/** `athanor generate`: continues texts with a model folder. */
import { AthanorError } from '../base/errors.ts';
import { largest, readText } from '../base/files/read-file.ts';
import { defineCommand } from './command.ts';
import { prepareEngine } from './engine.ts';
import { notesOnStderr } from './notes.ts';
import { engineOptions, flag, inGroup, integer, list, model, path, quantizeOption, text } from './options.ts';
import { samplingOptions } from './sampling-options.ts';

export const generate = defineCommand({
  description:
    'Continues each prompt. The text of a single prompt appears while it is generated; several are printed together at the end.',
  arguments: { '[prompts...]': 'texts to continue; without one, the model starts a new document' },
  options: {
    ...inGroup('Run', {
      model: model('folder of the model', { required: true }),
      promptFile: path('file with one more prompt per line'),
      chat: flag("treat each prompt as a user message in the model's chat template"),
      samples: integer('continuations per prompt', { default: 1, min: 1 }),
      batchSize: integer('prompts to continue at the same time', { default: 16, min: 1 }),
    }),
    ...inGroup('Reward', {
      bestOf: integer('answers to sample per prompt; the one with the highest --reward score is printed', {
        default: 1,
        min: 1,
      }),
      reward: model('folder of the reward model for --best-of'),
    }),
    ...inGroup('Sampling', {
      maxTokens: integer('largest number of new tokens', { default: 128, min: 1 }),
      stop: list(text('end the text before this string')),
    }),
    ...samplingOptions,
    ...inGroup('Engine', { quantize: quantizeOption }),
    ...engineOptions,
  },
  example: 'generate --model run "The people of the United States"',
  async run(options, { args, json }) {
    checkBestOf(options);
    const { dtype } = await prepareEngine(options);
    const { checkQuantization, quantizeForDecoding } = await import('../nn/quantized-weights.ts');
    checkQuantization(options.quantize);
    const { loadModel } = await import('../checkpoint/gpt-folder.ts');
    const { requireFolder } = await import('../checkpoint/load-model.ts');
    const { stopTokensOf } = await import('../checkpoint/text-ends.ts');
    const { continueTokens, promptTokens } = await import('../generate/generate-text.ts');
    const { bestTexts } = await import('../scoring/best-texts.ts');
    const { ChatTemplate } = await import('../text/chat-template.ts');
    const { Tokenizer } = await import('../text/tokenizer.ts');
    requireFolder(options.model);
    const tokenizer = Tokenizer.load(options.model);
    const template = options.chat ? ChatTemplate.of(tokenizer) : undefined;
    const given = [...args, ...(options.promptFile ? promptLines(options.promptFile) : [])];
    if (template && given.length === 0) {
      throw new AthanorError(
        'ERR_ARGUMENT',
        'there is no message to answer',
        'give a message, or leave --chat out',
      );
    }
    const prompts = (given.length > 0 ? given : ['']).flatMap((prompt) =>
      Array<string>(options.samples).fill(prompt),
    );
    const ids = prompts.map((content) =>
      template ? template.encodePrompt([{ role: 'user', content }]) : promptTokens(tokenizer, content),
    );
    const stopTokens = stopTokensOf(options.model, tokenizer, template);
    const model = loadModel(options.model, { dtype });
    const quantized = options.quantize === 'int8' ? quantizeForDecoding(model) : undefined;
    const live = !json && prompts.length === 1 && options.bestOf === 1;
    if (live && !template) process.stdout.write(prompts[0]!);
    const startedAt = performance.now();
    const abort = new AbortController();
    const stop = () => abort.abort();
    process.once('SIGINT', stop);
    const common = { ...options, stopTokens, signal: abort.signal };
    const texts =
      options.bestOf > 1
        ? await bestTexts(model, tokenizer, ids, {
            ...common,
            folder: options.reward!,
            dtype,
            onWarning: notesOnStderr.warn,
          })
        : await continueTokens(model, tokenizer, ids, {
            ...common,
            stopStrings: options.stop,
            skipSpecial: options.chat,
            ...(live && { onText: (piece: string) => process.stdout.write(piece) }),
          });
    process.off('SIGINT', stop);
    const seconds = (performance.now() - startedAt) / 1000;
    const completions = texts.map((text, i) => ({ prompt: prompts[i]!, ...text }));
    const tokens = completions.reduce((sum, completion) => sum + completion.tokens, 0);
    quantized?.dispose();
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

/** Throws ERR_OPTION for options that do not work with best-of-n. */
function checkBestOf(options: {
  bestOf: number;
  reward: string | undefined;
  chat: boolean;
  temperature: number;
  stop: readonly string[];
}): void {
  const refuse = (problem: string, remedy: string) => {
    throw new AthanorError('ERR_OPTION', problem, remedy);
  };
  if (options.bestOf === 1) {
    if (options.reward !== undefined)
      refuse('--reward chooses among several answers, but --best-of is 1', 'raise --best-of');
    return;
  }
  if (options.reward === undefined) refuse('--best-of needs a reward model', 'give --reward FOLDER');
  if (!options.chat)
    refuse('--best-of needs --chat: a reward model scores answers to messages', 'give --chat');
  if (options.temperature === 0) {
    refuse('at --temperature 0 all answers to a prompt are the same', 'raise --temperature');
  }
  if (options.stop.length > 0)
    refuse('--best-of takes no --stop: the score is that of the uncut answer', 'leave --stop out');
}

function promptLines(file: string): string[] {
  const lines = readText(file, { most: largest.prompts })
    .split(/\r?\n/)
    .filter((line) => line !== '');
  if (lines.length === 0)
    throw new AthanorError('ERR_ARGUMENT', `${file} holds no prompt`, 'write one prompt per line');
  return lines;
}
