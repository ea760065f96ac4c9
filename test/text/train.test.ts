/**
 * Training compared with the recorded merges of the Hugging Face trainer and with the definition,
 * and its corner cases.
 */
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { packageRoot } from '../../src/base/package-root.ts';
import { native } from '../../src/native/addon.ts';
import { byteOrder, spellBytes } from '../../src/text/byte-level.ts';
import { Tokenizer } from '../../src/text/tokenizer.ts';
import type { TokenizerProgress, TrainTokenizerOptions } from '../../src/text/train.ts';
import { trainVocabulary } from '../../src/text/train.ts';
import { type SplitPattern, tokenText } from '../../src/text/vocabulary.ts';
import { realTexts } from './oracles.ts';
import { random } from './random.ts';

interface Recorded {
  source: string;
  sha256: string;
  vocabulary: number;
  merges: Record<'gpt2' | 'gpt4', string[]>;
}

const recorded = JSON.parse(
  readFileSync(join(import.meta.dirname, 'fixtures/hugging-face-merges.json'), 'utf8'),
) as Recorded;

async function mergesOf(texts: (string | Uint8Array)[], options: TrainTokenizerOptions): Promise<string[]> {
  const vocabulary = await trainVocabulary(texts, { specialTokens: [], ...options });
  const merges: string[] = [];
  for (let i = 0; i < vocabulary.merges.length; i += 3) {
    const [left, right] = [vocabulary.merges[i]!, vocabulary.merges[i + 1]!];
    merges.push(`${tokenText(vocabulary, left)} ${tokenText(vocabulary, right)}`);
  }
  return merges;
}

/** The definition, word by word: count all pairs, merge the best everywhere, again. */
function naiveMerges(words: string[], wanted: number, minFrequency: number): string[] {
  const rank = new Map(byteOrder.map((byte, id) => [spellBytes(Uint8Array.of(byte)), id]));
  const parts = words.map((word) => [...spellBytes(new TextEncoder().encode(word))]);
  const merges: string[] = [];
  while (merges.length < wanted) {
    const counts = new Map<string, number>();
    for (const word of parts) {
      for (let i = 0; i + 1 < word.length; i++) {
        const pair = `${word[i]} ${word[i + 1]}`;
        counts.set(pair, (counts.get(pair) ?? 0) + 1);
      }
    }
    const ids = (pair: string) => pair.split(' ').map((token) => rank.get(token)!);
    const [best] = [...counts]
      .filter(([, count]) => count >= minFrequency)
      .sort(([a, m], [b, n]) => n - m || ids(a)[0]! - ids(b)[0]! || ids(a)[1]! - ids(b)[1]!);
    if (!best) break;
    const [left, right] = best[0].split(' ') as [string, string];
    merges.push(best[0]);
    rank.set(left + right, 255 + merges.length);
    for (const word of parts) {
      for (let i = 0; i + 1 < word.length; i++) {
        if (word[i] === left && word[i + 1] === right) word.splice(i, 2, left + right);
      }
    }
  }
  return merges;
}

describe('the Hugging Face trainer', () => {
  it.each(['gpt2', 'gpt4'] as const)('learns the same merges with the pattern %s', async (pattern) => {
    const text = readFileSync(join(packageRoot, recorded.source));
    expect(createHash('sha256').update(text).digest('hex'), 'record again: the source changed').toBe(
      recorded.sha256,
    );
    const merges = await mergesOf([text], { vocabSize: recorded.vocabulary, pattern });
    expect(merges).toEqual(recorded.merges[pattern]);
  });
});

describe('the definition', () => {
  it.each([1, 2, 3, 4, 5, 6, 7, 8])(
    'is met on words of few letters, where all ties and overlaps occur (seed %i)',
    async (seed) => {
      const next = random(seed);
      const letters = 'aab'.slice(0, 1 + (seed % 3)) + (seed > 4 ? 'c\u00e9' : '');
      const words = Array.from({ length: 120 }, () => {
        const length = 1 + Math.floor(next() * 12);
        return Array.from({ length }, () => letters[Math.floor(next() * letters.length)]).join('');
      });
      const minFrequency = 1 + (seed % 3);
      const merges = await mergesOf(words, { vocabSize: 256 + 80, minFrequency });
      expect(merges).toEqual(naiveMerges(words, 80, minFrequency));
    },
  );
});

