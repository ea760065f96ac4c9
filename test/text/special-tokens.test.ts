import { describe, expect, it } from 'vitest';
import { Tokenizer } from '../../src/text/tokenizer.ts';
import { allCorners } from './corners.ts';
import { expectSameIds, load, oracles, rankFile } from './oracles.ts';
import { random } from './random.ts';

describe.each(oracles)('special tokens of $name', (oracle) => {
  const { ours, theirs } = load(oracle);
  const names = Object.keys(oracle.specialTokens);
  const ids = new Set(Object.values(oracle.specialTokens));

  it('come out of no ordinary text', () => {
    for (const name of names) {
      for (const corner of allCorners) {
        const text = `${corner}${name}${corner}${name}${name}`;
        const encoded = ours.encode(text);
        for (const id of encoded) expect(ids.has(id)).toBe(false);
        expectSameIds(encoded, theirs.encode(text, [], []), text);
      }
    }
  });

  it('are found where allowed, as tiktoken finds them', () => {
    for (let seed = 1; seed <= 300; seed++) {
      const next = random(seed);
      const pool = [...names, ...names, ...allCorners, '<|', '<|endof', 'text|>', '|>'];
      let text = '';
      for (let i = 0; i < 12; i++) text += pool[Math.floor(next() * pool.length)];
      expectSameIds(ours.encode(text, { allowSpecial: true }), theirs.encode(text, 'all'), text);
    }
  });

  it('are listed with their ids', () => {
    expect(Object.fromEntries(ours.specialTokens)).toEqual(oracle.specialTokens);
    expect(ours.eosId).toBe(oracle.specialTokens['<|endoftext|>']);
    expect(ours.bosId).toBeUndefined();
    expect(ours.padId).toBeUndefined();
  });
});

describe('special tokens in general', () => {
  const file = rankFile(oracles[0]!);
  const allowed = { allowSpecial: true };

  it('match the longest of those that begin at a place', () => {
    const tokenizer = Tokenizer.fromTiktoken(file, 'gpt2', {
      '<a>': 60000,
      '<a><b>': 60001,
      '<b>': 60002,
      'a><': 60003,
    });
    expect(Array.from(tokenizer.encode('<a><b><a><b', allowed))).toEqual([
      60001,
      60000,
      ...tokenizer.encode('<b'),
    ]);
  });

  it('may hold any characters', () => {
    const names = ['\u{1f600} go', ' space ', '\n\n', 'caf\u00e9'];
    const tokenizer = Tokenizer.fromTiktoken(
      file,
      'gpt2',
      Object.fromEntries(names.map((name, i) => [name, 60000 + i])),
    );
    for (const [i, name] of names.entries()) {
      expect(Array.from(tokenizer.encode(`x${name}`, allowed))).toEqual([
        ...tokenizer.encode('x'),
        60000 + i,
      ]);
      expect(tokenizer.decode([60000 + i])).toBe(name);
      expect(tokenizer.idOf(name)).toBe(60000 + i);
    }
  });

  it('leave ids between them unused', () => {
    const tokenizer = Tokenizer.fromTiktoken(file, 'gpt2', { '<|x|>': 50300 });
    expect(tokenizer.vocabSize).toBe(50301);
    expect(tokenizer.tokenOf(50299)).toBeUndefined();
  });

  it.each([
    ['an id that is taken', { '<x>': 5 }, /id 5 is given to two tokens/],
    ['a token of ordinary text', { hello: 60000 }, /"hello" has two ids/],
    ['an id out of range', { '<x>': 2 ** 31 }, /2147483648/],
    ['an empty token', { '': 60000 }, /empty/],
  ])('refuse %s', (_, specialTokens, message) => {
    expect(() => Tokenizer.fromTiktoken(file, 'gpt2', specialTokens as Record<string, number>)).toThrow(
      message,
    );
  });
});
