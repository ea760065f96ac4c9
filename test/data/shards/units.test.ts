import { spawnSync } from 'node:child_process';
import {
  appendFileSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { mix } from '../../../src/base/random.ts';
import { type PrepareOptions, prepareData } from '../../../src/data/shards/prepare.ts';
import { temporaryFolder } from '../../helpers/cli.ts';
import { digestsBelow, prepareProgram, startPrepare } from '../../helpers/prepare-runs.ts';
import { defaults, readmes } from '../corpus/corpora.ts';

/** Kills at random moments. More of them take minutes. */
const kills = Number(process.env.ATHANOR_TEST_KILLS ?? 3);

let root: string;
let corpus: string;
let whole: Record<string, string>;
let options: Omit<PrepareOptions, 'out'>;

/** A corpus of all kinds of files, with repetitions and bad lines. */
function writeCorpus(folder: string): void {
  const paragraphs = readmes.flatMap((file) => readFileSync(file, 'utf8').split('\n\n'));
  const rows = paragraphs.map((text, i) => `${JSON.stringify({ text, i })}\n`);
  mkdirSync(join(folder, 'texts/inner'), { recursive: true });
  writeFileSync(
    join(folder, 'a.jsonl'),
    `${rows.slice(0, 400).join('')}no json\n\n${rows.slice(30, 60).join('')}`,
  );
  writeFileSync(join(folder, 'b.jsonl.gz'), gzipSync(rows.slice(350).join('')));
  writeFileSync(join(folder, 'long.txt'), paragraphs.join('\n\n'));
  writeFileSync(join(folder, 'cut.md'), `\ufeff${paragraphs.slice(0, 80).join('\n---\n')}\n---`);
  for (const [i, file] of readmes.entries()) cpSync(file, join(folder, `texts/inner/${i}.md`));
  writeFileSync(join(folder, 'texts/picture.png'), Buffer.from([0x89, 0x50, 0x4e, 0x47, 0]));
  writeFileSync(join(folder, 'texts/zero.txt'), 'text and\n\0 zero');
  writeFileSync(join(folder, 'texts/empty.txt'), '');
}

beforeAll(async () => {
  root = mkdtempSync(join(tmpdir(), 'athanor-units-'));
  corpus = join(root, 'corpus');
  writeCorpus(corpus);
  const sources = ['a.jsonl', 'b.jsonl.gz', 'long.txt', 'cut.md', 'texts'].map((name) => join(corpus, name));
  options = {
    ...defaults,
    sources,
    vocabSize: 400,
    validationSplit: 0.1,
    separator: '---',
    partBytes: 2048,
    filters: ['length:min-words=4', 'pii'],
    dedup: 'minhash',
    shardTokens: 20_000,
  };
  // One unit of work: nothing is divided.
  const out = join(root, 'whole');
  await prepareData({ ...options, out, threads: 1, unitBytes: 1 << 30 });
  whole = digestsBelow(out);
});
afterAll(() => rmSync(root, { recursive: true, force: true }));

describe('the files of data prepare', () => {
  it.each([
    [1, 5_000],
    [2, 5_000],
    [3, 40_000],
  ])('do not depend on %i threads and units of %i bytes', async (threads, unitBytes) => {
    const out = join(temporaryFolder(), 'out');
    await prepareData({ ...options, out, threads, unitBytes });
    expect(digestsBelow(out)).toEqual(whole);
    expect(existsSync(`${out}.partial`)).toBe(false);
  });

  it.each(['exact-line', 'exact-paragraph', 'exact-run', 'none'] as const)(
    'do not depend on threads with %s',
    async (dedup) => {
      const folder = temporaryFolder();
      const given = { ...options, filters: [], dedup };
      await prepareData({ ...given, out: join(folder, 'one'), threads: 1, unitBytes: 1 << 30 });
      await prepareData({ ...given, out: join(folder, 'two'), threads: 2, unitBytes: 9_000 });
      expect(digestsBelow(join(folder, 'two'))).toEqual(digestsBelow(join(folder, 'one')));
    },
  );

  it.each([2, 3])('do not depend on %i ranks', async (size) => {
    const out = join(temporaryFolder(), 'out');
    const ranks = Array.from({ length: size }, (_, rank) => rank);
    const processes = ranks.map((rank) =>
      startPrepare({ ...options, out, threads: 1, unitBytes: 20_000, ranks: { rank, size } }),
    );
    for (const { ended } of processes) expect(await ended).toMatchObject({ code: 0 });
    expect(digestsBelow(out)).toEqual(whole);
    expect(existsSync(`${out}.partial`)).toBe(false);
  });

  it('do not depend on kills in any phase', async () => {
    const out = join(temporaryFolder(), 'out');
    const given = { ...options, out, threads: 2, unitBytes: 20_000 };
    const deaths = [
      { phase: 'reading the inputs', report: 3 },
      { phase: 'filtering', report: 2 },
      { phase: 'filtering', report: 12 },
      { phase: 'looking for duplicates', report: 50 },
      { phase: 'choosing', report: 300 },
      { phase: 'training the tokenizer', report: 5 },
      { phase: 'encoding', report: 5 },
      { phase: 'encoding', report: 5 },
      { phase: 'writing the shards', report: 4 },
    ];
    for (const death of deaths)
      expect(await startPrepare(given, death).ended).toMatchObject({ signal: 'SIGKILL' });
    const { code, output } = await startPrepare(given).ended;
    expect(code).toBe(0);
    const [, done, units] = /resumed (\d+)\/(\d+)/.exec(output) ?? [];
    expect(Number(units)).toBeGreaterThan(10);
    expect(done).toBe(units);
    expect(digestsBelow(out)).toEqual(whole);
  });

  it(`do not depend on ${kills} kills at any moment, with one rank and with two`, async () => {
    for (const size of [1, 2]) {
      const out = join(temporaryFolder(), 'out');
      for (let run = 0; !existsSync(out); run++) {
        const processes = Array.from({ length: size }, (_, rank) =>
          startPrepare({ ...options, out, threads: 2, unitBytes: 20_000, ranks: { rank, size } }),
        );
        const delay = 100 + (mix(run, size) % 3000);
        const timer = setTimeout(() => {
          for (const { child } of processes) child.kill('SIGKILL');
        }, delay);
        if (run >= kills) clearTimeout(timer);
        await Promise.all(processes.map(({ ended }) => ended));
        clearTimeout(timer);
      }
      // A kill may have come when the folder was there and the rest was not yet removed.
      await startPrepare({ ...options, out, threads: 2, unitBytes: 20_000 }).ended;
      expect(digestsBelow(out)).toEqual(whole);
    }
  });
});

describe('a folder of a run that was stopped', () => {
  const given = { threads: 1, unitBytes: 20_000 };
  const stopped = async (folder: string, more: Partial<PrepareOptions> = {}) => {
    const out = join(folder, 'out');
    const all = { ...options, ...given, ...more, out };
    await startPrepare(all, { phase: 'encoding', report: 5 }).ended;
    return all;
  };

  it('is refused with other options, which are named, until it is begun anew', async () => {
    const all = await stopped(temporaryFolder());
    const changes: [Partial<PrepareOptions>, string][] = [
      [{ minChars: 5 }, '`minChars` (1) than now (5)'],
      [{ dedup: 'exact' }, '`dedup` ("minhash") than now ("exact")'],
      [{ filters: ['length:min-words=5', 'pii'] }, '`filters`'],
      [{ partBytes: 4096 }, '`partBytes` (2048) than now (4096)'],
      [{ vocabSize: 401 }, '`vocabSize` (400) than now (401)'],
      [{ sources: options.sources.slice(1) }, '`sources`'],
      [{ validationSplit: 0.2 }, '`validationSplit`'],
      [{ shardTokens: 100 }, '`shardTokens`'],
    ];
    for (const [change, message] of changes) {
      const refused = await prepareData({ ...all, ...change }).catch((error) => error);
      expect(refused).toMatchObject({ code: 'ERR_MISMATCH', message: expect.stringContaining(message) });
      expect(refused.remedy).toContain('begin anew with `fresh`');
    }
    // Threads and what is done about bad lines do not decide the bytes.
    await prepareData({ ...all, threads: 2, onBadLine: 'skip' });
    expect(digestsBelow(all.out)).toEqual(whole);
  });

  it('is refused with inputs that changed, and begun anew with `fresh`', async () => {
    const folder = temporaryFolder();
    cpSync(corpus, join(folder, 'corpus'), { recursive: true });
    const sources = options.sources.map((source) => String(source).replace(corpus, join(folder, 'corpus')));
    const all = await stopped(folder, { sources });
    const refused = () => prepareData(all).catch((error) => error.message as string);
    const [lines, texts] = [sources[0]!, sources.at(-1)!];
    const before = readFileSync(lines);
    const { atime, mtime } = statSync(lines);
    const other = Buffer.from(before);
    other[20] = other[20]! ^ 1;
    writeFileSync(lines, other);
    // Of the same size and time.
    utimesSync(lines, atime, mtime);
    expect(await refused()).toContain(`other inputs: ${lines} has changed`);
    writeFileSync(lines, before);
    writeFileSync(join(texts, 'aa.md'), 'another file');
    expect(await refused()).toContain(`${join(texts, 'aa.md')} stands where`);
    rmSync(join(texts, 'aa.md'));
    rmSync(join(texts, 'zero.txt'));
    expect(await refused()).toContain(`${join(texts, 'zero.txt')} is gone`);
    const resumed: number[] = [];
    await prepareData({ ...all, fresh: true, onResumed: ({ done }) => resumed.push(done) });
    expect(resumed).toEqual([]);
    await prepareData({ ...all, out: join(folder, 'direct') });
    expect(digestsBelow(all.out)).toEqual(digestsBelow(join(folder, 'direct')));
  });

  it('is not made out of inputs that change while they are read', async () => {
    const folder = temporaryFolder();
    const lines = join(folder, 'lines.jsonl');
    writeFileSync(lines, '{"text":"one row of some words"}\n{"text":"another row"}\n');
    const all = { ...options, filters: [], sources: [lines], out: join(folder, 'out'), vocabSize: 260 };
    let changed = false;
    const onProgress: PrepareOptions['onProgress'] = ({ phase }) => {
      if (phase !== 'encoding' || changed) return;
      changed = true;
      appendFileSync(lines, '{"text":"a row that came late"}\n');
    };
    await expect(prepareData({ ...all, onProgress })).rejects.toMatchObject({
      code: 'ERR_MISMATCH',
      message: `${lines} has changed while it was read`,
    });
    expect(existsSync(all.out)).toBe(false);
    expect(await prepareData({ ...all, fresh: true })).toMatchObject({ documents: 3 });
  });

  it('repairs results that were damaged', async () => {
    const all = await stopped(temporaryFolder());
    const partial = `${all.out}.partial`;
    const damage: [string, (bytes: Buffer) => Buffer][] = [
      ['filtered/000000.texts', (bytes) => bytes.subarray(0, bytes.length - 3)],
      ['filtered/000001.items', (bytes) => Buffer.from(bytes.toString().replace('"bytes":', '"bytes":1'))],
      ['filtered/000002.json', (bytes) => bytes.subarray(0, 30)],
      ['filtered/000003.rejected', (bytes) => Buffer.concat([bytes, Buffer.from('x')])],
      ['decided/000001.jsonl', (bytes) => bytes.subarray(0, bytes.length >> 1)],
      ['encoded/000000.ids', (bytes) => Buffer.alloc(bytes.length)],
      ['tokenizer/tokenizer.json', (bytes) => bytes.subarray(0, 100)],
      ['result/dropped.jsonl', () => Buffer.alloc(0)],
    ];
    for (const [name, change] of damage) {
      const path = join(partial, name);
      writeFileSync(path, change(readFileSync(path)));
    }
    const resumed: { done: number; units: number }[] = [];
    await prepareData({ ...all, onResumed: (counts) => resumed.push(counts) });
    expect(resumed).toEqual([{ done: resumed[0]!.units - 4, units: resumed[0]!.units }]);
    expect(digestsBelow(all.out)).toEqual(whole);
  });

  it('is completed where only its end is missing', async () => {
    const all = await stopped(temporaryFolder());
    const partial = `${all.out}.partial`;
    cpSync(partial, `${partial}.copy`, { recursive: true });
    const report = await prepareData(all);
    cpSync(`${partial}.copy`, partial, { recursive: true });
    await expect(prepareData(all)).rejects.toThrow(/exists already/);
    rmSync(join(partial, 'result'), { recursive: true });
    await expect(prepareData({ ...all, minChars: 7 })).rejects.toThrow(/exists already/);
    expect(await prepareData(all)).toEqual({ ...report, seconds: expect.any(Number) });
    expect(existsSync(partial)).toBe(false);
  });

  it('stays where the disk is full, and is continued when there is room', async () => {
    const out = join(temporaryFolder(), 'out');
    const all = { ...options, ...given, out };
    const limited = (kib: number) => {
      const args = [
        '-c',
        `ulimit -f ${2 * kib}; exec "$@"`,
        'sh',
        process.execPath,
        prepareProgram,
        JSON.stringify(all),
      ];
      return spawnSync('sh', args, { encoding: 'utf8' });
    };
    // The size of a file is what a test can limit. Units have less, and the keys of minhash more.
    const { status, stdout } = limited(48);
    expect(status).toBe(1);
    expect(stdout).toMatch(/cannot write .*out\.partial/);
    expect(existsSync(out)).toBe(false);
    expect(readdirSync(join(`${out}.partial`, 'filtered')).some((name) => name.endsWith('.json'))).toBe(true);
    await prepareData(all);
    expect(digestsBelow(out)).toEqual(whole);
  });

  it('names the first bad line of the corpus on any number of threads', async () => {
    const folder = temporaryFolder();
    const lines = join(folder, 'lines.jsonl');
    const row = `${JSON.stringify({ text: 'a row of some words '.repeat(20) })}\n`;
    writeFileSync(lines, `${row.repeat(200)}bad one\n${row.repeat(20)}bad two\n${row.repeat(20)}bad three\n`);
    const all = {
      ...options,
      dedup: 'none' as const,
      sources: [lines],
      out: join(folder, 'out'),
      unitBytes: 2_000,
    };
    for (const threads of [1, 3]) {
      const refused = prepareData({ ...all, threads, onBadLine: 'fail' });
      await expect(refused).rejects.toMatchObject({
        code: 'ERR_FORMAT',
        message: expect.stringContaining(':201:'),
      });
    }
    // What was done before it is not lost, and a run that stops at bad lines finds those of before.
    const resumed: number[] = [];
    const report = await prepareData({
      ...all,
      onBadLine: 'skip',
      onResumed: ({ done }) => resumed.push(done),
    });
    expect(resumed[0]).toBeGreaterThan(5);
    expect(report.dropped).toMatchObject({ bad_json: 3 });
  });
});

describe('ranks', () => {
  it('end with the error of the rank that failed', async () => {
    const folder = temporaryFolder();
    const lines = join(folder, 'lines.jsonl');
    const row = `${JSON.stringify({ text: 'a row of some words '.repeat(20) })}\n`;
    writeFileSync(lines, `${row.repeat(20)}no json\n${row.repeat(20)}`);
    const all = {
      ...options,
      sources: [lines],
      out: join(folder, 'out'),
      unitBytes: 8_000,
      onBadLine: 'fail',
    };
    const ended = await Promise.all(
      [0, 1].map((rank) => startPrepare({ ...all, threads: 1, ranks: { rank, size: 2 } }).ended),
    );
    for (const { code, output } of ended) {
      expect(code).toBe(1);
      expect(output).toContain('lines.jsonl:21: not JSON');
    }
  });

  it('are refused when their options differ', async () => {
    const out = join(temporaryFolder(), 'out');
    const all = { ...options, out, threads: 1, unitBytes: 20_000 };
    const ended = await Promise.all(
      [0, 1].map((rank) => startPrepare({ ...all, minChars: 1 + rank, ranks: { rank, size: 2 } }).ended),
    );
    for (const { code, output } of ended) {
      expect(code).toBe(1);
      expect(output).toContain('`minChars` (1) than now (2)');
    }
  });
});
