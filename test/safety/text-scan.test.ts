/** Words and patterns are found wherever they stand, and text that may become one is held back. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { SafetyPolicy } from '../../src/safety/policy.ts';
import { TextScan } from '../../src/safety/text-scan.ts';
import { suiteFolder } from '../helpers/cli.ts';
import { rng } from '../helpers/reference.ts';

const folder = suiteFolder();

function policyOf(category: object, others: object = {}): SafetyPolicy {
  const file = join(folder, 'policy.json');
  writeFileSync(file, JSON.stringify({ categories: { made: category }, ...others }));
  return SafetyPolicy.read(file);
}

function finds(policy: SafetyPolicy, ...pieces: string[]): boolean {
  const scan = new TextScan(policy);
  for (const piece of pieces) scan.push(piece);
  scan.end();
  return scan.found.size > 0;
}

/** How much of the text is certain after each piece. */
function certainAfter(policy: SafetyPolicy, pieces: readonly string[]): number[] {
  const scan = new TextScan(policy);
  return pieces.map((piece) => {
    scan.push(piece);
    return scan.certain;
  });
}

describe('words', () => {
  const policy = policyOf({ words: ['blorp', 'zorb the blat', 'über', '悪い'] });

  it.each([
    'blorp',
    'a BLORP.',
    'ｂｌｏｒｐ!',
    'b\u200blorp',
    'b\u0336l\u0336o\u0336r\u0336p\u0336',
    "blorp's",
    '_blorp_',
    'zorb  the\n\tblat',
    'u\u0308ber',
    'ÜBER',
    'とても悪いです',
    'x blorblorp blorp',
  ])('%j is found', (text) => expect(finds(policy, text)).toBe(true));

  it.each(['blorps', 'xblorp', 'blorp2', 'b lorp', 'blor p', 'zorb the', 'zorbtheblat', 'uber', 'blörp', ''])(
    '%j is not',
    (text) => expect(finds(policy, text)).toBe(false),
  );

  it('is found across pieces, at every cut, and at the very end', () => {
    const text = 'so ｂlo\u200bRP';
    for (let at = 0; at <= text.length; ++at) {
      expect(finds(policy, text.slice(0, at), text.slice(at))).toBe(true);
      expect(finds(policy, ...text.split(''), at % 2 ? ' x' : '')).toBe(true);
      expect(finds(policy, text.slice(0, at), `${text.slice(at)}s`)).toBe(false);
    }
  });

  it('a letter in a mark-holding word is not a shorter word', () => {
    expect(finds(policyOf({ words: ['ano'] }), 'año')).toBe(false);
    expect(finds(policyOf({ words: ['ano'] }, { accents: 'ignore' }), 'año')).toBe(true);
  });

  it('what is held back is the longest beginning of a word, and no more', () => {
    const pieces = ['hello', ' ', 'b', 'lo', ' x', ' zorb', ' ', ' the', 'm ', 'blor', 'p', 's'];
    const lengths = pieces.map((_, i) => pieces.slice(0, i + 1).join('').length);
    const held = certainAfter(policy, pieces).map((certain, i) => lengths[i]! - certain);
    expect(held).toEqual([0, 0, 1, 3, 0, 4, 5, 9, 0, 4, 5, 0]);
  });

  it('finds and holds what a search by hand does', () => {
    const random = rng(3);
    const words = ['aab', 'ab a', 'ba', 'abba b', 'c'];
    const list = policyOf({ words });
    const isLetter = (c: string | undefined) => c !== undefined && c !== ' ';
    for (let round = 0; round < 400; ++round) {
      const text = Array.from({ length: 14 }, () => 'aabbc '[random.integer(6)]!)
        .join('')
        .replace(/ +/g, ' ');
      const matches = words.flatMap((word) =>
        [...text].flatMap((_, at) => {
          const isHere =
            text.startsWith(word, at) && !isLetter(text[at - 1]) && !isLetter(text[at + word.length]);
          return isHere ? [{ from: at, to: at + word.length }] : [];
        }),
      );
      expect(finds(list, text)).toBe(matches.length > 0);
      const scan = new TextScan(list);
      for (let n = 1; n <= text.length; ++n) {
        scan.push(text[n - 1]!);
        const open = [...Array(n).keys()].find(
          (at) => !isLetter(text[at - 1]) && words.some((word) => word.startsWith(text.slice(at, n))),
        );
        expect(scan.certain).toBe(open ?? n);
      }
    }
  });
});

