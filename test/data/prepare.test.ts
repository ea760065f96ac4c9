import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { evaluationBatches } from '../../src/data/evaluation-batches.ts';
import { Permutation } from '../../src/data/permutation.ts';
import { type PrepareOptions, prepareData } from '../../src/data/prepare.ts';
import { TokenDataset } from '../../src/data/token-dataset.ts';
import { TokenLoader } from '../../src/data/token-loader.ts';
import { Tokenizer } from '../../src/text/tokenizer.ts';
import { rng } from '../helpers/reference.ts';

let root: string;
let shards: string;
/** Real prose: the documentation of the tools that this project is built with. */
const readmes = [
  'typescript',
  'vitest',
  'commander',
  'yaml',
  'cmake-js',
  'tinybench',
  'node-gyp',
  'node-addon-api',
]
  .map((name) => join('node_modules', name, 'README.md'))
  .filter(existsSync);

const defaults: Omit<PrepareOptions, 'sources' | 'out'> = {
  vocabSize: 600,
  validation: 0.3,
  minChars: 1,
  onBadLine: 'skip',
};

beforeAll(async () => {
  root = mkdtempSync(join(tmpdir(), 'athanor-data-'));
  shards = join(root, 'shards');
  await prepareData({ ...defaults, sources: readmes, out: shards });
});
afterAll(() => rmSync(root, { recursive: true, force: true }));

const copy = (name: string) => {
  const folder = join(root, name);
  mkdirSync(folder);
  for (const file of ['manifest.json', 'train-00000.bin', 'validation-00000.bin', 'tokenizer.json']) {
    writeFileSync(join(folder, file), readFileSync(join(shards, file)));
  }
  return folder;
};

describe('data prepare', () => {
  it('gives back every document, on the side that its hash chose, with its bytes', () => {
    const dataset = TokenDataset.open(shards, { verify: true });
    const tokenizer = Tokenizer.load(shards);
    const texts = (['train', 'validation'] as const).flatMap((split) =>
      [...dataset.documents(split)].map(({ start, end, bytes }) => {
        const ids = dataset.read(split, start, end - start);
        expect(ids[0]).toBe(tokenizer.eosId);
        const text = tokenizer.decode(ids.subarray(1));
        expect(Buffer.byteLength(text)).toBe(bytes);
        return text;
      }),
    );
    const wanted = readmes.map((file) => readFileSync(file, 'utf8'));
    expect(texts.sort()).toEqual(wanted.sort());
    expect(dataset.manifest.splits.validation.documents).toBeGreaterThan(0);
    expect(dataset.manifest.splits.train.documents).toBeGreaterThan(0);
  });

  it('splits the same way whatever the order of the sources', async () => {
    const out = join(root, 'reversed');
    await prepareData({ ...defaults, sources: [...readmes].reverse(), out, tokenizer: shards });
    const a = TokenDataset.open(out).manifest.splits.validation;
    const b = TokenDataset.open(shards).manifest.splits.validation;
    expect([a.documents, a.tokens, a.bytes]).toEqual([b.documents, b.tokens, b.bytes]);
  });

  it('reads JSONL, also gzipped, and says what it dropped and why', async () => {
    const lines = [
      Buffer.from('\ufeff{"text":"with a byte-order mark, long enough to keep"}\r\n'),
      Buffer.from('{"text":"a second document of its own"}\n\n'),
      Buffer.from('{"text": 7}\n{"other": "x"}\nnot json\n'),
      Buffer.from([0x7b, 0xff, 0xfe, 0x7d, 0x0a]),
      Buffer.from(
        '{"text":"   "}\n{"text":"a second document of its own"}\n{"text":"the last has no newline"}',
      ),
    ];
    const file = join(root, 'lines.jsonl.gz');
    writeFileSync(file, gzipSync(Buffer.concat(lines)));
    const dropped: string[] = [];
    const report = await prepareData({
      ...defaults,
      sources: [file],
      out: join(root, 'lines'),
      tokenizer: shards,
      onDropped: ({ id, reason }) => dropped.push(`${id.split(':').at(-1)} ${reason}`),
    });
    expect(report.documents).toBe(3);
    expect(dropped).toEqual([
      '4 missing_field',
      '5 missing_field',
      '6 bad_json',
      '7 not_utf8',
      '8 empty',
      '9 duplicate',
    ]);
    expect(report.dropped).toEqual({ missing_field: 2, bad_json: 1, not_utf8: 1, empty: 1, duplicate: 1 });
  });

  it('stops at the first bad line when asked to, and leaves nothing behind', async () => {
    const file = join(root, 'bad.jsonl');
    writeFileSync(file, '{"text":"fine"}\n{"text":\n');
    const out = join(root, 'never');
    const run = prepareData({ ...defaults, sources: [file], out, tokenizer: shards, onBadLine: 'fail' });
    await expect(run).rejects.toMatchObject({
      code: 'ERR_FORMAT',
      message: expect.stringContaining('bad.jsonl:2'),
    });
    expect(existsSync(out)).toBe(false);
    expect(existsSync(`${out}.tmp-${process.pid}`)).toBe(false);
  });

  it('names binary, missing and unusable sources', async () => {
    const binary = join(root, 'picture.txt');
    writeFileSync(binary, Buffer.from([0x89, 0x50, 0, 0, 1]));
    const run = (source: string) =>
      prepareData({ ...defaults, sources: [source], out: join(root, 'x'), tokenizer: shards });
    await expect(run(binary)).rejects.toThrow(/no usable document .*1 binary/);
    await expect(run(join(root, 'absent.txt'))).rejects.toMatchObject({ code: 'ERR_FILE_MISSING' });
    mkdirSync(join(root, 'empty'));
    await expect(run(join(root, 'empty'))).rejects.toThrow(/holds no text/);
    const cut = join(root, 'cut.jsonl.gz');
    writeFileSync(cut, gzipSync('{"text":"hello"}\n'.repeat(100)).subarray(0, 30));
    await expect(run(cut)).rejects.toMatchObject({ code: 'ERR_FILE_DAMAGED' });
  });
});

