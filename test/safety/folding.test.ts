/** Texts that look alike fold to the same code points, in pieces as in whole. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { packageRoot } from '../../src/base/package-root.ts';
import { foldedPoints, isBorder, TextFolder } from '../../src/safety/folding.ts';
import { rng } from '../helpers/reference.ts';

const folded = (text: string, accents?: 'ignore') =>
  String.fromCodePoint(...foldedPoints(text, accents && { accents })).normalize('NFC');

/** All characters but most of Han and Hangul, whose many characters have no cases. */
function* characters() {
  for (let point = 0; point <= 0x2ffff; ++point) {
    const character = String.fromCodePoint(point);
    const isOneOfMany = point % 50 > 0 && /[\p{Script=Han}\p{Script=Hangul}]/u.test(character);
    if (!isOneOfMany && !/[\p{Cn}\p{Co}\p{Cs}]/u.test(character)) yield character;
  }
}

it.each([
  ['mixed case', 'BloRP', 'blorp'],
  ['full-width letters', 'ｂｌＯｒｐ', 'blorp'],
  ['mathematical letters', '𝖇𝖑𝖔𝖗𝖕', 'blorp'],
  ['ligatures', 'ﬁzzle', 'fizzle'],
  ['sharp s', 'Straße', 'strasse'],
  ['sigmas', 'ΣΟΦΟΣ', 'σοφοσ'],
  ['composed accents', 'zo\u0308rb', 'zörb'],
  ['marks in another order', 'a\u0323\u0302', 'a\u0302\u0323'],
  ['a word joiner', 'bl\u2060orp', 'blorp'],
  ['zero width and soft hyphens', 'b\u200bl\u200do\u00adrp', 'blorp'],
  ['marks that no letter has', 'b\u0336l\u0336o\u0336r\u0336p\u0336', 'blorp'],
  ['half-width katakana', 'ｶﾞ', 'ガ'],
])('%s', (_, text, expected) => {
  expect(folded(text)).toBe(folded(expected));
});

it('accents of letters count, unless the policy ignores them', () => {
  expect(folded('zörb')).not.toBe('zorb');
  expect(folded('zörb', 'ignore')).toBe('zorb');
  expect(folded('कि')).not.toBe(folded('क'));
  expect(folded('कि', 'ignore')).toBe(folded('कि'));
});

it('a character folds as each of its normal forms and cases does', () => {
  const wrong: string[] = [];
  for (const character of characters()) {
    const own = foldedPoints(character).join();
    for (const form of ['NFC', 'NFD', 'NFKC', 'NFKD'] as const) {
      const other = character.normalize(form);
      if (other !== character && foldedPoints(other).join() !== own) wrong.push(`${character} ${form}`);
    }
    // Titlecase and dotted capitals have cases that are other letters in the forms of Unicode too.
    if (foldedPoints(character.toUpperCase()).join() !== own) wrong.push(`${character} upper`);
  }
  expect(wrong).toEqual([]);
});

it('a character folds as its case folding by Unicode does, as Python has it', () => {
  const path = join(packageRoot, 'test/safety/fixtures/case-folding.json');
  const { folded: pairs } = JSON.parse(readFileSync(path, 'utf8')) as { folded: Record<string, string> };
  expect(Object.keys(pairs).length).toBeGreaterThan(1400);
  const wrong = Object.entries(pairs).filter(
    ([character, lower]) => foldedPoints(character).join() !== foldedPoints(lower).join(),
  );
  expect(wrong).toEqual([]);
});

it('folding twice changes nothing', () => {
  const wrong: string[] = [];
  for (const character of characters()) {
    const points = foldedPoints(character);
    const again = foldedPoints(String.fromCodePoint(...points));
    if (again.join() !== points.join()) wrong.push(character);
  }
  expect(wrong).toEqual([]);
});

describe('in pieces', () => {
  const letters = [
    'a',
    'B',
    'ö',
    'o\u0308',
    '\u0336',
    '\u0323',
    'ｂ',
    '𝖇',
    'ß',
    '\u200b',
    ' ',
    'が',
    '\u3099',
    '한',
    'ﬁ',
    'कि',
  ];

  it('any cut gives the same code points at the same places', () => {
    const random = rng(11);
    for (let round = 0; round < 300; ++round) {
      const text = Array.from({ length: 12 }, () => letters[random.integer(letters.length)]!).join('');
      const collect = (pieces: readonly string[]) => {
        const found: number[][] = [];
        const folder = new TextFolder((point, start) => found.push([point, start]));
        for (const piece of pieces) folder.push(piece);
        folder.end();
        return found;
      };
      const whole = collect([text]);
      expect(whole.map(([point]) => point)).toEqual(foldedPoints(text));
      const at = random.integer(text.length);
      expect(collect([text.slice(0, at), text.slice(at)])).toEqual(whole);
      expect(collect(text.split(''))).toEqual(whole);
    }
  });

  it('endless marks are not kept', () => {
    let count = 0;
    const folder = new TextFolder(() => ++count);
    folder.push(`a${'\u093f'.repeat(100_000)}`);
    expect(count).toBeGreaterThan(99_000);
    expect(folder.pendingFrom).toBeGreaterThan(99_900);
  });
});

it('words end at all but letters, marks and digits; scripts without spaces have borders everywhere', () => {
  const border = (two: string) => isBorder(two.codePointAt(0), two.codePointAt(1));
  expect(['ab', 'a1', '1a', 'äb'.normalize('NFC')].map(border)).toEqual([false, false, false, false]);
  expect(["a'", 'a ', 'a_', 'a-', '日本', 'กข', 'aก'].map(border)).toEqual(Array(7).fill(true));
});