describe('patterns', () => {
  const policy = policyOf({
    patterns: ['\\bbl[o0]{1,3}rp(?:s|ing)?\\b', 'zorb\\s+\\d{3}', 'ö+x', '\\p{Sc}9'],
  });

  it.each(['blorp', 'BL00rps', 'blo0Orping', 'ｚorb \n 123', 'ＺＯＲＢ １２３', 'öx', 'o\u0308öx', '€9'])(
    '%j is found',
    (text) => expect(finds(policy, ...text.split(''))).toBe(true),
  );

  it.each(['blrp', 'bloooorp', 'blorped', 'xblorp', 'zorb 12', 'ox', 'zorb12x'])('%j is not', (text) =>
    expect(finds(policy, ...text.split(''))).toBe(false),
  );

  it('finds what the regular expressions of JavaScript find', () => {
    const random = rng(5);
    const pick = (list: readonly string[]) => list[random.integer(list.length)]!;
    const atom = (depth: number): string => {
      const kind = random.integer(depth > 0 ? 8 : 5);
      if (kind < 3) return pick(['a', 'b', 'c', ' ']);
      if (kind === 3) return pick(['[ab]', '[^a]', '.', '\\w', '\\s']);
      if (kind === 4) return pick(['\\b', '^', '$', 'ab']);
      if (kind < 7) return `(?:${sequence(depth - 1)})${pick(['', '*', '+', '?', '{2}', '{1,3}'])}`;
      return `(?:${sequence(depth - 1)}|${sequence(depth - 1)})`;
    };
    const sequence = (depth: number): string =>
      Array.from({ length: 1 + random.integer(3) }, () => atom(depth)).join('');
    let [compared, matched] = [0, 0];
    for (let round = 0; round < 500; ++round) {
      const source = sequence(2);
      if (source.trim() === '') continue;
      let found: SafetyPolicy;
      try {
        found = policyOf({ patterns: [source] });
      } catch {
        // It can match no characters, if not for what is asserted.
        const bare = source.replace(/\[\^a\]|\\b|\^|\$/g, (part) => (part[0] === '[' ? part : '(?:)'));
        expect(new RegExp(bare, 'iu').test('')).toBe(true);
        continue;
      }
      for (let i = 0; i < 5; ++i) {
        const text = Array.from({ length: random.integer(9) }, () => pick(['a', 'b', 'c', ' '])).join('');
        const expected = new RegExp(source, 'iu').test(text);
        expect([source, text, finds(found, ...text.split(''))]).toEqual([source, text, expected]);
        compared += 1;
        matched += expected ? 1 : 0;
      }
    }
    expect(compared).toBeGreaterThan(1000);
    expect(matched).toBeGreaterThan(200);
  });

  it('no text and no pattern runs away', () => {
    const bad = policyOf({ patterns: ['(?:a+)+b', '(?:a|a)*c', '(?:a?){30}a{30}d', '(?:.*.*.*)e'] });
    const began = performance.now();
    expect(finds(bad, 'a'.repeat(5_000))).toBe(false);
    expect(performance.now() - began).toBeLessThan(5000);
  });

  it('holds text back from where a match may have begun', () => {
    const pieces = ['ab zo', 'rb', ' ', '12', 'x'];
    const lengths = pieces.map((_, i) => pieces.slice(0, i + 1).join('').length);
    expect(certainAfter(policy, pieces).map((certain, i) => lengths[i]! - certain)).toEqual([2, 4, 5, 7, 0]);
  });
});

it('what only notes, or looks at prompts only, holds nothing back', () => {
  for (const rest of [{ action: 'flag' }, { on: ['prompt'] }]) {
    const policy = policyOf({ words: ['blorp'], patterns: ['zorb'], ...rest });
    expect(certainAfter(policy, ['blor', 'zor'])).toEqual([4, 7]);
    expect(finds(policy, 'blorp')).toBe(true);
  }
  const phrases = policyOf({ words: ['blorp'] }, { refusal_phrases: ['I cannot'] });
  expect(certainAfter(phrases, ['I can'])).toEqual([5]);
});
