/** Decoding of whole texts and of streams gives the same as TextDecoder. */
import { describe, expect, it } from 'vitest';
import { allCorners } from './corners.ts';
import { load, oracles, realTexts } from './oracles.ts';
import { random } from './random.ts';

const oracle = oracles[1]!;
const { ours } = load(oracle);
const eos = oracle.specialTokens['<|endoftext|>']!;

function streamed(ids: Iterable<number>): string[] {
  const decoder = ours.stream();
  return [...Array.from(ids, (id) => decoder.push(id)), decoder.end()];
}

describe('the stream decoder', () => {
  it('gives the text of decode, in pieces that end with whole characters', () => {
    for (const text of [...allCorners, ...realTexts(5).map((file) => file.text)]) {
      const pieces = streamed(ours.encode(text));
      expect(pieces.join('')).toBe(ours.decode(ours.encode(text)));
      for (const piece of pieces) expect(piece).not.toMatch(/\p{Cs}/u);
    }
  });

  it('holds a character back until its last byte', () => {
    const ids = ours.encode('\u{1f9ff}');
    expect(ids.length).toBeGreaterThan(1);
    const pieces = streamed(ids);
    expect(pieces.slice(0, ids.length - 1).join('')).toBe('');
    expect(pieces[ids.length - 1]).toBe('\u{1f9ff}');
  });

  it('makes of broken UTF-8 what TextDecoder makes of it', () => {
    for (let seed = 1; seed <= 300; seed++) {
      const next = random(seed);
      const leads = [
        0xf0, 0x9f, 0x98, 0x80, 0xe4, 0xb8, 0xad, 0xc3, 0xa9, 0xff, 0x41, 0xed, 0xa0, 0xef, 0xbb, 0xbf,
      ];
      const bytes = Uint8Array.from({ length: 40 }, () => leads[Math.floor(next() * leads.length)]!);
      const expected = new TextDecoder('utf-8', { ignoreBOM: true }).decode(bytes);
      expect(streamed(ours.encode(bytes)).join('')).toBe(expected);
      expect(ours.decode(ours.encode(bytes))).toBe(expected);
    }
  });

  it('ends an incomplete character with U+FFFD, and can go on', () => {
    const decoder = ours.stream();
    const [first] = ours.encode(Uint8Array.of(0xf0, 0x9f));
    expect(decoder.push(first!)).toBe('');
    expect(decoder.end()).toBe('\ufffd');
    expect(decoder.push(ours.encode('a')[0]!)).toBe('a');
    expect(decoder.end()).toBe('');
  });

  it('leaves special tokens out when asked to', () => {
    const [hello] = ours.encode('hello');
    const decoder = ours.stream({ skipSpecial: true });
    expect(decoder.push(eos) + decoder.push(hello!)).toBe('hello');
    expect(ours.stream().push(eos)).toBe('<|endoftext|>');
  });
});

describe('decode', () => {
  it('takes any array of numbers', () => {
    const ids = ours.encode('one two three');
    expect(ours.decode(Array.from(ids))).toBe('one two three');
    expect(ours.decode(Float64Array.from(ids))).toBe('one two three');
    expect(ours.decode(ids.subarray(1))).toBe(' two three');
    expect(ours.decode([])).toBe('');
  });

  it('keeps a byte order mark', () => {
    expect(ours.decode(ours.encode('\ufeffx'))).toBe('\ufeffx');
  });

  it('leaves special tokens out when asked to', () => {
    const ids = [...ours.encode('a'), eos, ...ours.encode('b')];
    expect(ours.decode(ids)).toBe('a<|endoftext|>b');
    expect(ours.decode(ids, { skipSpecial: true })).toBe('ab');
  });

  // As the tokenizers library: decode([0, 100256, 0]) is the text of the two others.
  it.each([100256, 100277, 2 ** 31 - 1])('gives no text for the id %d, which has no token', (id) => {
    const [hello] = ours.encode('hello');
    expect(ours.tokenOf(id)).toBeUndefined();
    expect(ours.byteLength(id)).toBe(0);
    expect(ours.decode([hello!, id, hello!])).toBe('hellohello');
    expect([...ours.decodeBytes([id])]).toEqual([]);
    expect(streamed([hello!, id, hello!]).join('')).toBe('hellohello');
  });

  it('names the ids without a token among the rows of a model', () => {
    const rows = ours.vocabSize + 3;
    const unused = ours.unusedIds(rows);
    expect(unused).toContain(100256);
    expect(unused.slice(-3)).toEqual([rows - 3, rows - 2, rows - 1]);
    for (let id = 0; id < rows; id++) expect(unused.includes(id)).toBe(ours.tokenOf(id) === undefined);
  });

  it.each([-1, 2 ** 31, 2 ** 32, 0.5, Number.NaN, -(2 ** 31)])('refuses the id %d', (id) => {
    const refusal = expect.objectContaining({ code: 'ERR_ARGUMENT' });
    expect(() => ours.decode([id])).toThrow(refusal);
    expect(() => ours.decodeBytes([0, id])).toThrow(refusal);
    expect(() => ours.stream().push(id)).toThrow(refusal);
    expect(ours.tokenOf(id)).toBeUndefined();
  });

  it('refuses what is no number', () => {
    const refusal = expect.objectContaining({ code: 'ERR_ARGUMENT' });
    for (const id of [Symbol('id'), 1n, Object.create(null), '1', null]) {
      expect(() => Reflect.apply(ours.decode, ours, [[id]])).toThrow(refusal);
    }
    for (const rows of [-1, 0.5]) expect(() => ours.unusedIds(rows)).toThrow(refusal);
  });
});

describe('tokens by name', () => {
  it('are found both ways', () => {
    for (const id of [0, 255, 256, 5000, 100255, eos]) expect(ours.idOf(ours.tokenOf(id)!)).toBe(id);
    expect(ours.tokenOf(ours.encode(' the')[0]!)).toBe('\u0120the');
    expect(ours.idOf('no such token')).toBeUndefined();
    expect(ours.idOf('__proto__')).toBeUndefined();
    expect(ours.vocabSize).toBe(100277);
  });
});