describe('training', () => {
  const texts = realTexts(20).map(({ text }) => text);

  it('gives the same vocabulary for one thread and for three, in any batches', async () => {
    const threads = native.numThreads();
    const fingerprints = new Set<string>();
    const whole = texts.join('');
    try {
      for (const count of [1, 3]) {
        native.setNumThreads(count);
        for (const parts of [texts, texts.map((text) => new TextEncoder().encode(text))]) {
          fingerprints.add((await Tokenizer.train(parts, { vocabSize: 1000 })).fingerprint());
        }
      }
    } finally {
      native.setNumThreads(threads);
    }
    expect(fingerprints.size).toBe(1);
    // A text is a unit: words do not continue from one text to the next.
    expect((await Tokenizer.train([whole], { vocabSize: 1000 })).vocabSize).toBe(1000);
  });

  it('takes an asynchronous source and keeps the event loop free', async () => {
    const text = texts.join('\n').repeat(4);
    async function* source() {
      for (let i = 0; i < 40; i++) {
        yield text;
        await new Promise((resolve) => setImmediate(resolve));
      }
    }
    const reports: TokenizerProgress[] = [];
    let ticks = 0;
    const timer = setInterval(() => ticks++, 5);
    const tokenizer = await Tokenizer.train(source(), {
      vocabSize: 4000,
      onProgress: (progress) => reports.push(progress),
    });
    clearInterval(timer);
    expect(tokenizer.vocabSize).toBe(4000);
    expect(ticks).toBeGreaterThan(2);
    expect(reports.at(-1)).toMatchObject({ phase: 'merge', merges: 4000 - 257, mergesWanted: 4000 - 257 });
    expect(reports[0]!.phase).toBe('count');
    expect(reports.at(-1)!.counted).toBe(40 * text.length);
  });

  it.each(['gpt2', 'gpt4', 'gpt4o'] as SplitPattern[])(
    'round-trips text with the pattern %s',
    async (pattern) => {
      const tokenizer = await Tokenizer.train(texts, { vocabSize: 2000, pattern });
      for (const text of texts) {
        const ids = tokenizer.encode(text);
        expect(tokenizer.decode(ids)).toBe(text);
        expect(ids.length).toBeLessThan(text.length * 0.6);
      }
    },
  );

  it('stops where no pair occurs often enough', async () => {
    const tokenizer = await Tokenizer.train(['abc', 'abc', 'abd'], { vocabSize: 5000, minFrequency: 2 });
    expect(tokenizer.encode('abc')).toHaveLength(1);
    expect(tokenizer.encode('abd')).toHaveLength(2);
    expect(tokenizer.vocabSize).toBeLessThan(265);
  });

  it('gives the last ids to special tokens, and never makes one of text', async () => {
    const specialTokens = ['<|endoftext|>', 'user', '<|pad|>'];
    const tokenizer = await Tokenizer.train(['user user user users'.repeat(50)], {
      vocabSize: 300,
      specialTokens,
    });
    const size = tokenizer.vocabSize;
    expect([...tokenizer.specialTokens]).toEqual([
      ['<|endoftext|>', size - 3],
      ['user', size - 2],
      ['<|pad|>', size - 1],
    ]);
    expect(tokenizer.eosId).toBe(size - 3);
    expect(Array.from(tokenizer.encode('user users'))).not.toContain(size - 2);
    expect(Array.from(tokenizer.encode('user', { allowSpecial: true }))).toEqual([size - 2]);
  });

  it('does not take long over one word of two megabytes', async () => {
    const next = random(9);
    const word = Array.from({ length: 2 ** 21 }, () => 'abcdefghij'[Math.floor(next() * 10)]).join('');
    const before = performance.now();
    const tokenizer = await Tokenizer.train([word, 'a'.repeat(2 ** 20)], { vocabSize: 3000 });
    expect(performance.now() - before).toBeLessThan(20_000);
    expect(tokenizer.decode(tokenizer.encode(word))).toBe(word);
  });

  it('stops when told to', async () => {
    const controller = new AbortController();
    const training = Tokenizer.train([texts.join('\n').repeat(10)], {
      vocabSize: 30_000,
      minFrequency: 1,
      signal: controller.signal,
      onProgress: () => controller.abort(),
    });
    await expect(training).rejects.toMatchObject({ code: 'ERR_INTERRUPTED' });
  });

  it.each([
    ['no text', [], { vocabSize: 300 }, /no text/],
    ['empty texts', ['', ''], { vocabSize: 300 }, /no text/],
    ['a vocabulary below the bytes', ['abc'], { vocabSize: 256 }, /257 to/],
    ['a fraction of a token', ['abc'], { vocabSize: 300.5 }, /300\.5/],
    ['a least count of 0', ['abc'], { vocabSize: 300, minFrequency: 0 }, /minFrequency/],
    ['a special token of one letter', ['abc'], { vocabSize: 300, specialTokens: ['a'] }, /shorter/],
    ['a special token given twice', ['abc'], { vocabSize: 300, specialTokens: ['<s>', '<s>'] }, /two ids/],
    ['half a surrogate pair', ['abc'], { vocabSize: 300, specialTokens: ['a\ud800'] }, /surrogate/],
    ['an unknown pattern', ['abc'], { vocabSize: 300, pattern: 'gpt9' as SplitPattern }, /gpt9/],
  ])('refuses %s', async (_, source, options, message) => {
    const error = await Tokenizer.train(source as string[], options).catch((e) => e);
    expect(error.code).toMatch(/^ERR_(ARGUMENT|FORMAT)$/);
    expect(error.message).toMatch(message);
  });

  it('passes on what the source throws', async () => {
    function* source() {
      yield 'abc';
      throw new Error('the disk is gone');
    }
    await expect(Tokenizer.train(source(), { vocabSize: 300 })).rejects.toThrow('the disk is gone');
  });
});
