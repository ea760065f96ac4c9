import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { MANIFEST, type Manifest } from '../../../src/data/shards/manifest.ts';
import { type Mix, parseMix } from '../../../src/data/shards/mix.ts';
import { MixedLoader, type MixedLoaderOptions, mixTokens } from '../../../src/data/shards/mixed-loader.ts';
import { ShardWriter } from '../../../src/data/shards/shard-writer.ts';
import { SourceRow } from '../../../src/data/shards/source-row.ts';
import { TokenDataset } from '../../../src/data/shards/token-dataset.ts';
import { TokenLoader } from '../../../src/data/shards/token-loader.ts';
import { EOS } from '../corpus/corpora.ts';

const root = mkdtempSync(join(tmpdir(), 'athanor-mix-'));
afterAll(() => rmSync(root, { recursive: true, force: true }));

const context = 8;
const options = { batchSize: 4, context, seed: 3 };
const names = ['web', 'books', 'code'];

/**
 * Documents of three sources, those of web in two runs that books stand between. The ids of source
 * i are from 1 + 10,000 i, and all different.
 */
function dataset(shardTokens = 300): TokenDataset {
  const folder = mkdtempSync(join(root, 'shards-'));
  const next = names.map((_, i) => 1 + 10_000 * i);
  const writer = new ShardWriter({ folder, split: 'train', width: 4, separator: EOS, shardTokens });
  const counts = names.map(() => 0);
  for (const [source, documents] of [
    [0, 60],
    [1, 40],
    [0, 20],
    [2, 4],
  ] as const) {
    for (let d = 0; d < documents; ++d) {
      const length = 10 + ((d * 7) % 13);
      const ids = Int32Array.from({ length }, () => next[source]!++);
      writer.add(ids, length, source);
      counts[source]! += length + 1;
    }
  }
  writer.close();
  const sum = (key: 'tokens' | 'documents' | 'bytes') =>
    writer.entries.reduce((n, entry) => n + entry[key], 0);
  const train = {
    tokens: sum('tokens'),
    documents: sum('documents'),
    bytes: sum('bytes'),
    shards: writer.entries,
  };
  const manifest: Manifest = {
    format: 'athanor-tokens',
    version: 2,
    athanor: null,
    vocab_size: 40_000,
    eos_id: EOS,
    width: 4,
    tokenizer_fingerprint: '',
    splits: { train, validation: { tokens: 0, documents: 0, bytes: 0, shards: [] } },
    sources: names.map((name, i) => ({ name, documents: 0, tokens: counts[i]!, bytes: 0 })),
    inputs: null,
    recipe: null,
    dropped: {},
  };
  writeFileSync(join(folder, MANIFEST), JSON.stringify(manifest));
  return TokenDataset.open(folder);
}

const data = dataset();
const weights = { weights: { web: 0.5, books: 0.3, code: 0.2 } };

const loaderOf = (mix: Mix, more: Partial<MixedLoaderOptions> = {}) =>
  new MixedLoader(data, { ...options, mix, ...more });

/**
 * Windows in their order, as text, in batches that `ranks` loaders take in turn, each passing over
 * those of the others.
 */
function windowsOf(
  mix: Mix,
  count: number,
  ranks = 1,
  batchSize = 4,
  more: Partial<MixedLoaderOptions> = {},
) {
  const loaders = Array.from({ length: ranks }, () => loaderOf(mix, { batchSize, ...more }));
  const all: string[] = [];
  while (all.length < count) all.push(...nextOf(loaders, batchSize));
  return all.slice(0, count);
}

function nextOf(loaders: readonly MixedLoader[], batchSize: number): string[] {
  return loaders.flatMap((_, turn) => {
    const batches = loaders.map((loader, rank) => (rank === turn ? loader.next().tokens : loader.skip()));
    const tokens = batches[turn]!;
    return Array.from({ length: batchSize }, (_, row) =>
      [...tokens.subarray(row * context, (row + 1) * context)].join(),
    );
  });
}

/** The source of a window, which has ids of one source alone. */
function sourceOf(window: string): string {
  const sources = window
    .split(',')
    .map(Number)
    .filter((id) => id !== EOS)
    .map((id) => names[Math.floor(id / 10_000)]!);
  expect(new Set(sources).size).toBe(1);
  return sources[0]!;
}

