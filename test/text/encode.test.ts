/** Ids against tiktoken, on real text, on corner cases of Unicode and of the split patterns, and on random text. */
import { describe, expect, it } from 'vitest';
import { expectSameIds, load, oracles, realTexts } from './oracles.ts';

const corners: Record<string, string[]> = {
  empty: [''],
  spaces: [
    ' ',
    '  ',
    '   a',
    'a   ',
    'a  b',
    ' \n',
    '\n ',
    '\n\n',
    '\r\n',
    '\r',
    'a\r\n\r\nb',
    ' \r\n \r\n ',
    '\t\tx',
    'x \t y',
    '  \n  x',
    'x  \n\n  ',
  ],
  'unicode spaces': [
    '\u00a0a',
    'a\u00a0\u00a0b',
    '\u0085x',
    'a\u0085\u0085',
    '\u180ea',
    '\u2003\u2003b',
    '\u3000\u4e2d',
    '\ufeffabc',
    'a\u2028\u2029b',
    '\u200bz',
    'x\u202f1',
    '\u1680 \u1680y',
  ],
  contractions: [
    "I'm",
    "I'M",
    "don't DON'T Don'T",
    "we'll WE'LL we'Ll",
    "they've THEY'VE",
    "'s'S's",
    "''s",
    "'sa",
    " 's",
    "x'\u017f x'\u017fy",
    "'\u017f",
    "l'homme",
    "rock'n'roll",
    "'",
    "'' ''' '",
    "'re 'Re 'rE 'RE're",
    'it\u2019s',
    "A'b'C'd",
  ],
  case: [
    'helloWorld',
    'HELLOworld',
    'HelloWORLD',
    'ABCdef',
    'aBCDe',
    'XMLHttpRequest',
    '\u01c5abc',
    'A\u01c5B',
    '\u01f2z\u01f3',
    '\u00dfSS',
    '\u0130i',
    '\u02b0A\u02b0b',
    'A\u4e2dB\u4e2dc',
    '\u4e2dABC',
    'ABC\u4e2d',
  ],
  marks: [
    'e\u0301',
    'E\u0301E\u0301',
    '\u0301',
    ' \u0301a',
    '\u0301\u0301A',
    'A\u0301',
    '\u0301ABC',
    '!\u0301ABC',
    '\u0301 \u0301',
    '\u0939\u093f\u0928\u094d\u0926\u0940',
    '\u0e44\u0e17\u0e22\u0e19\u0e35\u0e49',
    '\u0651\u064e\u0645',
    '1\u0301',
    "a\u0301's",
    '\u20dd',
    '\u0300\u0301AB\u0302C',
  ],
  numbers: [
    '1',
    '12',
    '123',
    '1234',
    '1234567',
    ' 1234',
    '3.14159',
    '\u00b2\u00b3',
    '\u2160\u2161\u2162\u2163',
    '\u0661\u0662\u0663\u0664',
    '\u00bd\u00bc',
    '\u4e00\u4e8c',
    '\u{1d7d8}\u{1d7d9}\u{1d7da}\u{1d7db}',
    '1a2b3c',
    '12e4',
    '\u2460\u2461 \u3220',
  ],
  punctuation: [
    '!!!',
    ' !!!',
    '...\n',
    '...\n\n\r\n',
    '//\n//',
    'a/b/c',
    '/* x */\n\n',
    ';\r\n/\n',
    '<|endoftext|>',
    ' ($x)',
    '-->',
    '\u2026\u2026',
    '\u00bfqu\u00e9?',
    '\u300c\u65e5\u672c\u300d\n',
  ],
  emoji: [
    '\u{1f468}\u200d\u{1f469}\u200d\u{1f467}\u200d\u{1f466}',
    '\u{1f3f3}\ufe0f\u200d\u{1f308}',
    '\u{1f44d}\u{1f3fd} ok',
    '\u{1f1e9}\u{1f1ea}\u{1f1eb}\u{1f1f7}',
    '1\ufe0f\u20e3',
    '\u2764\ufe0f!',
    ' \u{1f600}\u{1f600}',
  ],
  scripts: [
    '\u0645\u0631\u062d\u0628\u0627 \u0628\u0627\u0644\u0639\u0627\u0644\u0645',
    '\u05e9\u05dc\u05d5\u05dd',
    '\u65e5\u672c\u8a9e\u306e\u30c6\u30ad\u30b9\u30c8',
    '\ud55c\uad6d\uc5b4',
    '\u041f\u0440\u0438\u0432\u0435\u0442 \u041c\u0418\u0420',
    '\u0395\u03bb\u03bb\u03b7\u03bd\u03b9\u03ba\u03ac',
    '\u0f56\u0f7c\u0f51',
    '\u10e5\u10d0\u10e0\u1c97',
    '\u{10400}\u{10428}',
    '\u{20000}\u{2a6df}',
    '\u200fabc\u200e',
  ],
  surrogates: ['\ud800', 'a\udfffb', '\ud83d', '\udc00\ud800'],
};

/** A repeatable source of numbers in [0, 1). */
function random(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

const flat = Object.values(corners).flat();

describe.each(oracles)('$name', (oracle) => {
  const { ours, theirs } = load(oracle);
  const check = (text: string) => expectSameIds(ours.encode(text), theirs.encode(text, [], []), text);

  it.each(Object.keys(corners))('agrees on %s', (name) => {
    for (const text of corners[name]!) check(text);
  });

  it('agrees on corner cases joined in pairs', () => {
    for (const a of flat) for (const b of flat) check(a + b);
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
      const pick = () => flat[Math.floor(next() * flat.length)]!;
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
