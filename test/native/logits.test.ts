import { describe, expect, it } from 'vitest';
import { native } from '../../src/native/addon.ts';
import {
  expectError,
  expectSameBits,
  expectSameForThreads,
  forEachIsa,
  misalignedTensor,
  oddSizes,
  randomIntegers,
  randomNormal,
  tensor,
  values,
} from '../helpers/reference.ts';

/** The order of topTokens by sorting: larger logits first, then lower tokens; NaN last. */
function sorted(row: ArrayLike<number>): number[] {
  const key = (i: number) => (Number.isNaN(row[i]) ? Number.NEGATIVE_INFINITY : row[i]!);
  const nan = (i: number) => Number(Number.isNaN(row[i]));
  return Array.from({ length: row.length }, (_, i) => i).sort(
    (a, b) => nan(a) - nan(b) || (key(a) < key(b) ? 1 : key(a) > key(b) ? -1 : a - b),
  );
}

function rowsOf(flat: ArrayLike<number>, length: number): number[][] {
  return Array.from({ length: flat.length / length }, (_, r) =>
    Array.from({ length }, (_, i) => flat[r * length + i]!),
  );
}

describe('topTokens', () => {
  it('agrees with a sort, also where logits are equal', () => {
    forEachIsa(native, (isa) => {
      for (const vocabulary of oddSizes) {
        for (const logits of [
          randomNormal(3 * vocabulary, vocabulary),
          Float32Array.from(randomIntegers(3 * vocabulary, vocabulary, 4)),
        ]) {
          for (const count of [0, 1, 2, 5, 20].filter((count) => count <= vocabulary)) {
            const got = values(native.topTokens(misalignedTensor([3, vocabulary], logits, 'f32'), count));
            const wanted = rowsOf(logits, vocabulary).flatMap((row) => sorted(row).slice(0, count));
            expect([...got], `${isa} ${count} of ${vocabulary}`).toEqual(wanted);
          }
        }
      }
    });
  });

  it('takes infinities as numbers and NaN as the smallest', () => {
    const row = new Float32Array(40).fill(-Infinity);
    row.set([Number.NaN, 1, Number.NaN, Infinity, -3], 17);
    forEachIsa(native, () => {
      for (const count of [1, 3, 4, 40]) {
        const got = values(native.topTokens(tensor([1, 40], row), count));
        expect([...got]).toEqual(sorted(row).slice(0, count));
      }
    });
  });

  it('refuses a count beyond the vocabulary', () => {
    const logits = native.full([1, 3], 'f32', 0);
    expectError('ERR_ARGUMENT', /\[topTokens\].*from 0 to 3 but got 4/, () => native.topTokens(logits, 4));
  });
});

describe('tokenLogProbs', () => {
  it('has the bits of the sampler and of the losses', () => {
    forEachIsa(native, () => {
      const hidden = tensor([6, 24], randomNormal(6 * 24, 1));
      const weight = tensor([301, 24], randomNormal(301 * 24, 2));
      const logits = native.linearLogits(hidden, weight);
      const index = tensor([6], [0, 1, 2, 3, 4, 5], 'i32');
      for (const temperature of [1, 0.7]) {
        const [tokens, logProbs] = native.sample({
          ...{ logits, temperature, topK: 0, topP: 0.9, minP: 0, repetitionPenalty: 1, seed: 3 },
          ...{ streams: index, steps: index },
        });
        const own = native.tokenLogProbs(logits, native.view(tokens, [6, 1]), temperature);
        expectSameBits(values(own), values(logProbs), 'sampler');
        const [loss] = native.linearLogProb(hidden, weight, tokens, temperature);
        expectSameBits(values(own), values(loss), 'loss');
      }
    });
  });

  it('gives all tokens of a row, whose probabilities add up to 1', () => {
    const logits = tensor([2, 33], randomNormal(66, 5, 3));
    const tokens = native.topTokens(logits, 33);
    const rows = rowsOf(values(native.tokenLogProbs(logits, tokens, 1)), 33);
    for (const row of rows) {
      expect(row).toEqual([...row].sort((a, b) => b - a));
      expect(row.reduce((sum, x) => sum + Math.exp(x), 0)).toBeCloseTo(1, 5);
    }
  });

  it('names a token outside of the vocabulary, and a bad temperature', () => {
    const logits = native.full([1, 3], 'f32', 0);
    const token = (id: number) => tensor([1, 1], [id], 'i32');
    expectError('ERR_ARGUMENT', /token 3 in row 0 .* vocabulary of 3/, () =>
      native.tokenLogProbs(logits, token(3), 1),
    );
    expectError('ERR_ARGUMENT', /temperature .* above 0/, () => native.tokenLogProbs(logits, token(1), 0));
    expectError('ERR_SHAPE', /tokens to be \[1, count\]/, () =>
      native.tokenLogProbs(logits, tensor([2, 1], [0, 0], 'i32'), 1),
    );
  });
});

describe('addAt', () => {
  it('adds values to their tokens, twice where one is there twice, and leaves the input', () => {
    forEachIsa(native, () => {
      for (const vocabulary of oddSizes) {
        const given = randomNormal(2 * vocabulary, vocabulary);
        const logits = tensor([2, vocabulary], given);
        const tokens = [0, vocabulary - 1, 0, -1, vocabulary - 1, -1];
        const added = [1, 2, 4, 8, 16, 32];
        const out = native.addAt(logits, tensor([2, 3], tokens, 'i32'), tensor([2, 3], added));
        const wanted = Float32Array.from(given);
        tokens.forEach((token, i) => {
          if (token >= 0) wanted[Math.floor(i / 3) * vocabulary + token]! += added[i]!;
        });
        expectSameBits(values(out), Float64Array.from(wanted), `${vocabulary}`);
        expectSameBits(values(logits), Float64Array.from(given), 'input');
      }
    });
  });
});

it('has the same bits for 1, 2 and 3 threads', () => {
  const logits = tensor([9, 700], randomNormal(9 * 700, 4));
  expectSameForThreads(native, () => {
    const top = native.topTokens(logits, 7);
    return [
      top,
      native.tokenLogProbs(logits, top, 0.8),
      native.addAt(logits, top, tensor([9, 7], randomNormal(63, 1))),
    ];
  });
});