describe('token loader', () => {
  const options = { batchSize: 3, context: 32, seed: 5 };

  it('visits every window once an epoch, in another order each epoch', () => {
    const permutation = (epoch: number) =>
      Array.from({ length: 1000 }, (_, i) => new Permutation(1000, 1, epoch).at(i));
    expect([...permutation(0)].sort((a, b) => a - b)).toEqual(Array.from({ length: 1000 }, (_, i) => i));
    expect(permutation(0)).not.toEqual(permutation(1));
    const dataset = TokenDataset.open(shards);
    const loader = new TokenLoader(dataset, { ...options, batchSize: 1 });
    const seen = new Set<string>();
    for (let i = 0; i < loader.windows; ++i) seen.add(loader.next().tokens.join());
    // Two windows of the same text would count once; prose of this length has none.
    expect(seen.size).toBe(loader.windows);
  });

  it('targets are the next tokens, and sequences begin at windows and documents', () => {
    const dataset = TokenDataset.open(shards);
    const eos = dataset.manifest.eos_id;
    const loader = new TokenLoader(dataset, { ...options, shuffle: false, batchSize: 2 });
    const { tokens, targets, positions, cuSeqlens } = loader.next();
    const whole = dataset.read('train', 0, 65);
    expect([...tokens]).toEqual([...whole.subarray(0, 64)]);
    expect([...targets]).toEqual([...whole.subarray(1)]);
    const starts = [...tokens.keys()].filter((i) => i % 32 === 0 || tokens[i] === eos);
    expect([...cuSeqlens]).toEqual([...starts, 64]);
    expect(starts.every((start) => positions[start] === 0)).toBe(true);
    expect([...positions].filter((p) => p === 0)).toHaveLength(starts.length);
  });

  it('goes on from a saved cursor with the same batches', () => {
    const dataset = TokenDataset.open(shards);
    const first = new TokenLoader(dataset, options);
    for (let i = 0; i < 40; ++i) {
      const second = new TokenLoader(dataset, options);
      second.restore(JSON.parse(JSON.stringify(first.state())));
      expect(second.next()).toEqual(first.next());
    }
  });

  it.each([2, 3])('gives %i ranks together what one rank would get', (worldSize) => {
    const dataset = TokenDataset.open(shards);
    const one = new TokenLoader(dataset, { ...options, batchSize: 2 * worldSize });
    const ranks = Array.from(
      { length: worldSize },
      (_, rank) => new TokenLoader(dataset, { ...options, batchSize: 2, rank, worldSize }),
    );
    const rowsOf = (tokens: Int32Array) =>
      Array.from({ length: tokens.length / 32 }, (_, i) => tokens.slice(i * 32, i * 32 + 32));
    for (let step = 0; step < 50; ++step) {
      const parts = ranks.map((loader) => rowsOf(loader.next().tokens));
      const merged = Array.from(
        { length: 2 * worldSize },
        (_, i) => parts[i % worldSize]![Math.floor(i / worldSize)]!,
      );
      expect(merged).toEqual(rowsOf(one.next().tokens));
    }
  });

  it('says when a split is too short for the context', () => {
    const dataset = TokenDataset.open(shards);
    expect(() => new TokenLoader(dataset, { ...options, context: 10_000_000 })).toThrow(
      /fewer than one window/,
    );
  });
});

