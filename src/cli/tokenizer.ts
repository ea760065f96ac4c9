/** `athanor tokenizer train|encode|decode`. */
import { readFileSync, statSync } from 'node:fs';
import { AthanorError, fileError } from '../base/errors.ts';
import { defineCommand } from './command.ts';
import { prepareEngine } from './engine.ts';
import { Interrupt } from './interrupt.ts';
import { choice, count, engineOptions, flag, inGroup, list, path, text } from './options.ts';

const patterns = ['gpt2', 'gpt4', 'gpt4o'] as const;

const tokenizerOption = path('folder with tokenizer.json, or the file itself', { required: true });

async function loadTokenizer(from: string) {
  const { Tokenizer } = await import('../text/tokenizer.ts');
  return Tokenizer.load(from);
}

/** The contents of all files, one after another, in parts. */
async function* partsOf(files: readonly string[]): AsyncGenerator<Uint8Array> {
  const { readTextFile } = await import('../text/text-file.ts');
  for (const file of files) yield* readTextFile(file);
}

export const train = defineCommand({
  description:
    'The files are plain text in UTF-8. <|endoftext|> is always a special token of the vocabulary.',
  arguments: { '<files...>': 'text files to learn from' },
  options: {
    ...inGroup('Run', {
      out: path('folder for tokenizer.json and tokenizer_config.json', { required: true }),
    }),
    ...inGroup('Tokenizer', {
      vocabSize: count('size of the vocabulary: 256 bytes, merges and special tokens', {
        default: 32768,
        min: 257,
        max: 1 << 24,
      }),
      pattern: choice('pattern that cuts text into words', patterns, { default: 'gpt2' }),
      specialToken: list(text('a special token, in addition to <|endoftext|>')),
      minFrequency: count('merge only pairs that occur at least this often', { default: 2, min: 1 }),
    }),
    threads: engineOptions.threads,
  },
  example: 'tokenizer train corpus.txt --vocab-size 8192 --out tokenizer',
  async run(options, { args }) {
    await prepareEngine({ device: 'cpu', dtype: 'f32', threads: options.threads });
    const { Tokenizer } = await import('../text/tokenizer.ts');
    const { END_OF_TEXT } = await import('../text/train.ts');
    const bytes = args.reduce((sum, file) => sum + fileSize(file), 0);
    const { FolderLock } = await import('../native/folder-lock.ts');
    const lock = FolderLock.take(options.out);
    const interrupt = new Interrupt();
    const start = performance.now();
    try {
      const tokenizer = await Tokenizer.train(partsOf(args), {
        vocabSize: options.vocabSize,
        pattern: options.pattern,
        specialTokens: [END_OF_TEXT, ...options.specialToken.filter((token) => token !== END_OF_TEXT)],
        minFrequency: options.minFrequency,
        signal: interrupt.signal,
      });
      const seconds = (performance.now() - start) / 1000;
      tokenizer.save(options.out);
      return {
        vocab_size: tokenizer.vocabSize,
        wanted_vocab_size: options.vocabSize,
        bytes,
        seconds,
        bytes_per_second: bytes / seconds,
        fingerprint: tokenizer.fingerprint(),
        out: options.out,
      };
    } finally {
      interrupt.dispose();
      lock.release();
    }
  },
  render(result) {
    const short =
      result.vocab_size < result.wanted_vocab_size
        ? `\n${result.wanted_vocab_size} tokens were asked for, but no further pair occurs often enough; give more text or --min-frequency 1`
        : '';
    const speed = (result.bytes_per_second / 1e6).toFixed(1);
    return `${result.vocab_size} tokens learned from ${result.bytes} bytes at ${speed} MB/s, written to ${result.out}${short}`;
  },
});

function fileSize(file: string): number {
  try {
    return statSync(file).size;
  } catch (error) {
    throw fileError(error, file);
  }
}

/** The arguments as one text, or standard input to its end. */
function input(args: readonly string[]): Buffer {
  if (args[0] !== undefined) return Buffer.from(args.join(' '));
  try {
    return readFileSync(0);
  } catch (error) {
    throw fileError(error, 'standard input');
  }
}

export const encode = defineCommand({
  description: 'Prints the ids of a text. Without an argument it reads the text from standard input.',
  arguments: { '[text]': 'text to encode' },
  options: {
    ...inGroup('Tokenizer', {
      tokenizer: tokenizerOption,
      allowSpecial: flag('encode the spelling of a special token as that token'),
      addSpecialTokens: flag('add the tokens that tokenizer.json puts around a text, such as a begin token'),
    }),
  },
  example: 'tokenizer encode --tokenizer model "Hello, world"',
  async run({ tokenizer: from, ...options }, { args }) {
    const tokenizer = await loadTokenizer(from);
    const bytes = input(args);
    const ids = Array.from(tokenizer.encode(bytes, options));
    return { ids, tokens: ids.length, bytes: bytes.length };
  },
  render: ({ ids }) => ids.join(' '),
});

export const decode = defineCommand({
  description:
    'Prints the text of ids. Without arguments it reads the ids from standard input, where an id without a token gives no text.',
  arguments: { '[ids...]': 'ids to decode, separated by spaces or commas' },
  options: {
    ...inGroup('Tokenizer', {
      tokenizer: tokenizerOption,
      skipSpecial: flag('leave special tokens out of the text'),
    }),
  },
  example: 'tokenizer decode --tokenizer model 15496 11 995',
  async run({ tokenizer: from, skipSpecial }, { args }) {
    const tokenizer = await loadTokenizer(from);
    const words = input(args)
      .toString('utf8')
      .split(/[\s,[\]]+/)
      .filter((word) => word !== '');
    const ids = words.map((word) => {
      if (!/^\d{1,9}$/.test(word)) {
        throw new AthanorError('ERR_ARGUMENT', `expected ids but got ${JSON.stringify(word.slice(0, 60))}`);
      }
      return Number(word);
    });
    const stray = args.length > 0 ? ids.find((id) => tokenizer.tokenOf(id) === undefined) : undefined;
    if (stray !== undefined) {
      throw new AthanorError(
        'ERR_ARGUMENT',
        `the id ${stray} is not a token of this vocabulary of ${tokenizer.vocabSize}`,
      );
    }
    return { text: tokenizer.decode(ids, { skipSpecial }), tokens: ids.length };
  },
  render: (result) => result.text,
});
