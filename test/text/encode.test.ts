/**
 * Ids compared with tiktoken: on real text, on corner cases of Unicode and of the split patterns,
 * and on random text.
 */
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { describe, expect, it } from 'vitest';
import { native } from '../../src/native/addon.ts';
import { allCorners, corners } from './corners.ts';
import { expectSameIds, load, oracles, realTexts } from './oracles.ts';
import { random } from './random.ts';

describe.each(oracles)('$name', (oracle) => {
  const { ours, theirs } = load(oracle);
  const check = (text: string) => expectSameIds(ours.encode(text), theirs.encode(text, [], []), text);

  it.each(Object.keys(corners))('agrees on %s', (name) => {
    for (const text of corners[name]!) check(text);
  });

  it('agrees on corner cases joined in pairs', () => {
    for (const a of allCorners) for (const b of allCorners) check(a + b);
  });

  it('agrees on real files, and gives their text back', () => {
    const files = realTexts();
    expect(files.length).toBeGreaterThan(20);
    for (const { text } of files) {
      check(text);
      expect(ours.decode(ours.encode(text))).toBe(text);
    }
  });

  it('agrees on random text', () => {
    for (let seed = 1; seed <= 300; seed++) {
      const next = random(seed);
      const pick = () => allCorners[Math.floor(next() * allCorners.length)]!;
      let text = '';
      for (let i = 0; i < 30; i++) {
        const kind = next();
        if (kind < 0.6) text += pick();
        else if (kind < 0.8) text += String.fromCodePoint(Math.floor(next() * 0x2000));
        else text += pick().repeat(1 + Math.floor(next() * 5));
      }
      check(text);
    }
  });

  it('agrees on random bytes read as text', () => {
    for (let seed = 1; seed <= 100; seed++) {
      const next = random(seed);
      check(new TextDecoder().decode(Uint8Array.from({ length: 500 }, () => next() * 256)));
    }
  });

  it('agrees on every code point', () => {
    // Each in the places where its class decides: inside, before and after letters, numbers,
    // spaces and marks.
    for (let first = 0; first < 0x110000; first += 4096) {
      // Planes 4 to 13, the end of 14, 15 and 16 hold no characters: one block stands for each.
      if (first >= 0x40000 && first % 0x10000 !== 0) continue;
      let text = '';
      for (let point = first; point < first + 4096; point++) {
        const c = String.fromCodePoint(point);
        text += `a${c}b ${c}${c} 1${c}2 A${c}B  ${c}!${c}\n`;
      }
      check(text);
    }
  });

  it('agrees on long runs', () => {
    for (const unit of ['a', ' ', '\n', '!', '7', 'ab', ' \n', '\u4e2d', 'A\u0301', 'aA']) {
      check(unit.repeat(3000));
      check(`x${unit.repeat(501)}y`);
    }
  });

  it.each(['a', ' ', '\n', '-', '7', 'xq', '\u4e2d', '\u0301A'])(
    'takes a megabyte of %j in seconds',
    (unit) => {
      const text = unit.repeat(Math.ceil(2 ** 20 / unit.length));
      const before = performance.now();
      const ids = ours.encode(text);
      // A quadratic algorithm takes hours here.
      expect(performance.now() - before).toBeLessThan(20_000);
      expect(ours.decode(ids)).toBe(text);
    },
  );

  it('gives any bytes back', () => {
    for (let seed = 1; seed <= 100; seed++) {
      const next = random(seed);
      const bytes = Uint8Array.from({ length: Math.floor(next() * 400) }, () =>
        next() < 0.5 ? 97 : next() * 256,
      );
      expect(ours.decodeBytes(ours.encode(bytes))).toEqual(bytes);
    }
  });
});

describe('the test plan of gpt-tokenizer', () => {
  const require = createRequire(import.meta.url);
  const plan = readFileSync(require.resolve('gpt-tokenizer/data/TestPlans.txt'), 'utf8');
  const cases = [...plan.matchAll(/EncodingName: (\w+)\nSample: (.*)\nEncoded: (\[.*\])/g)];

  it.each(oracles)('agrees for $name', (oracle) => {
    const mine = cases.filter(([, name]) => name === oracle.name);
    expect(mine.length).toBeGreaterThan(10);
    for (const [, , text, ids] of mine)
      expect(Array.from(load(oracle).ours.encode(text!))).toEqual(JSON.parse(ids!));
  });
});

describe('encodeBatch', () => {
  const { ours } = load(oracles[1]!);

  it('gives each text the ids of encode, for one thread and for three', () => {
    const texts = [...realTexts().map(({ text }) => text), ...allCorners, ''];
    const bytes = texts.map((text) => new TextEncoder().encode(text));
    const expected = texts.map((text) => ours.encode(text));
    const threads = native.numThreads();
    try {
      for (const count of [1, 3]) {
        native.setNumThreads(count);
        expect(ours.encodeBatch(texts)).toEqual(expected);
        expect(ours.encodeBatch(bytes)).toEqual(expected);
      }
    } finally {
      native.setNumThreads(threads);
    }
  });

  it('gives a long text the same ids cut into parts as whole', () => {
    const long = realTexts()
      .map(({ text }) => text)
      .join('\n')
      .repeat(3);
    expect(long.length).toBeGreaterThan(500_000);
    expectSameIds(ours.encode(long), load(oracles[1]!).theirs.encode(long, [], []), 'all texts');
  });

  it('refuses what is no text', () => {
    // @ts-expect-error a number is no text
    expect(() => ours.encode(5)).toThrow(expect.objectContaining({ code: 'ERR_ARGUMENT' }));
    // @ts-expect-error nor is an array of 16-bit numbers
    expect(() => ours.encodeBatch([new Uint16Array(3)])).toThrow(
      expect.objectContaining({ code: 'ERR_ARGUMENT' }),
    );
  });
});
