/** `athanor chat`: a conversation on the terminal, over a pipe, or from the command line. */
import { AthanorError } from '../base/errors.ts';
import { defineCommand } from './command.ts';
import { prepareEngine } from './engine.ts';
import { engineOptions, inGroup, integer, list, model, quantizeOption, text } from './options.ts';
import { samplingOptions } from './sampling-options.ts';

export const chat = defineCommand({
  description:
    'Answers each line of stdin and remembers the conversation. /reset forgets it, /system TEXT sets the system message, /exit ends it. On a terminal, Ctrl-C stops an answer; at the prompt it ends the program. With --json, answers appear on stderr.',
  options: {
    ...inGroup('Run', {
      model: model('folder of the assistant', { required: true }),
      message: list(text('message to answer instead of lines of stdin; several form one conversation')),
      system: text('text of the system message'),
    }),
    ...inGroup('Sampling', {
      maxTokens: integer('largest number of new tokens per answer', { default: 256, min: 1 }),
    }),
    ...samplingOptions,
    ...inGroup('Engine', { quantize: quantizeOption }),
    ...engineOptions,
  },
  example: 'chat --model assistant',
  async run(options, { json }) {
    const { dtype } = await prepareEngine(options);
    const { checkQuantization, quantizeForDecoding } = await import('../nn/quantized-weights.ts');
    checkQuantization(options.quantize);
    const { loadModel } = await import('../checkpoint/gpt-folder.ts');
    const { requireFolder } = await import('../checkpoint/load-model.ts');
    const { stopTokensOf } = await import('../checkpoint/text-ends.ts');
    const { Conversation } = await import('../generate/conversation.ts');
    const { ChatTemplate } = await import('../text/chat-template.ts');
    const { Tokenizer } = await import('../text/tokenizer.ts');
    const { ChatSession } = await import('./chat-session.ts');
    requireFolder(options.model);
    const tokenizer = Tokenizer.load(options.model);
    const template = ChatTemplate.of(tokenizer);
    const model = loadModel(options.model, { dtype });
    const quantized = options.quantize === 'int8' ? quantizeForDecoding(model) : undefined;
    const stopTokens = stopTokensOf(options.model, tokenizer, template);
    const conversation = new Conversation(model, tokenizer, template, { ...options, stopTokens });
    const session = new ChatSession(conversation, {
      answers: json ? process.stderr : process.stdout,
      notes: process.stderr,
    });
    try {
      if (options.message.length > 0) await session.script(options.message);
      else if (process.stdin.isTTY) await session.interactive(process.stdin);
      else await session.lines(process.stdin);
    } finally {
      quantized?.dispose();
      model.dispose();
    }
    if (session.interrupted) throw new AthanorError('ERR_INTERRUPTED', 'stopped by Ctrl-C');
    const tokens = session.turns.reduce((sum, turn) => sum + turn.tokens, 0);
    const { seconds } = session;
    return { turns: session.turns, tokens, seconds, tokens_per_second: seconds > 0 ? tokens / seconds : 0 };
  },
});
