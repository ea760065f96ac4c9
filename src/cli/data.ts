/** `athanor data prepare` and `athanor data inspect`. */
import { AthanorError } from '../base/errors.ts';
import { readRanks } from '../comm/launcher.ts';
import { type MeasureCounts, TO_THRESHOLD } from '../data/filters/measures.ts';
import { defineCommand } from './command.ts';
import { dedupOptions, renderDedup } from './dedup-options.ts';
import { prepareEngine } from './engine.ts';
import { filterOptions, renderFunnel } from './filter-options.ts';
import { Interrupt } from './interrupt.ts';
import { choice, count, engineOptions, flag, inGroup, integer, number, path, text } from './options.ts';

/** Dropped documents that are shown per reason; dropped.jsonl has all of them. */
const SHOWN_DROPS = 10;
/** Characters of a rejected document that are shown; its file has all of them. */
const SHOWN_CHARS = 300;

export const prepare = defineCommand({
  description:
    'Sources are files, folders and patterns such as "web/**/*.html": text, Markdown, HTML, JSON Lines, JSON, source code, each also as .gz or .zst, Parquet, Arrow, WARC and WET; dataset folders; - for standard input; or packaged corpora: state-of-the-union, wordnet, factbook, moby-dick, or clean for all four.',
  arguments: {
    '[sources...]':
      'files, folders, patterns, -, or names of packaged corpora (default: those of the recipe)',
  },
  options: {
    ...inGroup('Run', {
      out: path('folder for the token shards', { required: true }),
      fresh: flag('begin anew instead of continuing a run that was stopped'),
      recipe: path('YAML file with options, sources, filters and mix, or fineweb, c4 or gopher', {
        placeholder: '<file>',
      }),
    }),
    ...inGroup('Data', {
      validationSplit: number('share of documents held out for validation', {
        default: 0.05,
        min: 0,
        max: 0.5,
      }),
      textKey: text('field or column that holds the text, such as text or article.body', {
        default: 'text',
      }),
      split: text('split of dataset folders (default: train, or the only one)'),
      stdinFormat: text('ending of a file like standard input, such as jsonl.gz', {
        placeholder: '<ending>',
      }),
      separator: text('split text files into documents at each line equal to this text'),
      partBytes: count('cut text files into documents of at most this many bytes', {
        default: 64 << 10,
        min: 1 << 10,
      }),
      minChars: count('drop documents with fewer characters', { default: 1 }),
      onBadLine: choice('what to do with a line or file that cannot be used', ['skip', 'fail'], {
        default: 'skip',
      }),
    }),
    ...filterOptions,
    ...dedupOptions,
    ...inGroup('Data', {
      mix: text('proportions in which training reads the sources, such as web=0.6,books=0.4', {
        placeholder: '<list>',
      }),
    }),
    ...inGroup('Tokenizer', {
      tokenizer: path('folder or file of a tokenizer (default: train one on the corpus)'),
      vocabSize: integer('vocabulary of the tokenizer, if one is trained', {
        default: 8192,
        min: 257,
        max: 1 << 24,
      }),
    }),
    threads: engineOptions.threads,
  },
  example: 'data prepare state-of-the-union wordnet --out shards --vocab-size 4096',
  async run(options, { args, given, mute }) {
    await prepareEngine({ device: 'cpu', dtype: 'f32', threads: options.threads });
    const { preparedOptions } = await import('./recipe-options.ts');
    const settings = await preparedOptions(options, given, args);
    const { prepareData } = await import('../data/shards/prepare.ts');
    const { describeDropped } = await import('../data/document.ts');
    const { writeCorpusReport } = await import('../report/corpus-report.ts');
    const { PrepareLine } = await import('./prepare-progress.ts');
    const ranks = readRanks();
    // All ranks have the same result.
    if (ranks.rank > 0) mute();
    const progress = new PrepareLine();
    const interrupt = new Interrupt();
    const drops = new Map<string, number>();
    try {
      const prepared = await prepareData({
        ...settings,
        signal: interrupt.signal,
        ranks,
        onProgress: (state) => progress.update(state),
        onResumed: ({ done, units }) => progress.log(`resumed: ${done} of ${units} units were done`),
        onDropped: (dropped) => {
          const { reason } = dropped;
          if (['duplicate', 'near_duplicate', 'rejected'].includes(reason)) return;
          const before = drops.get(reason) ?? 0;
          drops.set(reason, before + 1);
          if (before < SHOWN_DROPS) progress.log(`dropped ${describeDropped(dropped)}`);
          if (before === SHOWN_DROPS) progress.log(`more are in ${options.out}/dropped.jsonl`);
        },
      });
      if (ranks.rank === 0) await writeCorpusReport(options.out);
      return prepared;
    } finally {
      interrupt.dispose();
      progress.finish();
    }
  },
  render: (result) => {
    const dropped = Object.entries(result.dropped).map(
      ([reason, n]) => `${n} ${reason.replaceAll('_', ' ')}`,
    );
    const sources = Object.entries(result.sources);
    return [
      `${result.documents} documents, ${result.tokens} tokens of ${result.bytes_per_token.toFixed(2)} bytes, vocabulary ${result.vocab_size}`,
      ...(sources.length > 1
        ? sources.map(
            ([name, { documents, tokens }]) => `  ${name}: ${documents} documents, ${tokens} tokens`,
          )
        : []),
      `held out: ${result.validation_documents} documents, ${result.validation_tokens} tokens`,
      `dropped: ${dropped.join(', ') || 'none'}${dropped.length > 0 ? ` (see ${result.out}/dropped.jsonl)` : ''}`,
      ...renderFunnel(result.funnel),
      ...renderDedup(result),
      `shards in ${result.out}, what became of the documents in ${result.out}/report.html`,
    ].join('\n');
  },
});