const countsOf = (windows: readonly string[]) => {
  const counts: Record<string, number> = {};
  for (const window of windows) counts[sourceOf(window)] = (counts[sourceOf(window)] ?? 0) + 1;
  return counts;
};

describe('a source as a row', () => {
  it('has the ids of its shards, in their order and over their borders', () => {
    for (const [i, name] of names.entries()) {
      const row = new SourceRow(data, i);
      const all = [...row.read('train', 0, row.tokens('train'))];
      const ids = all.filter((id) => id !== EOS);
      expect(ids).toEqual(ids.map((_, at) => 1 + 10_000 * i + at));
      expect(all).toHaveLength(data.manifest.sources[i]!.tokens);
      for (const begin of [0, 290, 305]) {
        if (begin + 17 > all.length) continue;
        expect([...row.read('train', begin, 17)], name).toEqual(all.slice(begin, begin + 17));
      }
    }
    const prints = names.map((_, i) => new SourceRow(data, i).fingerprint('train'));
    expect(new Set(prints).size).toBe(3);
  });
});

describe('a mix of weights', () => {
  it('holds in every stretch of a run within one window', () => {
    const windows = windowsOf(weights, 1000);
    for (const [from, to] of [
      [0, 10],
      [0, 1000],
      [333, 433],
      [7, 901],
    ] as const) {
      const counts = countsOf(windows.slice(from, to));
      for (const [name, share] of Object.entries(weights.weights)) {
        expect(Math.abs(counts[name]! - share * (to - from)), name).toBeLessThanOrEqual(2);
      }
    }
    const whole = countsOf(windows);
    expect(whole).toEqual({ web: 500, books: 300, code: 200 });
  });

  it('reads each source in the order of its own loader, epoch after epoch', () => {
    const windows = windowsOf(weights, 400);
    for (const [i, name] of names.entries()) {
      const own = windows.filter((window) => sourceOf(window) === name);
      const alone = new TokenLoader(new SourceRow(data, i), { ...options, batchSize: 1 });
      expect(own).toEqual(own.map(() => [...alone.next().tokens].join()));
      const epoch = own.slice(0, alone.windows);
      expect(new Set(epoch).size).toBe(epoch.length);
    }
  });

  it('is the same for any number of ranks, any batch size and any shards', () => {
    const expected = windowsOf(weights, 240);
    for (const [ranks, batchSize] of [
      [2, 2],
      [3, 4],
      [1, 1],
      [4, 3],
    ] as const) {
      expect(windowsOf(weights, 240, ranks, batchSize)).toEqual(expected);
    }
    const other = new MixedLoader(dataset(120), { ...options, mix: weights });
    expect(Array.from({ length: 60 }, () => nextOf([other], 4)).flat()).toEqual(expected);
    expect(windowsOf(weights, 240, 1, 4, { seed: 4 })).not.toEqual(expected);
  });

  it('counts only by proportion, and leaves out sources that it does not name', () => {
    expect(windowsOf({ weights: { web: 5, books: 3, code: 2 } }, 100)).toEqual(windowsOf(weights, 100));
    expect(countsOf(windowsOf({ weights: { web: 1, books: 0 } }, 100))).toEqual({ web: 100 });
  });

  it('says what was read', () => {
    const loader = loaderOf(weights);
    for (let i = 0; i < 25; ++i) loader.next();
    const code = new TokenLoader(new SourceRow(data, 2), { ...options, batchSize: 1 }).windows;
    expect(loader.progress()[2]).toEqual({ name: 'code', tokens: 20 * context, epochs: 20 / code });
    expect(loader.plannedEpochs(100)[2]!.epochs).toBeCloseTo(20 / code, 12);
  });
});

describe('a schedule', () => {
  const schedule: Mix = {
    schedule: [
      { until: 0.8, weights: { web: 3, books: 1 } },
      { until: 1, weights: { books: 1, code: 1 } },
    ],
  };

  it('changes at its share of the run, and ranks agree where', () => {
    const windows = windowsOf(schedule, 500, 1, 4, { windows: 500 });
    expect(countsOf(windows.slice(0, 400))).toEqual({ web: 300, books: 100 });
    expect(countsOf(windows.slice(400))).toEqual({ books: 50, code: 50 });
    expect(windowsOf(schedule, 500, 3, 2, { windows: 500 })).toEqual(windows);
    const { epochs } = loaderOf(schedule, { windows: 500 }).plannedEpochs(500)[1]!;
    const { windows: ofBooks } = new TokenLoader(new SourceRow(data, 1), { ...options, batchSize: 1 });
    expect(epochs).toBeCloseTo(150 / ofBooks, 12);
  });

  it('needs the length of the run', () => {
    expect(() => loaderOf(schedule)).toThrow(/needs to know how long a run is/);
  });
});

