/** `athanor tokenizer train|encode|decode`. */
import { readFileSync, statSync } from 'node:fs';
import { AthanorError, fileError } from '../base/errors.ts';
import { defineCommand } from './command.ts';
import { prepareEngine } from './engine.ts';
import { Interrupt } from './interrupt.ts';
import { choice, count, engineOptions, flag, list, path, text } from './options.ts';

const patterns = ['gpt2', 'gpt4', 'gpt4o'] as const;

const tokenizerOption = path('folder with tokenizer.json, or the file itself', { required: true });

async function loadTokenizer(from: string) {
  const { Tokenizer } = await import('../text/tokenizer.ts');
  return Tokenizer.load(from);
}

/** All files, one after another; stops between parts once the signal is given. */
async function* partsOf(files: readonly string[]): AsyncGenerator<Uint8Array> {
  const { readTextFile } = await import('../text/text-file.ts');
  for (const file of files) yield* readTextFile(file);
}

export const train = defineCommand({
  description: 'Learns a byte-level BPE vocabulary from plain text files in UTF-8.',
  arguments: { '<files...>': 'text files to learn from' },
  options: {
    out: path('folder to write tokenizer.json and tokenizer_config.json into', { required: true }),
    vocabSize: count('tokens in all: 256 bytes, merges and special tokens', {
      default: 32768,
      min: 256,
      max: 1 << 24,
    }),
    pattern: choice('how text is cut into words', patterns, { default: 'gpt2' }),
    special: list(text('a special token besides <|endoftext|>')),
    minFrequency: count('pairs that occur less often are not merged', { default: 2, min: 1 }),
    threads: engineOptions.threads,
  },
  example: 'tokenizer train corpus.txt --vocab-size 8192 --out tokenizer',
  async run(options, { args }) {
    await prepareEngine({ device: 'cpu', dtype: 'f32', threads: options.threads });
    const { Tokenizer } = await import('../text/tokenizer.ts');
    const { END_OF_TEXT } = await import('../text/train.ts');
    const bytes = args.reduce((sum, file) => sum + fileSize(file), 0);
    const interrupt = new Interrupt();
    const start = performance.now();
    try {
      const tokenizer = await Tokenizer.train(partsOf(args), {
        vocabSize: options.vocabSize,
        pattern: options.pattern,
        specialTokens: [END_OF_TEXT, ...options.special.filter((token) => token !== END_OF_TEXT)],
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
    }
  },
  render(result) {
    const short =
      result.vocab_size < result.wanted_vocab_size
        ? `\nno further pair occurs often enough for ${result.wanted_vocab_size}; give more text or --min-frequency 1`
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

/** What to work on: the argument, or standard input to its end. */
function input(args: readonly string[]): Buffer {
  if (args[0] !== undefined) return Buffer.from(args.join(' '));
  try {
    return readFileSync(0);
  } catch (error) {
    throw fileError(error, 'standard input');
  }
}

export const encode = defineCommand({
  description: 'Prints the ids of a text, which is taken from standard input where none is given.',
  arguments: { '[text]': 'the text' },
  options: {
    tokenizer: tokenizerOption,
    allowSpecial: flag('take text that spells a special token for that token'),
  },
  example: 'tokenizer encode --tokenizer model "Hello, world"',
  async run({ tokenizer: from, allowSpecial }, { args }) {
    const tokenizer = await loadTokenizer(from);
    const bytes = input(args);
    const ids = Array.from(tokenizer.encode(bytes, { allowSpecial }));
    return { ids, tokens: ids.length, bytes: bytes.length };
  },
  render: ({ ids }) => ids.join(' '),
});

export const decode = defineCommand({
  description: 'Prints the text of ids, which are taken from standard input where none are given.',
  arguments: { '[ids...]': 'the ids, with spaces or commas between them' },
  options: {
    tokenizer: tokenizerOption,
    skipSpecial: flag('leave special tokens out'),
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
    return { text: tokenizer.decode(ids, { skipSpecial }), tokens: ids.length };
  },
  render: (result) => result.text,
});