/** Rejected documents of one rule, or of all. */
async function rejectedOf(folder: string, rule: string | undefined, most: number) {
  const { rejectedExamples, rejectingRules } = await import('../data/shards/filtering.ts');
  const rules = rule === undefined ? rejectingRules(folder) : [rule];
  const examples = await Promise.all(rules.map((name) => rejectedExamples(folder, name, most)));
  return examples.flat();
}

const BARS = '▁▂▃▄▅▆▇█';
/** Bins of a line are joined to about so many. */
const LINE_BINS = 24;

/** A measure as a line: rule, counts, and a histogram with a bar at the threshold. */
export function measureLine({ rule, threshold, scale, kept, rejected }: MeasureCounts): string {
  const sum = (counts: readonly number[]) => counts.reduce((total, count) => total + count, 0);
  const all = kept.map((count, i) => count + rejected[i]!);
  const border = scale === 'linear' ? TO_THRESHOLD : kept.length / 2;
  const [first, last] = [all.findIndex(Boolean), all.findLastIndex(Boolean)];
  const [from, to] = [Math.min(first, border), Math.max(last + 1, border)];
  const size = Math.max(1, Math.ceil((to - from) / LINE_BINS));
  const bars = (begin: number, end: number) => {
    const groups = Array.from({ length: Math.ceil((end - begin) / size) }, (_, i) =>
      sum(all.slice(begin + i * size, Math.min(end, begin + (i + 1) * size))),
    );
    return groups
      .map((count) => (count === 0 ? ' ' : BARS[Math.ceil((BARS.length * count) / most) - 1]!))
      .join('');
  };
  const most = Math.max(...all) * size;
  return `${rule.padEnd(40)} threshold ${threshold}, kept ${sum(kept)}, rejected ${sum(rejected)}  ${bars(from, border)}|${bars(border, to)}`;
}

