import { createHash } from 'node:crypto';
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { packageVersion } from '../../../src/base/package-version.ts';
import { prepareData } from '../../../src/data/shards/prepare.ts';
import { TokenDataset } from '../../../src/data/shards/token-dataset.ts';
import { Tokenizer } from '../../../src/text/tokenizer.ts';
import { temporaryFolder } from '../../helpers/cli.ts';
import { oracles, rankFile } from '../../text/oracles.ts';
import { defaults, readmes } from '../corpus/corpora.ts';

let root: string;
let shards: string;

beforeAll(async () => {
  root = mkdtempSync(join(tmpdir(), 'athanor-data-'));
  shards = join(root, 'shards');
  await prepareData({ ...defaults, sources: readmes, out: shards });
});
afterAll(() => rmSync(root, { recursive: true, force: true }));

const sha256 = (bytes: Buffer) => createHash('sha256').update(bytes).digest('hex');

/** All documents of a folder, decoded and checked against their byte counts, as "split: text". */
function decodeAll(folder: string): string[] {
  const dataset = TokenDataset.open(folder, { verify: true });
  const tokenizer = dataset.tokenizer();
  const texts = (['train', 'validation'] as const).flatMap((split) =>
    [...dataset.documents(split)].map(({ start, end, bytes }) => {
      const ids = dataset.read(split, start, end - start);
      expect(ids[0]).toBe(tokenizer.eosId);
      expect(ids.subarray(1)).not.toContain(tokenizer.eosId);
      const text = tokenizer.decode(ids.subarray(1));
      expect(Buffer.byteLength(text)).toBe(bytes);
      return `${split}: ${text}`;
    }),
  );
  dataset.close();
  return texts.sort();
}

const withoutSplit = (texts: readonly string[]) => texts.map((text) => text.replace(/^\w+: /, '')).sort();

