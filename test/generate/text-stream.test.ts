import { beforeAll, describe, expect, it } from 'vitest';
import { TextStream, type TextStreamOptions } from '../../src/generate/text-stream.ts';
import type { Tokenizer } from '../../src/text/tokenizer.ts';
import { chatTokenizer } from '../helpers/chat-model.ts';

let tokenizer: Tokenizer;
beforeAll(async () => {
  tokenizer = await chatTokenizer();
});

/** The pieces of a text; the last one is that of end(). */
function pieces(text: string, options: TextStreamOptions = {}): string[] {
  const stream = new TextStream(tokenizer, options);
  const all = [...tokenizer.encode(text, { allowSpecial: true })].map((token) => stream.push(token));
  all.push(stream.end());
  expect(all.join('')).toBe(stream.text);
  return all;
}

describe('a text stream', () => {
  it('gives the whole text, and no part of a character', () => {
    const text = 'Hello! 日本語 🙂';
    const all = pieces(text);
    expect(all.join('')).toBe(text);
    expect(all.join(' ')).not.toContain('\ufffd');
  });

  it('ends before a stop string, and never shows the beginning of one', () => {
    expect(pieces('one two three', { stopStrings: ['two'] }).join('')).toBe('one ');
    expect(pieces('one two three', { stopStrings: ['three', 'two', ''] }).join('')).toBe('one ');
    for (const piece of pieces('ab abc abd', { stopStrings: ['abd'] })) expect(piece).not.toMatch(/ab$/);
  });

  it('gives what it held back once it is clear that no stop string follows', () => {
    expect(pieces('one tw', { stopStrings: ['two'] }).slice(-3)).toEqual(['', '', 'tw']);
    expect(pieces('one twx', { stopStrings: ['two'] }).slice(-4)).toEqual(['', '', 'twx', '']);
  });

  it('ends at a stop token, with what was held back, and takes nothing after it', () => {
    const end = tokenizer.specialTokens.get('<|end|>')!;
    const stream = new TextStream(tokenizer, { stopTokens: [end], stopStrings: ['two'] });
    const push = (text: string) => [...tokenizer.encode(text)].map((token) => stream.push(token)).join('');
    expect([push('one tw'), stream.stopped]).toEqual(['one ', false]);
    expect([stream.push(end), stream.stopped]).toEqual(['tw', true]);
    expect([push('o'), stream.end(), stream.text]).toEqual(['', '', 'one tw']);
  });

  it('leaves special tokens out where that is asked for', () => {
    expect(pieces('a<|end|>b').join('')).toBe('a<|end|>b');
    expect(pieces('a<|end|>b', { skipSpecial: true }).join('')).toBe('ab');
  });
});
