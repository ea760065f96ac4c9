/** Lists of rows that are read as a stream. JSON.parse is the oracle of small ones. */
import { createWriteStream, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { finished } from 'node:stream/promises';
import { createGzip, gzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { packageRoot } from '../../../src/base/package-root.ts';
import { jsonListItems } from '../../../src/data/corpus/json-list.ts';
import { readInstructions } from '../../../src/data/rows/instructions.ts';
import { lastLineJson, runNode, temporaryFolder } from '../../helpers/cli.ts';
import { rng } from '../../helpers/reference.ts';

function file(content: string | Uint8Array, name = 'rows.json'): string {
  const path = join(temporaryFolder(), name);
  writeFileSync(path, content);
  return path;
}

async function itemsOf(path: string): Promise<unknown[]> {
  const values: unknown[] = [];
  for await (const item of jsonListItems(path)) if ('value' in item) values.push(item.value);
  return values;
}

describe('a list of rows', () => {
  it.each([
    '[]',
    ' [ \n ] \n',
    '[1]',
    '[null,true,"a,b]",[1,[2]],{"a":"}","b":{"c":"\\\\\\""}}]',
    '\ufeff[{"a": "\\u005d"},\r\n\t2 , "\u{1f525}"]',
    `[${'"x",'.repeat(1000)}"${'y'.repeat(3 << 20)}",{"z":[]}]`,
  ])('has the items of JSON.parse: %#', async (text) => {
    expect(await itemsOf(file(text))).toEqual(JSON.parse(text.replace('\ufeff', '')));
  });

  it('is refused where JSON.parse refuses it, whatever character is damaged', async () => {
    const text = '[{"a": [1, "]"]}, "b\\"", 2]';
    const random = rng(5);
    const letters = '[]{},:"\\ 1a\n';
    let refused = 0;
    for (let round = 0; round < 400; round++) {
      const at = random.integer(text.length + 1);
      const letter = letters[random.integer(letters.length)]!;
      const damaged = text.slice(0, at) + letter + text.slice(at + random.integer(2));
      let expected: unknown;
      try {
        expected = JSON.parse(damaged);
      } catch {
        refused++;
      }
      const path = file(damaged);
      if (Array.isArray(expected)) expect(await itemsOf(path), damaged).toEqual(expected);
      else await expect(itemsOf(path), damaged).rejects.toMatchObject({ code: 'ERR_FORMAT' });
    }
    expect(refused).toBeGreaterThan(100);
  });

  it.each([
    ['{"data": []}', /it is an object, not a list of rows/],
    ['"text"', /it is a string, not a list of rows/],
    ['', /it is not JSON: it is empty/],
    ['[1', /it is not JSON: it ends inside of the list/],
    ['[1] 2', /it is not JSON: text follows the list/],
    [`[${'['.repeat(1000)}${']'.repeat(1000)}]`, /item 1: it is nested over 256 levels deep/],
    [Buffer.from('[1, "\xff"]', 'latin1'), /item 2 is not UTF-8 text/],
    [Buffer.from('PAR1\x15\x04\x15', 'latin1'), /it is a Parquet file, not JSON/],
  ])('is refused with what is wrong: %#', async (content, message) => {
    await expect(itemsOf(file(content))).rejects.toThrow(message);
  });

  it('may be longer than the longest string', async () => {
    const path = join(temporaryFolder(), 'long.json.gz');
    const zip = createGzip({ level: 1 });
    const done = finished(zip.pipe(createWriteStream(path)));
    zip.write('[');
    const blanks = Buffer.alloc(8 << 20, ' ');
    blanks.write('{"prompt": "a", "completion": "b"},');
    for (let i = 0; i < 66; i++) if (!zip.write(blanks)) await new Promise((go) => zip.once('drain', go));
    zip.end('{"prompt": "a", "completion": "b"}]');
    await done;
    await expect(readInstructions(path)).resolves.toMatchObject({ rows: { length: 67 } });
  });
});

describe('rows of another format', () => {
  const parquet = Buffer.from('PAR1\x15\x04\x15\x10\n\x15', 'latin1');
  it.each([
    ['rows.jsonl', parquet, /it is a Parquet file/, /name it \.parquet/],
    ['rows.parquet', Buffer.from('{"prompt": "a"}'), /rows\.parquet is not a whole Parquet file/, /copy/],
    ['rows.parquet', gzipSync('{}'), /rows\.parquet is a gzip file, not a Parquet file/, /name it \.gz/],
    ['rows.jsonl', gzipSync('{}'), /it is a gzip file/, /name it \.gz/],
    ['rows.jsonl.gz', parquet, /is a Parquet file, although its name ends in \.gz/, /name it \.parquet/],
    ['rows.jsonl', Buffer.from('\ufeff{}', 'utf16le'), /text in UTF-16/, /iconv/],
    ['rows.csv', Buffer.from('prompt,completion\n'), /a table with separators/, /JSON Lines/],
  ])('are named: %s %#', async (name, content, message, remedy) => {
    await expect(readInstructions(file(content, name))).rejects.toMatchObject({
      code: /not a whole/.test(message.source) ? 'ERR_FILE_DAMAGED' : 'ERR_FORMAT',
      message: expect.stringMatching(message),
      remedy: expect.stringMatching(remedy),
    });
  });

  it('are named where a folder holds nothing else', async () => {
    const path = join(file('prompt,completion\n', 'train.csv'), '..');
    await expect(readInstructions(path)).rejects.toThrow(
      /holds no \.jsonl, \.json, \.parquet or \.arrow file, but train\.csv/,
    );
  });
});

it('rows that do not fit into the heap are an error and not the end of the process', async () => {
  const row = JSON.stringify({ prompt: 'p', completion: 'x'.repeat(20_000) });
  const path = file(gzipSync(`${row}\n`.repeat(10_000), { level: 1 }), 'rows.jsonl.gz');
  const script = `
    import { readInstructions } from '${packageRoot}/dist/data/rows/instructions.js';
    const error = await readInstructions(process.argv[1]).catch((error) => error);
    console.log(JSON.stringify([error.code, error.message, error.remedy]));
  `;
  const args = [
    '--max-old-space-size=64',
    '--max-semi-space-size=16',
    '--input-type=module',
    '-e',
    script,
    path,
  ];
  const { stdout, stderr, code } = await runNode(args);
  expect(stderr).toBe('');
  expect(code).toBe(0);
  const [errorCode, message, remedy] = Object.values(lastLineJson(stdout));
  expect(errorCode).toBe('ERR_OUT_OF_MEMORY');
  expect(message).toMatch(/its rows do not fit into the heap of \d+ MiB/);
  expect(remedy).toContain('--max-old-space-size=');
});
