/** Which files a source stands for, and files that are compressed. */
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { PassThrough, Readable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import { gunzipSync, gzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { packageRoot } from '../../../src/base/package-root.ts';
import { checkSources, fileRanges, filesOf, readFileOf } from '../../../src/data/corpus/corpus.ts';
import { languageOfName, languageOfScript } from '../../../src/data/corpus/languages.ts';
import { spoolInput } from '../../../src/data/corpus/stdin.ts';
import { readInstructions } from '../../../src/data/rows/instructions.ts';
import { readPrompts } from '../../../src/data/rows/prompts.ts';
import { athanor, cliPath, lastLineJson, runNode, temporaryFolder } from '../../helpers/cli.ts';
import { rng } from '../../helpers/reference.ts';
import { readAll } from './corpora.ts';

const fixtures = join(packageRoot, 'test/data/corpus/fixtures');

function tree(files: Record<string, string | Uint8Array>): string {
  const folder = temporaryFolder();
  for (const [name, content] of Object.entries(files)) {
    mkdirSync(join(folder, name, '..'), { recursive: true });
    writeFileSync(join(folder, name), content);
  }
  return folder;
}

const textsOf = async (...args: Parameters<typeof readAll>) =>
  (await readAll(...args)).documents.map(({ text }) => text);

describe('patterns', () => {
  it('stand for the files that fit, in name order, whatever the names hold', async () => {
    const folder = tree({
      'a/one.txt': '1',
      'a/b/two.txt': '2',
      'a/b/c\nd/three.txt': '3',
      'a/b/no.md': 'no',
      'a/.hidden/four.txt': 'no',
      'a/[x].txt': '5',
    });
    symlinkSync(join(folder, 'a'), join(folder, 'a/loop'));
    expect(await textsOf([join(folder, '**/*.txt')])).toEqual(['5', '3', '2', '1']);
    expect(await textsOf([join(folder, 'a/*.txt')])).toEqual(['5', '1']);
    expect(await textsOf([join(folder, 'a/{one,b/two}.txt')])).toEqual(['2', '1']);
    expect(await textsOf([join(folder, 'a/[x].txt')])).toEqual(['5']);
    await expect(readAll([join(folder, '*.txt')])).rejects.toMatchObject({ code: 'ERR_ARGUMENT' });
    await expect(readAll([join(folder, 'absent/*.txt')])).rejects.toThrow(/no file that can be read fits/);
  });

  it('do not take in the folder that is made', () => {
    const folder = tree({ 'a/one.jsonl': '{}', 'one.jsonl': '{}' });
    const check = (pattern: string, out: string) => () =>
      checkSources([join(folder, pattern)], join(folder, out));
    expect(check('*.jsonl', 'out')).not.toThrow();
    expect(check('a/**/*.jsonl', 'out')).not.toThrow();
    expect(check('**/one.jsonl', 'out')).not.toThrow();
    expect(check('**/*.jsonl', 'a/out')).toThrow(/`out` .* lies in/);
    expect(check('**', 'out')).toThrow(/`out` .* lies in/);
    expect(check('*.jsonl', 'scored.jsonl')).toThrow(/`out` .* lies in/);
    expect(check('*.jsonl', '../scored.jsonl')).not.toThrow();
  });

  it('stand for files of rows', async () => {
    const row = (n: number) => `{"prompt": "p${n}", "completion": "c"}\n`;
    const folder = tree({ 'a/1.jsonl': row(1), 'b/2.jsonl': row(2), 'b/2.txt': 'no' });
    const { rows } = await readPrompts(join(folder, '*/*'));
    expect(rows.map(({ messages }) => messages[0]!.content)).toEqual(['p1', 'p2']);
  });
});

describe('source code', () => {
  it('is not looked for in what is no file', () => {
    const folder = tree({ 'b.txt': 'text' });
    symlinkSync('nowhere', join(folder, 'a'));
    symlinkSync('aa', join(folder, 'aa'));
    const pipe = join(folder, 'pipe');
    execFileSync('mkfifo', [pipe]);
    expect(filesOf(folder).map((file) => file.slice(folder.length + 1))).toEqual(['a', 'aa', 'b.txt']);
    // Without a writer this would wait for ever.
    expect(() => filesOf(pipe)).toThrow(/is not a kind of file/);
  });

  it('is read with its language, by names and by first lines', async () => {
    const folder = tree({
      'a.py': 'print(1)\n',
      'b.rs.gz': gzipSync('fn main() {}\n'),
      'c/Makefile': 'all:\n',
      'd/CMakeLists.txt': 'project(x)\n',
      'e/run': '#!/usr/bin/env -S python3.12 -u\nprint(2)\n',
      'f/LICENSE': 'words\n',
      'g.txt': 'prose\n',
    });
    const { documents, dropped } = await readAll([folder]);
    expect(documents.map(({ id, language }) => [id.slice(folder.length + 1), language])).toEqual([
      ['a.py', 'python'],
      ['b.rs.gz', 'rust'],
      ['c/Makefile', 'makefile'],
      ['d/CMakeLists.txt', 'cmake'],
      ['e/run', 'python'],
      ['g.txt', undefined],
    ]);
    expect(dropped).toEqual([{ id: join(folder, 'f/LICENSE'), reason: 'other_kind' }]);
  });

  it.each([
    ['x.cpp', 'c++'],
    ['X.H', 'c'],
    ['a.b/Dockerfile', 'dockerfile'],
    ['a.tsx', 'typescript'],
    ['.py', undefined],
    ['py', undefined],
    ['data.csv', undefined],
  ])('has the language of its name: %s', (name, language) => {
    expect(languageOfName(name)).toBe(language);
  });

  it.each([
    ['#!/bin/sh\n', 'shell'],
    ['#! /usr/bin/perl -w\n', 'perl'],
    ['#!/usr/bin/env A=1 node\n', 'javascript'],
    ['#!/opt/unknown\n', undefined],
    ['#!', undefined],
    ['# !/bin/sh', undefined],
  ])('has the language of its first line: %s', (line, language) => {
    expect(languageOfScript(Buffer.from(line))).toBe(language);
  });
});

describe('folders of datasets', () => {
  const train = ['train 0', 'train 1', 'train 2', 'train 3', 'train 4'];
  const test = ['test 0', 'test 1', 'test 2'];

  it.each([
    ['saved-dict', 'test'],
    ['hub', 'test'],
  ])('give the rows of train, or of the split that is named: %s', async (name, other) => {
    const folder = join(fixtures, name);
    expect(await textsOf([folder])).toEqual(train);
    expect(await textsOf([folder], { split: other })).toEqual(test);
    const rejects = expect(readAll([folder], { split: 'dev' })).rejects;
    await rejects.toThrow(/has no split "dev"; it has train, test/);
  });

  it('of one split give it', async () => {
    expect(await textsOf([join(fixtures, 'saved')])).toEqual(train);
    expect(await textsOf([join(fixtures, 'saved-dict/test')])).toEqual(test);
  });

  it('in numbered parts have the splits of their names', async () => {
    const folder = join(fixtures, 'hub-names');
    await expect(readAll([folder])).rejects.toThrow(/no split "train"; it has test_sft, train_sft/);
    expect(await textsOf([folder], { split: 'train_sft' })).toEqual(train);
    expect(await textsOf([folder], { split: 'test_sft' })).toEqual(test);
  });

  it('are told from folders of any files, where a split counts only if it is named', async () => {
    const line = (text: string) => `{"text":"${text}"}\n`;
    const folder = tree({ 'train.jsonl': line('a'), 'sub/valid.jsonl': line('b'), 'test.jsonl': line('c') });
    expect(await textsOf([folder])).toEqual(['b', 'c', 'a']);
    expect(await textsOf([folder], { split: 'validation' })).toEqual(['b']);
    expect(await textsOf([folder], { split: 'train' })).toEqual(['a']);
  });

  it('are needed where a split is named', async () => {
    const file = join(tree({ 'a.jsonl': '{"text":"a"}\n' }), 'a.jsonl');
    const refused = {
      code: 'ERR_ARGUMENT',
      message: expect.stringMatching(/`split`.*a\.jsonl is no folder/),
    };
    await expect(readAll([file], { split: 'train' })).rejects.toMatchObject(refused);
    await expect(readAll([{ path: file, split: 'train' }])).rejects.toMatchObject(refused);
    await expect(readPrompts(file, { split: 'train' })).rejects.toMatchObject(refused);
    const folder = join(fixtures, 'saved');
    await expect(readAll([folder, { path: file, split: 'train' }])).rejects.toMatchObject(refused);
    expect(await textsOf([folder, file], { split: 'train' })).toEqual([...train, 'a']);
    await expect(readAll([file], { stdinFormat: 'jsonl' })).rejects.toThrow(/no source is standard input/);
  });

  it('that are damaged are named', async () => {
    const folder = tree({ 'state.json': '{"_data_files": 3}' });
    await expect(readAll([folder])).rejects.toThrow(/state\.json: it names no files/);
    const other = tree({ 'dataset_dict.json': '{"splits": ["train"' });
    await expect(readAll([other])).rejects.toMatchObject({ code: 'ERR_FORMAT' });
  });

  it('with several datasets ask for one', async () => {
    const configs = ['a', 'b'].map((name) => `- config_name: ${name}\n  data_files: ${name}/*\n`).join('');
    const rows = { 'a/1.jsonl': '{"text":"a"}', 'b/1.jsonl': '{"text":"b"}' };
    const folder = tree({ 'README.md': `---\nconfigs:\n${configs}---\n`, ...rows });
    await expect(readAll([folder])).rejects.toThrow(/holds several datasets: a, b/);
    const marked = configs.replace('config_name: b', 'config_name: b\n  default: true');
    expect(await textsOf([tree({ 'README.md': `---\nconfigs:\n${marked}---\n`, ...rows })])).toEqual(['b']);
  });
});

describe('rows', () => {
  it('are read of splits, up to a limit, with new names of fields', async () => {
    const folder = join(fixtures, 'saved-dict');
    const columns = ['prompt=text,copy=text'];
    const { rows } = await readPrompts(folder, { split: 'test', columns, limit: 2 });
    expect(rows.map(({ id, messages }) => [id.slice(folder.length), messages])).toEqual([
      ['/test/data-00000-of-00001.arrow[0]', [{ role: 'user', content: 'test 0' }]],
      ['/test/data-00000-of-00001.arrow[1]', [{ role: 'user', content: 'test 1' }]],
    ]);
    expect((await readPrompts(folder, { columns })).rows.length).toBe(5);
    await expect(readPrompts(folder, { columns: ['prompt'] })).rejects.toThrow(/which is not new=old/);
    await expect(readPrompts(folder, { columns: ['prompt=text', 'prompt=answer'] })).rejects.toThrow(
      /names prompt twice/,
    );
    await expect(readPrompts(folder, { columns: ['prompt=txt'] })).rejects.toThrow(/txt, which no row has/);
    await expect(readPrompts(folder, { limit: 0 })).rejects.toMatchObject({ code: 'ERR_ARGUMENT' });
  });

  it('of Parquet may be dialogues', async () => {
    const { rows, counts } = await readInstructions(join(fixtures, 'tables/zstd.parquet'));
    expect(rows.length).toBeGreaterThan(20);
    expect(rows.every(({ messages }) => messages.at(-1)!.role === 'assistant')).toBe(true);
    expect(counts.dropped.bad_row).toBeGreaterThan(5);
  });

  it('swap names', async () => {
    const path = join(tree({ 'a.jsonl': '{"prompt": "answer", "completion": "question"}\n' }), 'a.jsonl');
    const { rows } = await readInstructions(path, { columns: ['prompt=completion', 'completion=prompt'] });
    expect(rows[0]!.messages.map(({ content }) => content)).toEqual(['question', 'answer']);
  });
});

describe('compressed files', () => {
  const random = rng(2);
  const text = Array.from({ length: 60_000 }, () => `${random.integer(1e6)}\n`).join('');
  const members = (pack: (bytes: Buffer) => Buffer) => {
    const bytes = Buffer.from(text);
    const pieces: Buffer[] = [];
    for (let at = 0; at < bytes.length; ) {
      const size = 1 + random.integer(9000);
      pieces.push(pack(bytes.subarray(at, at + size)));
      at += size;
    }
    return Buffer.concat(pieces);
  };
  const zstd = (bytes: Buffer, ...args: string[]) =>
    execFileSync('zstd', ['-q', '-c', ...args], { input: bytes });
  const hasZstd = (() => {
    try {
      return zstd(Buffer.from('a')).length > 0;
    } catch {
      return false;
    }
  })();

  it('of many gzip members are read to the end', async () => {
    const folder = tree({ 'a.txt.gz': members(gzipSync) });
    expect((await textsOf([folder], { partBytes: 4096 })).join('')).toBe(text);
  });

  it.skipIf(!hasZstd)('of zstd, with any number of frames, are read to the end', async () => {
    const folder = tree({
      'a.txt.zst': zstd(Buffer.from(text), '-19', '--check'),
      'b.md.zst': Buffer.concat(
        [text.slice(0, 1000), text.slice(1000)].map((part) => zstd(Buffer.from(part))),
      ),
    });
    expect((await textsOf([folder])).join('')).toBe(text + text);
    const cut = tree({ 'a.txt.zst': zstd(Buffer.from(text)).subarray(0, 9000) });
    expect((await readAll([cut])).messages).toEqual([expect.stringMatching(/it is not a whole zstd file/)]);
  });

  it('that expand without measure end in a report, and the rest is read', async () => {
    const bomb = gzipSync(Buffer.alloc(20 << 20, 'a'), { level: 9 });
    const lines = gzipSync(Buffer.alloc(20 << 20, '\n'), { level: 9 });
    const folder = tree({ 'a.txt.gz': bomb, 'b.jsonl.gz': lines, 'c.txt': 'fine' });
    const { documents, messages } = await readAll([folder]);
    expect(documents.at(-1)!.text).toBe('fine');
    const bombs = messages.filter((message) => message.includes('expands to over 500 times its size'));
    expect(bombs.length).toBe(2);
    const zeros = Buffer.alloc(9);
    // A frame of 2 GiB in one segment, and one with a window of 1 GiB (RFC 8878).
    const large = [Buffer.from('28b52ffda000000080', 'hex'), Buffer.from('28b52ffd00a0', 'hex')];
    for (const head of large) {
      const path = join(tree({ 'a.txt.zst': Buffer.concat([head, zeros, zeros]) }), 'a.txt.zst');
      expect((await readAll([path])).messages).toEqual([expect.stringMatching(/needs a window of \d+ MiB/)]);
    }
  });
});

describe('standard input', () => {
  it('is copied, and its format is seen or named', async () => {
    const folder = temporaryFolder();
    const copy = async (bytes: string | Buffer, format?: string) =>
      spoolInput(Readable.from([Buffer.from(bytes)]), folder, format);
    const seen = async (bytes: string | Buffer) => {
      const { path, remove } = await copy(bytes);
      remove();
      return path.slice(path.lastIndexOf('.') + 1);
    };
    expect(await seen('{"text": "a"}\n')).toBe('jsonl');
    expect(await seen(' <!DOCTYPE html><p>a')).toBe('html');
    expect(await seen('WARC/1.0\r\n')).toBe('warc');
    expect(await seen('PAR1')).toBe('parquet');
    expect(await seen(readFileSync(join(fixtures, 'tables/stream.arrow')))).toBe('arrow');
    expect(await seen('words')).toBe('txt');
    await expect(copy(gzipSync('a'))).rejects.toThrow(/packed as gz/);
    // A long one, of which the copy begins before its end is there.
    const rows = Array.from({ length: 5000 }, (_, i) => `{"text":"${Math.sin(i)}"}\n`).join('');
    const packed = await copy(gzipSync(rows));
    expect(packed.format).toBe('jsonl.gz');
    expect(gunzipSync(readFileSync(packed.path)).toString()).toBe(rows);
    packed.remove();
    expect(await seen(gzipSync('WARC/1.0\r\n'))).toBe('gz');
    await expect(copy('a', 'pdf')).rejects.toThrow(/cannot be read as "pdf"/);
    await expect(spoolInput(new PassThrough().end(), folder)).rejects.toThrow(/is empty/);
    const { path, remove } = await copy('{"text":"a"}\n{"text":3}\n', 'jsonl');
    const { documents, dropped } = await readAll(['-'], { stdinFile: path });
    remove();
    expect(documents).toEqual([{ id: '-:1', text: 'a', source: '-' }]);
    expect(dropped[0]!.id).toBe('-:2');
    expect(() => filesOf('-')).toThrow(/can be read once only/);
  });

  it('is prepared as shards', async () => {
    const out = join(temporaryFolder(), 'shards');
    const lines = Array.from({ length: 30 }, (_, i) => `{"body":"text number ${i} of the input"}\n`).join('');
    const args = [
      cliPath,
      'data',
      'prepare',
      '-',
      '--out',
      out,
      '--text-key',
      'body',
      '--vocab-size',
      '300',
      '--json',
    ];
    const { stdout, code } = await runNode(args, { input: lines });
    expect(code).toBe(0);
    expect(lastLineJson(stdout)).toMatchObject({ documents: 30, sources: { '-': { documents: 30 } } });
  });

  it('is left at Ctrl-C while it is read, with nothing behind', async () => {
    const folder = temporaryFolder();
    const args = [cliPath, 'data', 'prepare', '-', '--out', join(folder, 'shards')];
    const child = spawn(process.execPath, args);
    child.stdin.write('{"text":"the input does not end"}\n'.repeat(100));
    const copy = join(folder, 'shards.partial/stdin');
    while (!existsSync(copy) || readdirSync(copy).length === 0) await sleep(20);
    child.kill('SIGINT');
    const [code] = (await once(child, 'exit')) as [number];
    expect(code).toBe(130);
    expect(readdirSync(folder)).toEqual([]);
  });

  it('is prepared from a dataset folder with a split', async () => {
    const out = join(temporaryFolder(), 'shards');
    const args = ['--split', 'test', '--validation-split', '0', '--vocab-size', '258', '--json'];
    const { stdout } = await athanor('data', 'prepare', join(fixtures, 'hub'), '--out', out, ...args);
    expect(lastLineJson(stdout)).toMatchObject({ documents: 3 });
  });
});

it('ranges of a file of lines together are the file', async () => {
  const lines = Array.from({ length: 5000 }, (_, i) => `{"text":"${'x'.repeat(i % 900)}${i}"}\n`);
  const path = join(tree({ 'a.jsonl': lines.join('') }), 'a.jsonl');
  const ranges = (await fileRanges(path, {}, 1 << 20))!;
  expect(ranges.length).toBeGreaterThan(1);
  const parts: unknown[] = [];
  for (const range of ranges) for await (const item of readFileOf(path, path, {}, range)) parts.push(item);
  expect(parts).toEqual((await readAll([path])).documents.map((document) => ({ document })));
});