describe('data prepare', () => {
  it('gives back every document with its bytes', () => {
    const texts = decodeAll(shards);
    expect(withoutSplit(texts)).toEqual(readmes.map((file) => readFileSync(file, 'utf8')).sort());
    expect(texts.filter((text) => text.startsWith('validation')).length).toBeGreaterThan(0);
  });

  it('puts each document on the same side whatever the order of the sources', async () => {
    const out = join(root, 'reversed');
    await prepareData({ ...defaults, sources: [...readmes].reverse(), out, tokenizer: shards });
    expect(decodeAll(out)).toEqual(decodeAll(shards));
  });

  it('has a document on both sides as soon as there are two, whatever the share', async () => {
    for (const [i, validationSplit] of [1e-9, 0.5, 0.999].entries()) {
      const out = join(root, `two-${i}`);
      const sources = readmes.slice(0, 2);
      const report = await prepareData({ ...defaults, sources, out, tokenizer: shards, validationSplit });
      expect([report.train_documents, report.validation_documents]).toEqual([1, 1]);
    }
  });

  it('cuts a corpus of one document, and holds nothing back when told so', async () => {
    const [source] = readmes.filter((file) => readFileSync(file).length > 10_000);
    const out = join(root, 'one');
    const options = { ...defaults, sources: [source!], tokenizer: shards };
    await prepareData({ ...options, out, validationSplit: 0.2 });
    const texts = decodeAll(out);
    expect(texts.map((text) => text.split(':')[0])).toEqual(['train', 'validation']);
    const whole = readFileSync(source!, 'utf8');
    expect(texts.map((text) => text.replace(/^\w+: /, '')).join('')).toBe(whole);
    const kept = texts[0]!.length / whole.length;
    expect(kept).toBeGreaterThan(0.4);
    expect(kept).toBeLessThan(0.81);
    const report = await prepareData({ ...options, out: join(root, 'all'), validationSplit: 0 });
    expect([report.train_documents, report.validation_documents]).toEqual([1, 0]);
  });

  it('learns its vocabulary from the documents to train on only', async () => {
    const folder = join(root, 'halves');
    mkdirSync(folder);
    const words = (letters: string) =>
      Array.from({ length: 3000 }, (_, i) => letters[i % 7]! + letters[(i * i) % 11]!).join(' ');
    writeFileSync(join(folder, 'a.txt'), words('abcdefghijk'));
    writeFileSync(join(folder, 'b.txt'), words('mnopqrstuvw'));
    const out = join(root, 'halves-shards');
    await prepareData({ ...defaults, sources: [folder], out, vocabSize: 300 });
    const [train, validation] = decodeAll(out).map((text) => text.replace(/^\w+: /, ''));
    const tokenizer = Tokenizer.load(out);
    expect(tokenizer.encode(train!).length).toBeLessThan(train!.length / 2);
    expect(tokenizer.encode(validation!).length).toBeGreaterThan(validation!.length / 2);
  });

  it('writes as many shards as it takes, of either width, which read as one row', async () => {
    const cl100k = oracles.find(({ name }) => name === 'cl100k_base')!;
    const wide = Tokenizer.fromTiktoken(rankFile(cl100k), cl100k.pattern, cl100k.specialTokens);
    for (const tokenizer of [Tokenizer.load(shards), wide]) {
      const options = { ...defaults, sources: readmes, tokenizer };
      const [one, many] = [join(temporaryFolder(), 'one'), join(temporaryFolder(), 'many')];
      await prepareData({ ...options, out: one });
      const report = await prepareData({ ...options, out: many, shardTokens: 1000 });
      expect(report.shards).toBeGreaterThan(4);
      expect(decodeAll(many)).toEqual(decodeAll(shards));
      const [a, b] = [TokenDataset.open(one), TokenDataset.open(many)];
      expect(a.manifest.width).toBe(tokenizer === wide ? 4 : 2);
      const count = a.tokens('train');
      expect(b.read('train', 0, count)).toEqual(a.read('train', 0, count));
      expect([...b.documents('train')]).toEqual([...a.documents('train')]);
      expect([...b.documents('train', 1, 2)]).toEqual([...a.documents('train')].slice(1, 3));
    }
  });

  it('puts documents of one source into a shard, and lists sources, inputs and recipe', async () => {
    const out = join(root, 'sources');
    const sources = [readmes[0]!, ...readmes];
    await prepareData({ ...defaults, sources, out, tokenizer: shards, dedup: 'none', partBytes: 1024 });
    const dataset = TokenDataset.open(out, { verify: true });
    const { manifest } = dataset;
    expect(manifest.sources.map(({ name }) => name)).toEqual(readmes);
    const sums = readmes.map((name) => ({ name, documents: 0, tokens: 0, bytes: 0 }));
    for (const split of ['train', 'validation'] as const) {
      let at = 0;
      for (const { source, documents, tokens, bytes } of manifest.splits[split].shards) {
        const text = readFileSync(readmes[source]!, 'utf8');
        for (const { start, end } of dataset.documents(split, at, documents)) {
          expect(text).toContain(dataset.tokenizer().decode(dataset.read(split, start + 1, end - start - 1)));
        }
        at += documents;
        sums[source]!.documents += documents;
        sums[source]!.tokens += tokens;
        sums[source]!.bytes += bytes;
      }
    }
    expect(manifest.sources).toEqual(sums);
    expect(manifest.athanor).toBe(packageVersion());
    expect(manifest.recipe).toMatchObject({
      sources,
      dedup: 'none',
      partBytes: 1024,
      tokenizer: dataset.tokenizer().fingerprint(),
    });
    const list = readFileSync(join(out, 'inputs.jsonl'));
    const bytes = sources.reduce((sum, file) => sum + readFileSync(file).length, 0);
    expect(manifest.inputs).toEqual({ files: sources.length, bytes, sha256: sha256(list) });
    const rows = list.toString().trim().split('\n');
    expect(rows.map((row) => JSON.parse(row))).toEqual(
      sources.map((file) => {
        const content = readFileSync(file);
        return { source: file, file, bytes: content.length, sha256: sha256(content) };
      }),
    );
    dataset.close();
  });

  it('reads folders of version 1, whose shards do not name a source', async () => {
    const folder = join(temporaryFolder(), 'old');
    cpSync(shards, folder, { recursive: true });
    const path = join(folder, 'manifest.json');
    const { athanor, inputs, recipe, ...manifest } = JSON.parse(readFileSync(path, 'utf8'));
    for (const split of ['train', 'validation']) {
      for (const shard of manifest.splits[split].shards) delete shard.source;
    }
    const names = manifest.sources.map(({ name }: { name: string }) => name);
    writeFileSync(path, JSON.stringify({ ...manifest, version: 1, sources: names }));
    expect(decodeAll(folder)).toEqual(decodeAll(shards));
    const old = TokenDataset.open(folder);
    const { train, validation } = old.manifest.splits;
    expect(old.manifest).toMatchObject({ version: 2, athanor: null, inputs: null, recipe: null });
    expect(old.manifest.sources).toEqual([
      {
        name: names.join(', '),
        documents: train.documents + validation.documents,
        tokens: train.tokens + validation.tokens,
        bytes: train.bytes + validation.bytes,
      },
    ]);
    expect(train.shards.every(({ source }) => source === 0)).toBe(true);
    old.close();
  });

  it('counts and lists what it dropped, and drops each text but once', async () => {
    const file = join(root, 'lines.jsonl');
    const second = '{"text":"a second document of its own"}\n';
    writeFileSync(file, `{"text":"the first document"}\n${second}{"text": 7}\nno\n{"text":"ab"}\n${second}`);
    const out = join(root, 'lines');
    const report = await prepareData({
      ...defaults,
      sources: [file, file],
      out,
      tokenizer: shards,
      minChars: 3,
    });
    expect(report.documents).toBe(2);
    expect(report.dropped).toEqual({ missing_field: 2, bad_json: 2, too_short: 2, duplicate: 4 });
    expect(report.sources).toEqual({
      [file]: { documents: 2, tokens: report.tokens, bytes: 46 },
    });
    const log = readFileSync(join(out, 'dropped.jsonl'), 'utf8').trim().split('\n');
    expect(log.map((line) => JSON.parse(line)).slice(0, 4)).toEqual([
      { id: `${file}:3`, reason: 'missing_field', detail: '"text" is a number, not a text' },
      { id: `${file}:4`, reason: 'bad_json', detail: expect.stringContaining('JSON') },
      { id: `${file}:5`, reason: 'too_short' },
      { id: `${file}:6`, reason: 'duplicate' },
    ]);
    expect(log).toHaveLength(10);
    expect(existsSync(join(shards, 'dropped.jsonl'))).toBe(false);
  });

  it('says why there is nothing, with the first thing that was wrong', async () => {
    const file = join(root, 'other.jsonl');
    writeFileSync(file, '{"body":"x"}\n{"body":"y"}\n');
    const options = { ...defaults, sources: [file], out: join(root, 'none'), tokenizer: shards };
    await expect(prepareData(options)).rejects.toMatchObject({
      code: 'ERR_ARGUMENT',
      message: `no usable document in ${file}: dropped 2 missing field; the first was ${file}:1: without the field (no "text"; it has body)`,
      remedy: expect.stringContaining('`textKey`'),
    });
    // Nothing of it is in the way of the right option.
    expect(await prepareData({ ...options, textKey: 'body' })).toMatchObject({ documents: 2 });
  });

  it('leaves nothing behind when it stops: at a bad line, at a signal, or before a folder that exists', async () => {
    const folder = temporaryFolder();
    const file = join(folder, 'bad.jsonl');
    writeFileSync(file, '{"text":"fine"}\n{"text":\n');
    const out = join(folder, 'out');
    const options = { ...defaults, sources: [file], out };
    for (const tokenizer of [undefined, shards]) {
      await expect(prepareData({ ...options, tokenizer, onBadLine: 'fail' })).rejects.toMatchObject({
        code: 'ERR_FORMAT',
        message: expect.stringContaining('bad.jsonl:2: not JSON'),
      });
      const signal = AbortSignal.abort();
      await expect(prepareData({ ...options, tokenizer, signal })).rejects.toMatchObject({
        code: 'ERR_INTERRUPTED',
      });
    }
    expect(readdirSync(folder)).toEqual(['bad.jsonl']);
    mkdirSync(out);
    await expect(prepareData(options)).rejects.toThrow(/exists already/);
    expect(readdirSync(folder).sort()).toEqual(['bad.jsonl', 'out']);
  });

  it('refuses a folder within its text, which the next call would read as text', async () => {
    const folder = temporaryFolder();
    writeFileSync(join(folder, 'a.txt'), 'some text');
    const out = join(folder, 'new', 'shards');
    await expect(prepareData({ ...defaults, sources: [folder], out })).rejects.toMatchObject({
      code: 'ERR_OPTION',
      message: `\`out\` ${out} lies in ${folder}, so its own files would be read as text`,
    });
    expect(readdirSync(folder)).toEqual(['a.txt']);
  });

  it('needs a tokenizer with an end-of-text token and a share that is one', async () => {
    const bare = await Tokenizer.train(['some text to learn from'], { vocabSize: 256, specialTokens: [] });
    const options = { ...defaults, sources: readmes, out: join(root, 'never') };
    await expect(prepareData({ ...options, tokenizer: bare })).rejects.toThrow(/no end-of-text token/);
    await expect(prepareData({ ...options, validationSplit: 1 })).rejects.toThrow(/`validationSplit`/);
  });
});
