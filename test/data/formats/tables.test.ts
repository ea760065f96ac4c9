/** Parquet and Arrow against the rows that pyarrow reads (scripts/record-corpus-files.py). */
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { AthanorError } from '../../../src/base/errors.ts';
import type { JsonObject } from '../../../src/base/json.ts';
import { packageRoot } from '../../../src/base/package-root.ts';
import type { JsonLine } from '../../../src/data/corpus/json-lines.ts';
import { rowsOfFile } from '../../../src/data/corpus/row-files.ts';
import { temporaryFolder } from '../../helpers/cli.ts';
import { rng } from '../../helpers/reference.ts';
import { readAll } from '../corpus/corpora.ts';

const fixtures = join(packageRoot, 'test/data/corpus/fixtures');
const tables = join(fixtures, 'tables');
const rows = JSON.parse(readFileSync(join(fixtures, 'rows.json'), 'utf8')) as JsonObject[];
const names = readdirSync(tables).filter((name) => name !== 'empty.parquet');

async function linesOf(path: string, columns?: readonly string[]): Promise<JsonLine[]> {
  const lines: JsonLine[] = [];
  for await (const line of rowsOfFile(path, columns && new Set(columns))) lines.push(line);
  return lines;
}

const valuesOf = (lines: readonly JsonLine[]) =>
  lines.map((line) => ('value' in line ? line.value : line.dropped));

describe('tables', () => {
  it.each(names)('have the rows that pyarrow reads: %s', async (name) => {
    const lines = await linesOf(join(tables, name));
    expect(valuesOf(lines)).toEqual(rows);
    expect(lines.map((line) => 'id' in line && line.id)).toEqual(
      rows.map((_, i) => `${join(tables, name)}[${i}]`),
    );
  });

  it.each(names)('give single columns: %s', async (name) => {
    for (const column of ['text', 'messages', 'meta', 'yes']) {
      const lines = await linesOf(join(tables, name), [column, 'absent']);
      expect(valuesOf(lines)).toEqual(rows.map((row) => ({ [column]: row[column] })));
    }
  });

  it('may have no rows', async () => {
    expect(await linesOf(join(tables, 'empty.parquet'))).toEqual([]);
  });

  it('give documents of texts, of lists, of messages and of fields of fields', async () => {
    const path = join(tables, 'zstd.parquet');
    const message = (turns: unknown) => (turns as { content: string }[]).map(({ content }) => content);
    const cases: [string, (row: JsonObject) => string | undefined][] = [
      ['text', ({ text }) => (text as string | null) ?? undefined],
      ['messages', ({ messages }) => (messages ? message(messages).join('\n\n') : undefined)],
      ['messages.content', ({ messages }) => (messages ? message(messages).join('\n\n') : undefined)],
      ['meta.url', ({ meta }) => (meta as { url: string } | null)?.url],
    ];
    for (const [textKey, textOf] of cases) {
      const { documents, dropped } = await readAll([path], { textKey });
      const expected = rows.map(textOf).filter((text) => text !== undefined && /\S/.test(text));
      expect(documents.map(({ text }) => text)).toEqual(expected);
      expect(dropped.length).toBe(rows.length - documents.length);
    }
    const { messages } = await readAll([path], { textKey: 'body' });
    expect(messages).toEqual([
      `${path}: without the field (no column "body"; it has text, repeated, messages, parts, nested, meta, count, large)`,
    ]);
  });
});

describe('damaged tables', () => {
  /** Rows, dropped items and errors; anything else is a defect, as is a loop. */
  async function outcome(path: string): Promise<'rows' | 'dropped' | 'error'> {
    try {
      const lines = await linesOf(path);
      return lines.some((line) => 'dropped' in line) ? 'dropped' : 'rows';
    } catch (error) {
      expect((error as AthanorError).code, String((error as Error).stack)).toMatch(
        /^ERR_F(ILE_DAMAGED|ORMAT)$/,
      );
      return 'error';
    }
  }

  it.each([
    'none.parquet',
    'pages-1.parquet',
    'pages-2.parquet',
    'delta.parquet',
    'stream.arrow',
    'zstd.arrow',
  ])(
    'end in a report, wherever they are cut or changed: %s',
    async (name) => {
      const whole = readFileSync(join(tables, name));
      const random = rng(1);
      const path = join(temporaryFolder(), name);
      for (let round = 0; round < 60; round++) {
        writeFileSync(path, whole.subarray(0, random.integer(whole.length)));
        const cut = await outcome(path);
        if (name.endsWith('.parquet')) expect(cut).toBe('error');
        const bytes = Buffer.from(whole);
        for (let flips = 0; flips <= random.integer(4); flips++) {
          const near = round % 2 === 0 ? 4000 : bytes.length;
          const at = bytes.length - 1 - random.integer(Math.min(near, bytes.length));
          bytes[at] = bytes[at]! ^ (1 << random.integer(8));
        }
        writeFileSync(path, bytes);
        await outcome(path);
      }
    },
    120_000,
  );
});