export const inspect = defineCommand({
  description:
    'Compares every shard with its checksum and shows how documents begin, spread evenly over a split.',
  arguments: { '<folder>': 'folder of token shards' },
  options: {
    ...inGroup('Data', {
      split: choice('split to show documents of', ['train', 'validation'], { default: 'train' }),
      documents: integer('number of documents to show, or of rejected ones per rule', { default: 3, min: 0 }),
      verify: flag('compare every shard with its checksum', {
        default: true,
        negated: 'do not compare shards with their checksums',
      }),
      rejected: flag('show what filters did, and documents that they rejected, of each rule'),
      measures: flag('show how many documents had which measure, of each rule'),
      rule: text('show only documents that this rule rejected, such as gopher-quality.min-words'),
    }),
  },
  example: 'data inspect shards --documents 5',
  async run({ split, documents, verify, rejected, measures, rule }, { args }) {
    const { readStatistics } = await import('../data/shards/statistics.ts');
    const { TokenDataset } = await import('../data/shards/token-dataset.ts');
    const folder = args[0];
    if (folder === undefined) throw new AthanorError('ERR_OPTION', 'the argument <folder> is missing');
    const dataset = TokenDataset.open(folder, { verify });
    try {
      const { manifest } = dataset;
      const tokenizer = dataset.tokenizer();
      const total = dataset.documentCount(split);
      const showsRejected = rejected || rule !== undefined;
      const shown = showsRejected ? 0 : Math.min(documents, total);
      const samples = Array.from({ length: shown }, (_, i) => {
        const index = Math.floor((i * total) / shown);
        const [span] = dataset.documents(split, index, 1);
        const { start, end, bytes } = span!;
        const ids = dataset.read(split, start + 1, Math.min(end - start - 1, 64));
        return { index, tokens: end - start - 1, bytes, text: tokenizer.decode(ids) };
      });
      const counts = (side: 'train' | 'validation') => {
        const { documents: n, tokens, bytes, shards } = manifest.splits[side];
        return { documents: n, tokens, bytes, shards: shards.length };
      };
      return {
        folder,
        vocab_size: manifest.vocab_size,
        tokenizer_fingerprint: manifest.tokenizer_fingerprint,
        sources: manifest.sources,
        dropped: manifest.dropped,
        funnel: showsRejected ? (manifest.funnel ?? []) : null,
        rejected: showsRejected ? await rejectedOf(folder, rule, documents) : null,
        measures: measures ? (readStatistics(folder)?.measures ?? []) : null,
        train: counts('train'),
        validation: counts('validation'),
        verified: verify,
        documents: samples,
      };
    } finally {
      dataset.close();
    }
  },
  render: ({ train, validation, vocab_size, verified, documents, sources, dropped, ...shown }) =>
    [
      `vocabulary ${vocab_size}, checksums ${verified ? 'agree' : 'not compared'}`,
      ...sources.map(
        ({ name, documents: n, tokens }, i) =>
          `${i === 0 ? 'sources    ' : '           '} ${name}: ${n} documents, ${tokens} tokens`,
      ),
      `train       ${train.documents} documents, ${train.tokens} tokens, ${train.bytes} bytes, ${train.shards} shards`,
      `validation  ${validation.documents} documents, ${validation.tokens} tokens, ${validation.bytes} bytes, ${validation.shards} shards`,
      `dropped     ${
        Object.entries(dropped)
          .map(([reason, n]) => `${n} ${reason.replaceAll('_', ' ')}`)
          .join(', ') || 'none'
      }`,
      ...documents.map(({ index, tokens, text }) => `\n[document ${index}, ${tokens} tokens] ${text}`),
      ...renderFunnel(shown.funnel ?? []),
      ...(shown.measures ?? []).map(measureLine),
      ...(shown.rejected ?? []).map(
        ({ id, rule, value, threshold, found, text }) =>
          `\n[${rule} ${value}, threshold ${threshold}${found === undefined ? '' : `: ${found}`}] ${id}\n${text.slice(0, SHOWN_CHARS)}`,
      ),
    ].join('\n'),
});
