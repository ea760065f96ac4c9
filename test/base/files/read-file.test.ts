/** Files that are too large, of another kind or damaged, for every reader of whole files. */
import { mkdirSync, readFileSync, truncateSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { AthanorError } from '../../../src/base/errors.ts';
import { fileKind } from '../../../src/base/files/file-kind.ts';
import { readBytes, readJson, readJsonObject, readText } from '../../../src/base/files/read-file.ts';
import { readModelFiles } from '../../../src/checkpoint/load-model.ts';
import { CheckpointStore } from '../../../src/checkpoint/store.ts';
import { modelEnds } from '../../../src/checkpoint/text-ends.ts';
import { readConfig } from '../../../src/cli/config-file.ts';
import { pretrain } from '../../../src/cli/pretrain.ts';
import { readManifest } from '../../../src/data/shards/manifest.ts';
import { Tokenizer } from '../../../src/text/tokenizer.ts';
import { readRun } from '../../../src/train/loop/run-file.ts';
import { temporaryFolder } from '../../helpers/cli.ts';

/** The error of a call. */
async function errorOf(call: () => unknown): Promise<AthanorError> {
  try {
    await call();
  } catch (error) {
    if (error instanceof AthanorError) return error;
    throw new Error('an error without a code', { cause: error });
  }
  throw new Error('nothing was thrown');
}

function fileWith(content: string | Uint8Array, name = 'x.json'): string {
  const path = join(temporaryFolder(), name);
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, content);
  return path;
}

const parquet = Buffer.from('PAR1\x15\x04\x15\x10\x15', 'latin1');
const pickle = Buffer.from('\x80\x02}q\x00.', 'latin1');

describe('a whole file', () => {
  it('is read with its byte-order mark removed, also without a size', () => {
    expect(readText(fileWith('\ufeffgr\u00fcn'))).toBe('gr\u00fcn');
    expect(readBytes('/proc/self/status').toString()).toContain('VmRSS');
    expect(readJson(fileWith('[1, {"a": null}]'))).toEqual([1, { a: null }]);
  });

  it.each<[string, () => string, string, RegExp]>([
    ['a missing file', () => join(temporaryFolder(), 'no'), 'ERR_FILE_MISSING', /no does not exist/],
    ['a folder', () => temporaryFolder(), 'ERR_ARGUMENT', /is a folder, not a file/],
    ['no text', () => fileWith(Uint8Array.of(0xc3, 0x28)), 'ERR_FORMAT', /it is not UTF-8 text/],
    ['an empty file', () => fileWith(' \n'), 'ERR_FORMAT', /it is empty/],
    ['half of a file', () => fileWith('{"a": '), 'ERR_FORMAT', /it is not JSON: /],
    ['a list', () => fileWith('[]'), 'ERR_FORMAT', /it is not a JSON object/],
    ['deep nesting', () => fileWith(`${'['.repeat(1e5)}${']'.repeat(1e5)}`), 'ERR_FORMAT', /256 levels deep/],
    ['Parquet', () => fileWith(parquet), 'ERR_FORMAT', /it is a Parquet file, not text/],
    ['an endless file', () => '/dev/zero', 'ERR_FORMAT', /it is longer, .* at most 16 MiB/],
  ])('that is %s is refused with its name', async (_, make, code, message) => {
    const path = make();
    const error = await errorOf(() => readJsonObject(path));
    expect(error.code).toBe(code);
    expect(error.message).toMatch(message);
    expect(error.message).toContain(path);
  });

  it('may have levels of JSON that other readers take', () => {
    expect(readJson(fileWith(`${'['.repeat(128)}${']'.repeat(128)}`))).toHaveLength(1);
  });
});

/** A file of zeros takes no room on the disk. */
function sparse(folder: string, name: string, bytes = 600 << 20): string {
  const path = join(folder, name);
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, '');
  truncateSync(path, bytes);
  return folder;
}

it.each<[string, (folder: string) => unknown]>([
  ['config.json', readModelFiles],
  ['generation_config.json', modelEnds],
  ['tokenizer.json', Tokenizer.load],
  ['x.tiktoken', (folder) => Tokenizer.fromTiktoken(join(folder, 'x.tiktoken'), 'gpt2')],
  ['run.json', (folder) => readRun(folder, 'sft')],
  ['manifest.json', readManifest],
  ['options.yaml', (folder) => readConfig(join(folder, 'options.yaml'), pretrain.options)],
  ['checkpoints/step-00000001/checksums.json', (folder) => new CheckpointStore(folder).load()],
])('%s of 600 MiB is refused at once, with its size and its limit', async (name, read) => {
  const folder = sparse(temporaryFolder(), name);
  const before = process.memoryUsage().rss;
  const error = await errorOf(() => read(folder));
  expect(error.message).toContain(name.split('/').at(-1));
  expect(error.message).toMatch(/it is 600 MiB, and a file of this kind has at most (\d+ MiB|65536 bytes)/);
  expect(process.memoryUsage().rss - before).toBeLessThan(100 << 20);
});

describe('the kind of a file', () => {
  it.each([
    ['a Parquet file', parquet],
    ['an Arrow file', Buffer.from('ARROW1\0\0')],
    ['an Arrow stream', Buffer.from([255, 255, 255, 255, 16, 1, 0, 0, 16, 0])],
    ['a zip archive', Buffer.from('PK\x03\x04\x14\0')],
    ['a gzip file', gzipSync('text')],
    ['a zstd file', Buffer.from([0x28, 0xb5, 0x2f, 0xfd, 0x24])],
    ['a Python pickle', pickle],
    ['a GGUF file', Buffer.from('GGUF\x03\0\0\0')],
    ['text in UTF-16', Buffer.from('\ufeff{"a": 1}', 'utf16le')],
    [
      'a pointer of Git LFS, without the contents',
      Buffer.from('version https://git-lfs.github.com/spec/v1\n'),
    ],
  ])('is %s, with a remedy', (name, bytes) => {
    const kind = fileKind(bytes);
    expect(kind?.name).toBe(name);
    expect(kind?.remedy).not.toBe('');
  });

  it('is none of these for text, whatever it begins with', () => {
    for (const text of ['', 'PAR1 is a name', 'BZh is too', '%PDF-1.4', '{"a": 1}']) {
      expect(fileKind(Buffer.from(text))).toBeUndefined();
    }
    expect(fileKind(readFileSync(import.meta.filename))).toBeUndefined();
  });
});
