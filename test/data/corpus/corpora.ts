/**
 * Data that tests share: real prose that needs no network, and splits whose ids are all different.
 */
import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { packageRoot } from '../../../src/base/package-root.ts';
import { type CorpusOptions, readCorpus } from '../../../src/data/corpus/corpus.ts';
import { type Document, type Dropped, describeDropped } from '../../../src/data/document.ts';
import { MANIFEST, type Manifest, type Split } from '../../../src/data/shards/manifest.ts';
import type { PrepareOptions } from '../../../src/data/shards/prepare.ts';
import { ShardWriter } from '../../../src/data/shards/shard-writer.ts';
import { TokenDataset } from '../../../src/data/shards/token-dataset.ts';

/** The documentation of the tools that this project is built with. */
export const readmes: readonly string[] = [
  'typescript',
  'vitest',
  'yaml',
  'cmake-js',
  'tinybench',
  'node-gyp',
  'node-addon-api',
  'tiktoken',
]
  .map((name) => join(packageRoot, 'node_modules', name, 'README.md'))
  .filter(existsSync);

export const defaults: Omit<PrepareOptions, 'sources' | 'out'> = {
  vocabSize: 600,
  validationSplit: 0.3,
  minChars: 1,
  onBadLine: 'skip',
};

/** All that reading gives: documents, and what was dropped as one line each. */
export async function readAll(sources: Parameters<typeof readCorpus>[0], options: CorpusOptions = {}) {
  const documents: Document[] = [];
  const dropped: Dropped[] = [];
  for await (const item of readCorpus(sources, options)) {
    if ('document' in item) documents.push(item.document);
    else dropped.push(item.dropped);
  }
  return { documents, dropped, messages: dropped.map(describeDropped) };
}

export const EOS = 0;

/**
 * Shards of documents of given lengths whose ids count up from 1, so that every window is
 * unlike any other.
 */
export function writeIds(
  folder: string,
  lengths: Record<Split, readonly number[]>,
  { width = 4, shardTokens = 1e9 }: { width?: 2 | 4; shardTokens?: number } = {},
): TokenDataset {
  let id = 0;
  const splits = {} as Manifest['splits'];
  for (const split of ['train', 'validation'] as const) {
    const writer = new ShardWriter({ folder, split, width, separator: EOS, shardTokens });
    for (const length of lengths[split])
      writer.add(
        Int32Array.from({ length }, () => ++id),
        length * 3,
      );
    writer.close();
    const sum = (key: 'tokens' | 'documents' | 'bytes') =>
      writer.entries.reduce((total, entry) => total + entry[key], 0);
    splits[split] = {
      tokens: sum('tokens'),
      documents: sum('documents'),
      bytes: sum('bytes'),
      shards: writer.entries,
    };
  }
  const manifest: Manifest = {
    format: 'athanor-tokens',
    version: 2,
    athanor: null,
    vocab_size: id + 1,
    eos_id: EOS,
    width,
    tokenizer_fingerprint: '',
    splits,
    sources: [{ name: 'ids', documents: 0, tokens: 0, bytes: 0 }],
    inputs: null,
    recipe: null,
    dropped: {},
  };
  writeFileSync(join(folder, MANIFEST), JSON.stringify(manifest));
  return TokenDataset.open(folder, { verify: true });
}
