/** `athanor data prepare` and `athanor data inspect`. */
import { AthanorError } from '../native/errors.ts';
import { defineCommand } from './command.ts';
import { choice, count, flag, integer, number, path, text } from './options.ts';

export const prepare = defineCommand({
  description:
    'Sources are files or folders of .txt, .md and .jsonl (each also .gz), and the packaged corpora\nstate-of-the-union, wordnet, factbook and moby-dick.',
  arguments: { '<sources...>': 'files, folders and packaged names' },
  options: {
    out: path('folder to write the token shards to', { required: true }),
    tokenizer: path('folder or file of a tokenizer (default: one is trained on the corpus)'),
    vocabSize: integer('vocabulary of the tokenizer trained here', { default: 8192, min: 257 }),
    validation: number('share of the documents held back', { default: 0.05, min: 0, max: 0.5 }),
    textKey: text('field of a JSONL line that holds the text', { default: 'text' }),
    separator: text('split text files into documents at lines equal to this'),
    minChars: count('drop shorter documents', { default: 1 }),
    onBadLine: choice('what to do with a line or file that cannot be used', ['skip', 'fail'], {
      default: 'skip',
    }),
  },
  example: 'data prepare state-of-the-union wordnet --out shards --vocab-size 4096',
  async run(options, { args }) {
    const { prepareData } = await import('../data/prepare.ts');
    const { createProgress } = await import('../report/progress.ts');
    const { formatBytes, formatCount } = await import('../report/format.ts');
    const { tokenizer, separator, ...rest } = options;
    const progress = createProgress({ label: 'prepare', unit: 'documents' });
    try {
      return await prepareData({
        ...rest,
        ...(tokenizer && { tokenizer }),
        ...(separator && { separator }),
        sources: args,
        onProgress: ({ phase, documents, bytes, tokens }) =>
          progress.update({
            done: documents,
            fields: [
              ['', phase],
              ['read', formatBytes(bytes)],
              ['tokens', formatCount(tokens)],
            ],
          }),
        onDropped: ({ id, reason, detail }) => {
          if (reason !== 'duplicate')
            progress.log(`dropped ${id}: ${reason.replaceAll('_', ' ')}${detail ? ` (${detail})` : ''}`);
        },
      });
    } finally {
      progress.finish('');
    }
  },
  render: (result) => {
    const dropped = Object.entries(result.dropped).map(
      ([reason, n]) => `${n} ${reason.replaceAll('_', ' ')}`,
    );
    return [
      `${result.documents} documents, ${result.tokens} tokens (${result.bytes_per_token.toFixed(2)} bytes each), vocabulary ${result.vocab_size}`,
      `dropped: ${dropped.join(', ') || 'none'}`,
      `shards in ${result.out}`,
    ].join('\n');
  },
});

export const inspect = defineCommand({
  description: 'Checks every shard against its checksum and shows the beginnings of some documents.',
  arguments: { '<folder>': 'folder of token shards' },
  options: {
    split: choice('which documents to show', ['train', 'validation'], { default: 'train' }),
    documents: integer('how many documents to show', { default: 3, min: 0 }),
    verify: flag('read every shard and compare it with its checksum', { default: true }),
  },
  example: 'data inspect shards --documents 5',
  async run({ split, documents, verify }, { args }) {
    const { TokenDataset } = await import('../data/token-dataset.ts');
    const { Tokenizer } = await import('../text/tokenizer.ts');
    const folder = args[0];
    if (folder === undefined) throw new AthanorError('ERR_OPTION', 'the argument <folder> is missing');
    const dataset = TokenDataset.open(folder, { verify });
    const tokenizer = Tokenizer.load(folder);
    const { manifest } = dataset;
    const shown: { tokens: number; bytes: number; text: string }[] = [];
    for (const { start, end, bytes } of dataset.documents(split)) {
      if (shown.length >= documents) break;
      const ids = dataset.read(split, start + 1, Math.min(end - start - 1, 64));
      shown.push({ tokens: end - start - 1, bytes, text: tokenizer.decode(ids) });
    }
    dataset.close();
    const { train, validation } = manifest.splits;
    const counts = (s: typeof train) => ({
      documents: s.documents,
      tokens: s.tokens,
      bytes: s.bytes,
      shards: s.shards.length,
    });
    return {
      folder,
      vocab_size: manifest.vocab_size,
      sources: manifest.sources,
      dropped: manifest.dropped,
      train: counts(train),
      validation: counts(validation),
      verified: verify,
      documents: shown,
    };
  },
  render: ({ train, validation, vocab_size, verified, documents }) =>
    [
      `vocabulary ${vocab_size}, checksums ${verified ? 'agree' : 'not read'}`,
      `train       ${train.documents} documents, ${train.tokens} tokens, ${train.bytes} bytes, ${train.shards} shards`,
      `validation  ${validation.documents} documents, ${validation.tokens} tokens, ${validation.bytes} bytes, ${validation.shards} shards`,
      ...documents.map(({ tokens, text }) => `\n[${tokens} tokens] ${text}`),
    ].join('\n'),
});
