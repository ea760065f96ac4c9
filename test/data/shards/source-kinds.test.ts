/** Sources of all kinds through the units of `data prepare`. */
import { createHash } from 'node:crypto';
import { cpSync, existsSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { beforeAll, describe, expect, it } from 'vitest';
import { packageRoot } from '../../../src/base/package-root.ts';
import { readRecipe, recipeText } from '../../../src/data/shards/corpus-recipe.ts';
import { type PrepareOptions, prepareData } from '../../../src/data/shards/prepare.ts';
import { readStatistics } from '../../../src/data/shards/statistics.ts';
import { writeCorpusReport } from '../../../src/report/corpus-report.ts';
import { suiteFolder, temporaryFolder } from '../../helpers/cli.ts';
import { digestsBelow, startPrepare } from '../../helpers/prepare-runs.ts';
import { defaults, readmes } from '../corpus/corpora.ts';

const fixtures = join(packageRoot, 'test/data/corpus/fixtures');
const root = suiteFolder();
const corpus = join(root, 'corpus');
const paragraphs = readmes.flatMap((file) => readFileSync(file, 'utf8').split('\n\n'));
const rows = paragraphs.map((text) => `${JSON.stringify({ text })}\n`);

/** A frame of Zstandard with raw blocks (RFC 8878, 3.1.1), which needs no compressor. */
function zstdFrame(bytes: Buffer): Buffer {
  const head = Buffer.from('28b52ffda000000000', 'hex');
  head.writeUInt32LE(bytes.length, 5);
  const blocks: Buffer[] = [];
  for (let start = 0; start < bytes.length; start += 1 << 16) {
    const block = bytes.subarray(start, start + (1 << 16));
    const isLast = start + block.length === bytes.length;
    const size = Buffer.alloc(3);
    size.writeUIntLE((block.length << 3) | Number(isLast), 0, 3);
    blocks.push(size, block);
  }
  return Buffer.concat([head, ...blocks]);
}

/** Files that are cut, files that are read as a whole, and files that cannot be read. */
function writeCorpus(): void {
  mkdirSync(join(corpus, 'more'), { recursive: true });
  const put = (name: string, content: string | Buffer) => writeFileSync(join(corpus, name), content);
  const fixture = (from: string, to: string) => cpSync(join(fixtures, from), join(corpus, to));
  fixture('pages.warc.gz', 'crawl.warc.gz');
  fixture('pages.warc.wet.gz', 'crawl.warc.wet.gz');
  fixture('tables/snappy.parquet', 'table.parquet');
  fixture('tables/stream.arrow', 'table.arrow');
  const article = paragraphs.filter((text) => text.length > 200).slice(0, 20);
  const body = article.map((text) => `<p>${text.replaceAll('<', '&lt;')}</p>`).join('\n');
  put('page.html', `<!doctype html><title>A page</title><nav>menu</nav><article>${body}</article>`);
  put('rows.jsonl', `${rows.slice(0, 200).join('')}no json\n`);
  put('rows.jsonl.zst', zstdFrame(Buffer.from(rows.slice(150, 400).join(''))));
  put('list.json.gz', gzipSync(JSON.stringify(paragraphs.slice(0, 40).map((text) => ({ text })))));
  put('long.txt', paragraphs.join('\n\n'));
  put('more/program.py', paragraphs.map((text) => `print(${JSON.stringify(text)})\n`).join(''));
  put('more/script', '#!/bin/sh\necho some words of a script\n');
  put('more/cut.parquet', readFileSync(join(fixtures, 'tables/none.parquet')).subarray(0, 5000));
  put('more/cut.txt.gz', gzipSync(paragraphs.join('')).subarray(0, 3000));
  put('more/picture.png', 'no text');
  symlinkSync('nowhere', join(corpus, 'more/link'));
  symlinkSync('loop', join(corpus, 'more/loop'));
}

let options: Omit<PrepareOptions, 'out'>;
let whole: Record<string, string>;

beforeAll(async () => {
  writeCorpus();
  const sources = [
    corpus,
    join(corpus, '**/*.{html,md}'),
    { path: join(fixtures, 'hub'), name: 'held', split: 'test' },
    join(fixtures, 'saved-dict'),
  ];
  options = { ...defaults, sources, vocabSize: 400, partBytes: 2048, filters: ['length:min-words=4'] };
  const out = join(root, 'whole');
  await prepareData({ ...options, out, threads: 1, unitBytes: 1 << 30 });
  whole = digestsBelow(out);
}, 100_000);

const jsonl = (path: string) =>
  readFileSync(path, 'utf8')
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as Record<string, unknown>);