describe('evaluation batches', () => {
  it('cover whole documents once and count their bytes', () => {
    const dataset = TokenDataset.open(shards);
    let [targets, bytes] = [0, 0];
    for (const batch of evaluationBatches(dataset, {
      batchSize: 4,
      context: 50,
      maxTokens: Number.POSITIVE_INFINITY,
    })) {
      targets += batch.targets.length;
      bytes += batch.bytes;
      expect(batch.cuSeqlens.at(-1)).toBe(batch.tokens.length);
    }
    const { tokens, documents, bytes: all } = dataset.manifest.splits.validation;
    expect(targets).toBe(tokens - documents);
    expect(bytes).toBe(all);
  });
});

describe('damaged shards', () => {
  it('are named with what is wrong', () => {
    const cut = copy('cut');
    truncateSync(join(cut, 'train-00000.bin'), 200);
    expect(() => TokenDataset.open(cut)).toThrow(/train-00000.bin: it is 200 bytes and should be/);
    const flipped = copy('flipped');
    const bytes = readFileSync(join(flipped, 'train-00000.bin'));
    bytes[100]! ^= 1;
    writeFileSync(join(flipped, 'train-00000.bin'), bytes);
    expect(() => TokenDataset.open(flipped, { verify: true })).toThrow(/differ from their checksum/);
    expect(() => TokenDataset.open(join(root, 'nowhere'))).toThrow(/not a folder of token shards/);
  });

  it('never crash or pass for whole under random damage', () => {
    const random = rng(11);
    const folder = copy('fuzz');
    const original = Object.fromEntries(
      ['manifest.json', 'train-00000.bin'].map((file) => [file, readFileSync(join(shards, file))]),
    );
    for (let round = 0; round < 150; ++round) {
      const file = round % 2 === 0 ? 'manifest.json' : 'train-00000.bin';
      const whole = original[file]!;
      const damaged =
        random.uniform() < 0.3 ? whole.subarray(0, random.integer(whole.length)) : Buffer.from(whole);
      for (let i = 0; i < 3 && damaged.length > 0; ++i)
        damaged[random.integer(damaged.length)] = random.integer(256);
      writeFileSync(join(folder, file), damaged);
      try {
        const dataset = TokenDataset.open(folder, { verify: true });
        dataset.read('train', 0, Math.min(100, dataset.tokens('train')));
        for (const _ of dataset.documents('train'));
        dataset.close();
        if (file.endsWith('.bin') && !damaged.equals(whole))
          expect.fail('a damaged shard passed its checksum');
      } catch (error) {
        expect(error).toMatchObject({
          name: 'AthanorError',
          code: expect.stringMatching(/ERR_FILE_DAMAGED|ERR_FILE_MISSING/),
        });
      }
      writeFileSync(join(folder, file), whole);
    }
  });
});
