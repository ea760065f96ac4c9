/**
 * Random damage to tokenizer.json and rank files: one error that names the file, or a tokenizer
 * that still works.
 */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { AthanorError } from '../../src/base/errors.ts';
import { Tokenizer } from '../../src/text/tokenizer.ts';
import { oracles, rankFile, realTexts } from './oracles.ts';
import { random } from './random.ts';

const folder = mkdtempSync(join(tmpdir(), 'athanor-damage-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const sample = new TextEncoder().encode('The furnace keeps one steady fire: 1234 \u{1f525}\r\n\u4e2d');

/**
 * One way of many to damage bytes: flipped, cut, doubled, removed, or overwritten with
 * what parsers dislike.
 */
function damage(bytes: Uint8Array, next: () => number): Uint8Array {
  const at = Math.floor(next() * bytes.length);
  const size = Math.floor(next() ** 4 * 200) + 1;
  const before = bytes.subarray(0, at);
  const after = bytes.subarray(at + size);
  const tokens = [
    '"',
    ',',
    '{',
    '}',
    '[',
    ']',
    '0',
    '-1',
    '1e99',
    'null',
    '\u0000',
    '\n',
    ' ',
    '\\u0041',
    '=',
    'A',
  ];
  switch (Math.floor(next() * 6)) {
    case 0: {
      const flipped = bytes.slice();
      flipped[at]! ^= 1 << Math.floor(next() * 8);
      return flipped;
    }
    case 1:
      return before.slice();
    case 2:
      return Buffer.concat([before, bytes.subarray(at, at + size), bytes.subarray(at)]);
    case 3:
      return Buffer.concat([before, after]);
    case 4:
      return Buffer.concat([
        before,
        Buffer.from(tokens[Math.floor(next() * tokens.length)]!),
        bytes.subarray(at),
      ]);
    default:
      return Buffer.concat([before, Uint8Array.from({ length: size }, () => next() * 256), after]);
  }
}

/** How many of the seeds gave an error; every other one gave a tokenizer that round-trips. */
function survive(original: Uint8Array, path: string, seeds: number, load: () => Tokenizer): number {
  let errors = 0;
  for (let seed = 1; seed <= seeds; seed++) {
    const next = random(seed);
    let bytes = damage(original, next);
    while (next() < 0.3 && bytes.length > 0) bytes = damage(bytes, next);
    writeFileSync(path, bytes);
    try {
      const tokenizer = load();
      expect(tokenizer.decodeBytes(tokenizer.encode(sample)), `seed ${seed}`).toEqual(sample);
    } catch (error) {
      if (!(error instanceof AthanorError)) throw new Error(`seed ${seed}`, { cause: error });
      expect(error.code, `seed ${seed}: ${error.message}`).toBe('ERR_FORMAT');
      expect(error.message).toContain(path);
      expect(error.message.length).toBeLessThan(1000);
      errors++;
    }
  }
  return errors;
}

describe('damaged files', () => {
  let json: Uint8Array;
  beforeAll(async () => {
    const tokenizer = await Tokenizer.train(
      realTexts(3).map(({ text }) => text),
      { vocabSize: 400, pattern: 'gpt4' },
    );
    tokenizer.save(folder);
    json = readFileSync(join(folder, 'tokenizer.json'));
  });

  it('tokenizer.json', () => {
    const path = join(folder, 'damaged.json');
    const errors = survive(json, path, 1500, () => Tokenizer.load(path));
    expect(errors).toBeGreaterThan(500);
  });

  it('a rank file', () => {
    const path = join(folder, 'damaged.tiktoken');
    const ranks = readFileSync(rankFile(oracles[0]!)).subarray(0, 6000);
    const errors = survive(ranks, path, 1500, () =>
      Tokenizer.fromTiktoken(path, 'gpt2', { '<|endoftext|>': 99_999 }),
    );
    expect(errors).toBeGreaterThan(500);
  });

  it.each([
    ['an empty file', '', /no token for the byte/],
    ['a line without a rank', 'IQ==\n', /:1: expected a token in base64/],
    ['a token that is not base64', 'IQ== 0\nI!== 1\n', /:2: expected a token in base64/],
    ['a rank that is too large', 'IQ== 999999999\n', /999999999/],
    ['a rank that comes twice', 'IQ== 0\nIg== 0\n', /id 0 is given to two tokens/],
    ['a token that comes twice', 'IQ== 0\nIQ== 1\n', /"!" has two ids/],
    ['binary', '\u0000\u0001\u0002', /:1: expected/],
  ])('a rank file that is %s', (_, content, message) => {
    const path = join(folder, 'wrong.tiktoken');
    writeFileSync(path, content);
    const load = () => Tokenizer.fromTiktoken(path, 'gpt2');
    expect(load).toThrow(message);
    expect(load).toThrow(path);
    expect(load).toThrow(expect.objectContaining({ code: 'ERR_FORMAT' }));
  });
});