describe('sources of all kinds', () => {
  it.each([
    [1, 20_000],
    [2, 20_000],
    [3, 4_000],
  ])('give the same files with %i threads and units of %i bytes', async (threads, unitBytes) => {
    const out = join(temporaryFolder(), 'out');
    await prepareData({ ...options, out, threads, unitBytes });
    expect(digestsBelow(out)).toEqual(whole);
  });

  it('give the same files after kills, and with two ranks', async () => {
    const out = join(temporaryFolder(), 'out');
    const given = { ...options, out, threads: 2, unitBytes: 20_000 };
    const deaths = [
      { phase: 'filtering', report: 6 },
      { phase: 'encoding', report: 3 },
    ];
    for (const death of deaths) {
      expect(await startPrepare(given, death).ended).toMatchObject({ signal: 'SIGKILL' });
    }
    const ended = [0, 1].map((rank) => startPrepare({ ...given, ranks: { rank, size: 2 } }).ended);
    for (const { code } of await Promise.all(ended)) expect(code).toBe(0);
    expect(digestsBelow(out)).toEqual(whole);
  });

  it('are all read, and listed with their digests', async () => {
    const out = join(root, 'whole');
    const files = jsonl(join(out, 'inputs.jsonl'));
    const sha256 = (path: string) => createHash('sha256').update(readFileSync(path)).digest('hex');
    for (const { file, sha256: digest } of files) {
      const isLink = /more\/(link|loop)$/.test(String(file));
      expect(digest).toBe(isLink ? null : sha256(String(file)));
    }
    const listed = files.map(({ file }) => String(file));
    expect(listed.filter((file) => file.endsWith('page.html'))).toHaveLength(2);
    expect(listed.filter((file) => file.includes('/hub/'))).toEqual([
      join(fixtures, 'hub/data/held.parquet'),
    ]);
    const dropped = jsonl(join(out, 'dropped.jsonl')).map(({ id, reason }) => `${id} ${reason}`);
    for (const name of ['cut.parquet', 'cut.txt.gz', 'link', 'loop']) {
      expect(dropped).toContain(`${join(corpus, 'more', name)} damaged`);
    }
    expect(dropped).toContain(`${join(corpus, 'rows.jsonl')}:201 bad_json`);
    const { read, languages } = readStatistics(out)!;
    expect(read).toMatchObject({ held: { documents: 3 }, [join(fixtures, 'saved-dict')]: { documents: 5 } });
    expect(languages).toMatchObject({ python: { documents: expect.any(Number) }, shell: { documents: 1 } });
    await writeCorpusReport(out);
    expect(readFileSync(join(out, 'report.html'), 'utf8')).toMatch(
      /Programming languages[\s\S]*python[\s\S]*shell/,
    );
    const short = jsonl(join(out, 'rejected/length.min-words.jsonl'));
    expect(short.every(({ id, language }) => String(id).includes('.py') === (language === 'python'))).toBe(
      true,
    );
  });

  it('are made again by the recipe of their folder', async () => {
    const text = recipeText({ ...options, out: 'out', split: 'train', stdinFormat: 'jsonl' });
    const file = join(temporaryFolder(), 'recipe.yaml');
    writeFileSync(file, text);
    const { sources, split, stdinFormat } = await readRecipe(file);
    expect({ sources, split, stdinFormat }).toEqual({
      sources: options.sources,
      split: 'train',
      stdinFormat: 'jsonl',
    });
  });
});

describe('standard input', () => {
  const input = rows.slice(0, 300).join('');
  const given = (out: string) => ({ ...defaults, sources: ['-'], out, vocabSize: 400, unitBytes: 9_000 });

  it('is one source, cut into units, and the run continues with the same input or with none', async () => {
    const folder = temporaryFolder();
    const direct = given(join(folder, 'direct'));
    const { code } = await startPrepare({ ...direct, threads: 1 }, undefined, input).ended;
    expect(code).toBe(0);
    expect(jsonl(join(direct.out, 'inputs.jsonl'))).toEqual([
      {
        source: '-',
        file: '-',
        bytes: Buffer.byteLength(input),
        sha256: createHash('sha256').update(input).digest('hex'),
      },
    ]);
    const all = { ...given(join(folder, 'out')), threads: 2 };
    for (const again of [input, '']) {
      await startPrepare(all, { phase: 'encoding', report: 3 }, input).ended;
      expect(existsSync(all.out)).toBe(false);
      const other = await startPrepare(all, undefined, `${input}{"text":"more"}\n`).ended;
      expect(other.code).toBe(1);
      expect(other.output).toContain('was begun with another standard input');
      const { output } = await startPrepare(all, undefined, again).ended;
      const [, done, units] = /resumed (\d+)\/(\d+)/.exec(output) ?? [];
      expect(Number(units)).toBeGreaterThan(5);
      expect(done).toBe(units);
      expect(digestsBelow(all.out)).toEqual(digestsBelow(direct.out));
      expect(existsSync(`${all.out}.partial`)).toBe(false);
      all.out += '2';
    }
  });

  it('is read by the first of the ranks', async () => {
    const all = { ...given(join(temporaryFolder(), 'out')), threads: 1 };
    const start = (rank: number) =>
      startPrepare({ ...all, ranks: { rank, size: 2 } }, undefined, rank ? '' : input);
    const ended = await Promise.all([start(0).ended, start(1).ended]);
    expect(ended.map(({ code }) => code)).toEqual([0, 0]);
  });

  it('that is empty is refused, and leaves nothing', async () => {
    const { out, ...all } = given(join(temporaryFolder(), 'out'));
    const { output } = await startPrepare({ ...all, out }, undefined, '').ended;
    expect(output).toContain('standard input is empty');
    expect(existsSync(`${out}.partial`)).toBe(false);
  });
});