describe('amounts', () => {
  it('are passes and tokens, and say how long a run is', () => {
    const mix = parseMix('code=3epochs,web=400tokens');
    const code = new SourceRow(data, 2).tokens('train');
    expect(mixTokens(data, mix)).toBe(3 * code + 400);
    const count = Math.ceil(mixTokens(data, mix)! / context);
    const counts = countsOf(windowsOf(mix, count));
    expect(Math.abs(counts.web! - 400 / context)).toBeLessThanOrEqual(1);
    expect(mixTokens(data, weights)).toBeUndefined();
  });
});

describe('the state', () => {
  const schedule: Mix = {
    schedule: [
      { until: 0.5, weights: { web: 0.7, books: 0.3 } },
      { until: 1, weights: { web: 0.1, code: 0.9 } },
    ],
  };

  it('continues in the middle of an epoch and of a phase, on other ranks', () => {
    const expected = windowsOf(schedule, 300, 1, 1, { windows: 300 });
    for (const stop of [30, 150, 156, 222]) {
      const before = loaderOf(schedule, { windows: 300, batchSize: 1 });
      for (let i = 0; i < stop; ++i) before.next();
      const saved = JSON.parse(JSON.stringify(before.state()));
      const after = [0, 1].map(() => {
        const loader = loaderOf(schedule, { windows: 300, batchSize: 3 });
        loader.restore(saved);
        return loader;
      });
      const rest = Array.from({ length: 10 }, () => nextOf(after, 3)).flat();
      expect(rest).toEqual(expected.slice(stop, stop + 60));
    }
  });

  it('of a run without a mix goes on after its share of each source', () => {
    const plain = new TokenLoader(data, options);
    for (let i = 0; i < 10; ++i) plain.next();
    const loader = loaderOf(weights);
    loader.restore(plain.state());
    const read = loader.progress().map(({ epochs }) => epochs);
    const share = 40 / plain.windows;
    for (const epochs of read) expect(Math.abs(epochs - share)).toBeLessThan(0.15);
    expect(loader.state().cursor).toBe(40);
    plain.restore(loader.state());
    expect(plain.state().cursor).toBe(40);
  });

  it('of other data, seed or context is refused, and so is one that is none', () => {
    const state = loaderOf(weights).state();
    expect(() => loaderOf(weights).restore({ ...state, data: 'other' })).toThrow(/another data/);
    expect(() => loaderOf(weights, { seed: 9 }).restore(state)).toThrow(/another seed/);
    expect(() => loaderOf(weights).restore({ ...state, cursor: -1 })).toThrow(/not a whole number/);
    const damaged = state.sources.map((source) => ({ ...source, cursor: 0.5 }));
    expect(() => loaderOf(weights).restore({ ...state, sources: damaged })).toThrow(/not a place/);
  });
});

describe('a text of a mix', () => {
  it.each([
    ['web=0.6,books=0.4', { weights: { web: 0.6, books: 0.4 } }],
    ['a=b=1, c = 2', { weights: { 'a=b': 1, c: 2 } }],
    ['web=1.5epochs,books=300Mtokens', { amounts: { web: { epochs: 1.5 }, books: { tokens: 3e8 } } }],
    ['web=1epoch,b=12tokens', { amounts: { web: { epochs: 1 }, b: { tokens: 12 } } }],
  ])('%s', (text, expected) => {
    expect(parseMix(text)).toEqual(expected);
  });

  it.each([
    'web',
    '=1',
    'web=',
    'web=x',
    'web=-1',
    'web=0',
    'web=1,web=2',
    'web=1,b=1epochs',
    'web=3M',
    'web=0epochs',
    '',
  ])('%j is refused', (text) => {
    expect(() => parseMix(text)).toThrow(expect.objectContaining({ code: 'ERR_OPTION' }));
  });

  it('names sources of the corpus only', () => {
    expect(() => loaderOf({ weights: { wed: 1 } })).toThrow(
      expect.objectContaining({ code: 'ERR_OPTION', remedy: 'did you mean web?' }),
    );
  });
});
