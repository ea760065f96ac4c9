import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { readTextFile } from '../../src/text/text-file.ts';
import { Tokenizer } from '../../src/text/tokenizer.ts';
import { allCorners } from './corners.ts';
import { realTexts } from './oracles.ts';

const folder = mkdtempSync(join(tmpdir(), 'athanor-text-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const path = join(folder, 'text');

async function read(content: string | Uint8Array, partBytes: number): Promise<Buffer[]> {
  writeFileSync(path, content);
  const parts: Buffer[] = [];
  for await (const part of readTextFile(path, partBytes)) parts.push(Buffer.from(part));
  return parts;
}

describe('a text file in parts', () => {
  const text = [...realTexts(8).map((file) => file.text), ...allCorners.map((corner) => corner.toString())]
    .join('\n')
    .replaceAll(/\p{Cs}/gu, '');

  it.each([1000, 4096, 65536, 2 ** 26])('is whole when joined (%i bytes)', async (size) => {
    const parts = await read(text, size);
    expect(Buffer.concat(parts).toString()).toBe(text);
    if (size === 1000) expect(parts.length).toBeGreaterThan(10);
  });

  it('trains to the same vocabulary as the text', async () => {
    for (const pattern of ['gpt2', 'gpt4', 'gpt4o'] as const) {
      const options = { vocabSize: 600, pattern };
      const whole = await Tokenizer.train([text], options);
      const parts = await Tokenizer.train(await read(text, 2000), options);
      expect(parts.fingerprint()).toBe(whole.fingerprint());
    }
  });

  it.each([
    ['\n', '\u3002', '\u4e2d'],
    ['\n', 'x', '1'],
    ['\n', '\u3000', '\u4e2d'],
    ['\n', '!', '/'],
    ['\n', '!', '\u3000'],
    ['\n', '\r', 'a'],
    ['\n', '\u0085', '\u0301'],
    [' ', 'x', 'y'],
  ])('gives the same pieces when cut at %j between %j and %j', async (gap, before, after) => {
    // Neighbours of the gap are mixed, so that a wrong piece across it would be learned.
    const line = `${before.repeat(2)}${gap}${after.repeat(2)}`;
    const content = `${line}${gap}${gap}${line} ${line}`.repeat(300);
    for (const pattern of ['gpt2', 'gpt4', 'gpt4o'] as const) {
      const options = { vocabSize: 320, pattern };
      const parts = await read(content, 64);
      const whole = await Tokenizer.train([content], options);
      expect((await Tokenizer.train(parts, options)).fingerprint()).toBe(whole.fingerprint());
    }
  });

  it('may have no place to cut, end exactly with a part, and begin with a byte order mark', async () => {
    expect(Buffer.concat(await read('\u4e2d'.repeat(5000), 1000)).toString()).toBe('\u4e2d'.repeat(5000));
    expect(Buffer.concat(await read('a b '.repeat(500), 1000)).toString()).toBe('a b '.repeat(500));
    expect(Buffer.concat(await read('\ufeffabc\ufeff', 1000)).toString()).toBe('abc\ufeff');
  });

  it('names the line of what is not text, counted over parts', async () => {
    const lines = 'one two three\n'.repeat(500);
    const bad = Buffer.concat([Buffer.from(lines), Buffer.from([0x61, 0xff, 0x0a]), Buffer.from(lines)]);
    await expect(read(bad, 1000)).rejects.toMatchObject({
      code: 'ERR_FORMAT',
      message: `${path}:501: is not UTF-8`,
    });
    await expect(read(`${lines}a\0`, 1000)).rejects.toThrow(`${path}:501: holds a zero byte`);
    await expect(read('', 1000)).rejects.toThrow(`${path} is empty`);
  });
});
