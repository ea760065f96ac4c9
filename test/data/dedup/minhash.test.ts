import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { mix } from '../../../src/base/random.ts';
import {
  comparedWords,
  MinHasher,
  matchProbability,
  signatureSimilarity,
} from '../../../src/data/dedup/minhash.ts';
import { native } from '../../../src/native/addon.ts';

interface Recorded {
  documents: { text: string; words: string; first: string[] | null; digest: string | null }[];
  configurations: { ngram: number; bands: number; rows: number; seed: number; signature: string[] }[];
}
const recorded = JSON.parse(
  readFileSync(join(import.meta.dirname, 'fixtures/datatrove-signatures.json'), 'utf8'),
) as Recorded;

const threads = native.numThreads();
afterEach(() => native.setNumThreads(threads));

/** All shingles of a text, as a set. */
function shinglesOf(text: string, ngram = 5): Set<string> {
  const words = comparedWords(text).split(' ');
  const starts = words.slice(0, Math.max(0, words.length - ngram + 1));
  return new Set(starts.map((_, i) => words.slice(i, i + ngram).join(' ')));
}

describe('the words of a text', () => {
  it('are those of datatrove and spaCy', () => {
    for (const { text, words } of recorded.documents) expect(comparedWords(text)).toBe(words);
  });

  it('do not fail on any bytes', () => {
    const hasher = new MinHasher({ ngram: 1 });
    const bytes = Uint8Array.from({ length: 5000 }, (_, i) => mix(3, i) % 256);
    expect(hasher.signatures([bytes])[0]).toHaveLength(112);
    // A byte that is not UTF-8 is read as U+FFFD.
    const [bad, good] = hasher.signatures([Uint8Array.of(0x61, 0xff, 0x20, 0xc3), 'a\ufffd \ufffd']);
    expect(bad).toEqual(good);
  });
});

describe('MinHash signatures', () => {
  it('are those of datatrove, bit by bit', () => {
    const signatures = new MinHasher().signatures(recorded.documents.map(({ text }) => text));
    for (const [i, { first }] of recorded.documents.entries()) {
      expect(signatures[i] && [...signatures[i].slice(0, 3)].map(String)).toEqual(first ?? undefined);
    }
  });

  it('are those of datatrove for other options', () => {
    const { text } = recorded.documents[0]!;
    for (const { signature, ...options } of recorded.configurations) {
      expect([...new MinHasher(options).signatures([text])[0]!].map(String)).toEqual(signature);
    }
  });

  it('do not depend on the number of threads, the batch, or the kind of text', () => {
    const texts = recorded.documents.map(({ text }) => text);
    const many = texts.flatMap((text) => [text, text.repeat(40)]);
    native.setNumThreads(1);
    const alone = many.map((text) => new MinHasher().signatures([text])[0]);
    native.setNumThreads(2);
    expect(new MinHasher().signatures(many)).toEqual(alone);
    expect(new MinHasher().signatures(many.map((text) => Buffer.from(text)))).toEqual(alone);
  });

  it('estimate the share of common shingles', () => {
    const hasher = new MinHasher();
    const words = Array.from({ length: 404 }, (_, i) => `w${String.fromCharCode(97 + (i % 26))}${word(i)}`);
    for (let step = 0; step <= 20; step++) {
      const changed = words.map((w, i) => (i >= (step / 20) * words.length ? `x${w}` : w));
      const [a, b] = [words.join(' '), changed.join(' ')];
      const [first, second] = hasher.signatures([a, b]);
      const [setA, setB] = [shinglesOf(a), shinglesOf(b)];
      const common = [...setA].filter((shingle) => setB.has(shingle)).length;
      const jaccard = common / (setA.size + setB.size - common);
      const error = 4 * Math.sqrt((jaccard * (1 - jaccard)) / 112);
      expect(Math.abs(signatureSimilarity(first!, second!) - jaccard)).toBeLessThanOrEqual(error);
    }
  });

  it('are absent for a text of too few words', () => {
    const hasher = new MinHasher();
    expect(hasher.signatures(['', ' \n', '... !!!', 'one two three four', '\u0301'])).toEqual(
      Array.from({ length: 5 }, () => undefined),
    );
    expect(hasher.signatures(['one two three four five'])[0]).toHaveLength(112);
  });

  it('take a word a million times, a line of a megabyte, and marks without end', () => {
    const texts = [
      'word '.repeat(1_000_000),
      'a'.repeat(1 << 20),
      '©'.repeat(1 << 18),
      'a©'.repeat(1 << 18),
      '0€'.repeat(1 << 18),
      '9'.repeat(1 << 20),
      '1.'.repeat(1 << 19),
      '\u0301'.repeat(1 << 18),
      '≠a'.repeat(1 << 18),
      ' '.repeat(1 << 20),
    ];
    const start = performance.now();
    const signatures = new MinHasher().signatures(texts);
    expect(performance.now() - start).toBeLessThan(20_000);
    // A set has each shingle once.
    expect(signatures[0]).toEqual(new MinHasher().signatures(['word word word word word'])[0]);
    expect(signatures[1]).toBeUndefined();
  });

  it('refuse options out of range', () => {
    for (const options of [{ ngram: 0 }, { bands: 1.5 }, { rows: -1 }, { seed: -1 }, { seed: 2 ** 32 }]) {
      expect(() => new MinHasher(options)).toThrow(/ngram|bands|rows|seed/);
    }
    expect(() => new MinHasher({ bands: 70_000 })).toThrow(/65536 hashes/);
    expect(() => new MinHasher({ ngram: 1001 })).toThrow(/words per shingle/);
    expect(() => signatureSimilarity(new BigUint64Array(2), new BigUint64Array(3))).toThrow(/one length/);
  });
});

describe('the match curve', () => {
  it('is that of bands and rows', () => {
    // Figures that datatrove's documentation and the literature give for 14 bands of 8 rows.
    const curve = [0.7, 0.75, 0.8, 0.85].map((s) => matchProbability(s).toFixed(2));
    expect(curve).toEqual(['0.56', '0.77', '0.92', '0.99']);
    expect(matchProbability(0)).toBe(0);
    expect(matchProbability(1, { bands: 1, rows: 1 })).toBe(1);
  });
});

/** A word of letters for a number: digits would all become 0. */
function word(number: number): string {
  return [...number.toString()].map((digit) => 'bcdfghjklm'[Number(digit)]).join('');
}
