import { describe, expect, it } from 'vitest';
import { native } from '../../src/native/addon.ts';
import type { NativeTensor } from '../../src/native/binding.ts';
import {
  expectClose,
  expectError,
  expectSameBits,
  expectSameForThreads,
  floatTypes,
  forEachIsa,
  misalignedTensor,
  quantize,
  randomNormal,
  rng,
  tensor,
  values,
} from '../helpers/reference.ts';

interface Options {
  temperature: number;
  topK: number;
  topP: number;
  minP: number;
  penalty: number;
  history?: NativeTensor;
  suppressed?: NativeTensor;
  allowed?: NativeTensor;
  seed: number;
  streams?: readonly number[];
  step: number;
}

const plain: Options = { temperature: 1, topK: 0, topP: 1, minP: 0, penalty: 1, seed: 1, step: 0 };

function sample(
  logits: NativeTensor,
  options: Partial<Options> = {},
): { tokens: number[]; logProbs: number[] } {
  const o = { ...plain, ...options };
  const rows = native.shapeOf(logits)[0]!;
  const numbers = o.streams ?? Array.from({ length: rows }, (_, i) => i);
  const streams = tensor([numbers.length], numbers, 'i32');
  const steps = tensor([rows], new Array<number>(rows).fill(o.step), 'i32');
  const [tokens, logProbs] = native.sample({
    logits,
    temperature: o.temperature,
    topK: o.topK,
    topP: o.topP,
    minP: o.minP,
    repetitionPenalty: o.penalty,
    history: o.history,
    suppressed: o.suppressed,
    allowed: o.allowed,
    seed: o.seed,
    streams,
    steps,
  });
  return { tokens: [...values(tokens)], logProbs: [...values(logProbs)] };
}

/** The same row many times, so that one call draws many tokens. */
function repeated(row: ArrayLike<number>, times: number): NativeTensor {
  return tensor(
    [times, row.length],
    Float32Array.from({ length: times * row.length }, (_, i) => row[i % row.length]!),
  );
}

function softmax(row: ArrayLike<number>, temperature: number): Float64Array {
  const top = Math.max(...Array.from(row));
  const weights = Float64Array.from(row, (x) => Math.exp((x - top) / temperature));
  const total = weights.reduce((sum, w) => sum + w, 0);
  return weights.map((w) => w / total);
}

/** The probabilities after the filters, by sorting: what the radix selection must agree with. */
function filtered(row: ArrayLike<number>, o: Partial<Options>): Float64Array {
  const { temperature, topK, topP, minP } = { ...plain, ...o };
  const p = softmax(row, temperature);
  const order = Array.from(p.keys()).sort((a, b) => row[b]! - row[a]! || a - b);
  let kept = topK > 0 ? order.slice(0, topK) : order;
  const total = kept.reduce((sum, i) => sum + p[i]!, 0);
  let before = 0;
  kept = kept.filter((i) => {
    const inside = before < topP * total;
    before += p[i]!;
    return topP === 1 || inside;
  });
  kept = kept.filter((i) => p[i]! >= minP * p[order[0]!]!);
  const out = new Float64Array(p.length);
  const mass = kept.reduce((sum, i) => sum + p[i]!, 0);
  for (const i of kept) out[i] = p[i]! / mass;
  return out;
}

function counts(tokens: readonly number[], vocabulary: number): number[] {
  const out = new Array<number>(vocabulary).fill(0);
  for (const token of tokens) out[token]!++;
  return out;
}

describe('the distribution of samples', () => {
  const row = randomNormal(12, 3, 1.5);
  const draws = 40_000;
  // The 0.9999 quantile of chi-square with up to 11 degrees of freedom is below 38.
  const limit = 38;

  for (const [name, options] of [
    ['plain', {}],
    ['temperature', { temperature: 0.6 }],
    ['top-k', { topK: 5 }],
    ['top-p', { topP: 0.8, temperature: 1.3 }],
    ['min-p', { minP: 0.1 }],
    ['top-k, then top-p, then min-p', { topK: 8, topP: 0.9, minP: 0.05 }],
  ] as const) {
    it(`follows the softmax: ${name}`, () => {
      forEachIsa(native, (isa) => {
        const wanted = filtered(row, options);
        const got = counts(sample(repeated(row, draws), options).tokens, row.length);
        let chiSquare = 0;
        for (const [i, p] of wanted.entries()) {
          if (p === 0) expect(got[i], `${isa} token ${i}`).toBe(0);
          else chiSquare += (got[i]! - draws * p) ** 2 / (draws * p);
        }
        expect(chiSquare, isa).toBeLessThan(limit);
      });
    });
  }

  it('draws from every block of a long row', () => {
    const got = counts(sample(repeated(new Float32Array(1000), draws)).tokens, 1000);
    const chiSquare = got.reduce((sum, n) => sum + (n - draws / 1000) ** 2 / (draws / 1000), 0);
    // 999 degrees of freedom: mean 999, standard deviation 44.7.
    expect(Math.abs(chiSquare - 999)).toBeLessThan(4 * 44.7);
  });
});

describe('the support after filtering', () => {
  /**
   * Tokens that can be drawn. High temperature levels the rest, so that few draws meet them all.
   */
  function support(row: ArrayLike<number>, options: Partial<Options>): number[] {
    const got = counts(sample(repeated(row, 4000), options).tokens, row.length);
    return got.flatMap((n, i) => (n > 0 ? [i] : []));
  }

  it('is exactly that of a sort, for random rows and filters', () => {
    forEachIsa(native, (isa) => {
      const random = rng(17);
      for (let trial = 0; trial < 40; trial++) {
        const n = 1 + random.integer(40);
        // Quantised to quarters: many ties.
        const row = randomNormal(n, trial).map((x) => Math.round(x * 4) / 4);
        const options = {
          temperature: 3,
          topK: random.integer(2) * random.integer(n + 3),
          topP: random.integer(2) ? 1 : 0.05 + 0.9 * random.uniform(),
          minP: random.integer(2) * random.uniform(),
        };
        const wanted = Array.from(filtered(row, options)).flatMap((p, i) => (p > 0 ? [i] : []));
        expect(support(row, options), `${isa} trial ${trial}`).toEqual(wanted);
      }
    });
  });

  it('keeps the lower token where logits are equal', () => {
    expect(support([1, 2, 2, 2, 0], { topK: 2 })).toEqual([1, 2]);
    expect(support([5, 5, 5, 5], { topP: 0.5 })).toEqual([0, 1]);
    expect(support(new Array<number>(10).fill(-3), { topP: 0.9 })).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8]);
    expect(support([0, -0, 0], { topK: 2 })).toEqual([0, 1]);
  });

  it('always keeps the largest logit', () => {
    expect(support([0, 1, 0.5], { topP: 1e-9 })).toEqual([1]);
    expect(support([0, 1, 0.5], { minP: 1 })).toEqual([1]);
    expect(support([0, 1, 0.5], { topK: 1, topP: 0.1, minP: 1 })).toEqual([1]);
  });

  it('filters a whole vocabulary as a sort would', () => {
    const row = randomNormal(50_257, 9, 2);
    for (const options of [{ topK: 50 }, { topP: 0.3 }, { topK: 100, topP: 0.5 }]) {
      const wanted = filtered(row, options);
      const { tokens } = sample(repeated(row, 60), options);
      for (const token of tokens) expect(wanted[token]).toBeGreaterThan(0);
    }
  });

  it('leaves out what has no probability', () => {
    const none = Number.NEGATIVE_INFINITY;
    expect(support([none, 1, none, 1], {})).toEqual([1, 3]);
    expect(support([none, 1, none, 0], { topK: 3, topP: 0.99 })).toEqual([1, 3]);
  });
});

describe('temperature 0', () => {
  it('takes the largest logit, the first of equals, whatever the seed', () => {
    forEachIsa(native, () => {
      const rows = [
        [1, 3, 2, 3, 0],
        [-5, -5, -5, -5, -5],
        [0, 0, 0, 0, 9],
      ];
      const logits = tensor([3, 5], rows.flat());
      for (const seed of [1, 2]) expect(sample(logits, { temperature: 0, seed }).tokens).toEqual([1, 0, 4]);
      const { logProbs } = sample(logits, { temperature: 0, topK: 1 });
      expectClose(
        logProbs,
        rows.map((row, i) => Math.log(softmax(row, 1)[[1, 0, 4][i]!]!)),
        0,
        1e-6, // a unit in the last place of the logits that cancel
      );
    });
  });
});

describe('log-probabilities', () => {
  it('are of the unfiltered, unpenalised softmax at that temperature', () => {
    forEachIsa(native, (isa) => {
      for (const dtype of floatTypes) {
        for (const n of [1, 2, 17, 1000, 1025, 50_257]) {
          const row = quantize(dtype, randomNormal(n, n, 4, 30));
          const temperature = 0.7;
          const { tokens, logProbs } = sample(misalignedTensor([1, n], row, dtype), {
            temperature,
            topK: 7,
            penalty: 1.5,
            history: tensor([1, 2], [0, -1], 'i32'),
          });
          // Computed as log(sum) so that it is exact for small probabilities as well.
          const top = Math.max(...row);
          const lse =
            Math.log(row.reduce((sum, x) => sum + Math.exp((x - top) / temperature), 0)) + top / temperature;
          const exact = row[tokens[0]!]! / temperature - lse;
          // The two terms that cancel are about 60 and each is rounded to f32.
          expect(Math.abs(logProbs[0]! - exact), `${isa} ${dtype} ${n}`).toBeLessThan(60 * 2 ** -22);
        }
      }
    });
  });

  it('do not depend on the neighbours', () => {
    const logits = tensor([7, 333], randomNormal(7 * 333, 2));
    const all = sample(logits, { topP: 0.9 });
    for (let row = 0; row < 7; row++) {
      const alone = sample(native.slice(logits, row, row + 1), { topP: 0.9, streams: [row] });
      expect(alone.tokens[0]).toBe(all.tokens[row]);
      expectSameBits(Float64Array.of(alone.logProbs[0]!), Float64Array.of(all.logProbs[row]!));
    }
  });
});

describe('the repetition penalty', () => {
  it('divides positive and multiplies negative logits, once a token', () => {
    // Greedy over penalised logits: 4 / 2 = 2 < 3; seen twice it would be 1.
    const history = tensor([1, 4], [0, 0, -1, 2], 'i32');
    expect(sample(tensor([1, 3], [4, 1.5, 1]), { temperature: 0, penalty: 2, history }).tokens).toEqual([0]);
    expect(sample(tensor([1, 3], [4, 2.5, 1]), { temperature: 0, penalty: 2, history }).tokens).toEqual([1]);
    // -1 * 2 = -2 < -1.5.
    expect(sample(tensor([1, 3], [-1, -1.5, -9]), { temperature: 0, penalty: 2, history }).tokens).toEqual([
      1,
    ]);
  });
});

describe('suppressed tokens', () => {
  const none = Number.NEGATIVE_INFINITY;
  const n = 1000;
  const ids = Array.from({ length: n }, (_, i) => i).filter((i) => i % 3 === 0 || i >= 700);
  const suppressed = tensor([ids.length], ids, 'i32');

  it('are drawn as if their logits were -inf, and their share stays in the log-probabilities', () => {
    forEachIsa(native, (isa) => {
      for (const options of [
        {},
        { temperature: 0 },
        { temperature: 0.7, topK: 20, topP: 0.9 },
        { minP: 0.2 },
        { penalty: 1.7, history: tensor([1, 4], [0, 1, 2, 999], 'i32') },
      ]) {
        for (let trial = 0; trial < 20; trial++) {
          const row = randomNormal(n, trial, 3);
          // In half of the trials the largest logit is a suppressed one.
          if (trial % 2 === 0) row[3] = 20;
          const without = row.map((x, i) => (ids.includes(i) ? none : x));
          const got = sample(tensor([1, n], row), { ...options, suppressed, seed: trial });
          const wanted = sample(tensor([1, n], without), { ...options, seed: trial });
          expect(got.tokens, `${isa} ${JSON.stringify(options)} ${trial}`).toEqual(wanted.tokens);
          const temperature = 'temperature' in options && options.temperature ? options.temperature : 1;
          const exact = Math.log(softmax(row, temperature)[got.tokens[0]!]!);
          expect(Math.abs(got.logProbs[0]! - exact)).toBeLessThan(1e-5);
        }
      }
    });
  });

  it('must be tokens of the vocabulary, and leave one to draw', () => {
    const logits = tensor([1, 3], [1, 2, 3]);
    for (const id of [-1, 3]) {
      expectError('ERR_ARGUMENT', new RegExp(`suppressed token ${id} is outside the vocabulary of 3`), () =>
        sample(logits, { suppressed: tensor([1], [id], 'i32') }),
      );
    }
    expectError('ERR_NOT_FINITE', /row 0 .*nothing above -inf/, () =>
      sample(logits, { suppressed: tensor([3], [0, 1, 2], 'i32') }),
    );
  });
});

describe('allowed tokens', () => {
  const n = 1001;
  const words = Math.ceil(n / 32);
  /** Bits of the tokens that pass. */
  const mask = (passes: (token: number) => boolean) => {
    const bits = new Int32Array(words);
    for (let token = 0; token < n; ++token) if (passes(token)) bits[token >> 5]! |= 1 << (token & 31);
    return bits;
  };

  it('are drawn as if all others were suppressed, in each row by its own mask', () => {
    forEachIsa(native, (isa) => {
      for (const options of [
        {},
        { temperature: 0 },
        { temperature: 0.7, topK: 20, topP: 0.9 },
        { penalty: 1.7, history: tensor([3, 2], [0, 1, 2, 1000, 31, 32], 'i32') },
      ]) {
        const rules = [(t: number) => t % 32 === 31 || t === 1000, (t: number) => t < 40, () => true];
        const row = randomNormal(n, 1, 3);
        const allowed = tensor(
          [3, words],
          rules.flatMap((rule) => [...mask(rule)]),
          'i32',
        );
        const got = sample(repeated(row, 3), { ...options, allowed });
        rules.forEach((rule, i) => {
          const others = Array.from(row).flatMap((_, token) => (rule(token) ? [] : [token]));
          const suppressed = others.length > 0 ? { suppressed: tensor([others.length], others, 'i32') } : {};
          const wanted = sample(repeated(row, 3), { ...options, ...suppressed });
          const where = `${isa} ${JSON.stringify(options)} row ${i}`;
          expect(rule(got.tokens[i]!), where).toBe(true);
          expect([got.tokens[i], got.logProbs[i]], where).toEqual([wanted.tokens[i], wanted.logProbs[i]]);
        });
      }
    });
  });

  it('have one mask per row, of a bit per token, and one token to draw', () => {
    const logits = tensor([1, 33], new Array(33).fill(0));
    expectError('ERR_SHAPE', /allowed to be \[1, 2\]/, () =>
      sample(logits, { allowed: tensor([1, 1], [1], 'i32') }),
    );
    expectError('ERR_NOT_FINITE', /row 0 .*nothing above -inf/, () =>
      sample(logits, { allowed: tensor([1, 2], [0, 0], 'i32') }),
    );
  });
});

describe('seeds', () => {
  const logits = repeated(randomNormal(100, 5, 0.5), 64);

  it('give the same tokens again, and others for another seed, stream or step', () => {
    const base = sample(logits).tokens;
    expect(sample(logits).tokens).toEqual(base);
    expect(sample(logits, { seed: 2 }).tokens).not.toEqual(base);
    expect(sample(logits, { seed: 1 + 2 ** 40 }).tokens).not.toEqual(base);
    expect(sample(logits, { step: 1 }).tokens).not.toEqual(base);
    const streams = Array.from({ length: 64 }, (_, i) => 63 - i);
    expect(sample(logits, { streams }).tokens).toEqual(base.toReversed());
  });

  it('give the same tokens for 1, 2 and 3 threads', () => {
    expectSameForThreads(native, () => {
      const { tokens, logProbs } = sample(logits, { topK: 20, topP: 0.9 });
      return [tensor([64], tokens, 'i32'), tensor([64], logProbs)];
    });
  });
});

describe('bad input', () => {
  it('names the row without a distribution', () => {
    const none = Number.NEGATIVE_INFINITY;
    for (const temperature of [0, 1]) {
      for (const bad of [
        [none, none, none],
        [1, Number.NaN, 2],
        [1, Number.POSITIVE_INFINITY, 2],
      ]) {
        expectError('ERR_NOT_FINITE', /\[sample\] row 1 /, () =>
          sample(tensor([2, 3], [1, 2, 3, ...bad]), { temperature }),
        );
      }
    }
  });

  it('names a setting outside its range', () => {
    const logits = tensor([1, 3], [1, 2, 3]);
    for (const [name, options] of [
      ['temperature', { temperature: -1 }],
      ['temperature', { temperature: 1e-9 }],
      ['temperature', { temperature: Number.NaN }],
      ['topK', { topK: -1 }],
      ['topP', { topP: 0 }],
      ['topP', { topP: 1.1 }],
      ['minP', { minP: -0.1 }],
      ['repetitionPenalty', { penalty: 0 }],
    ] as const) {
      expectError('ERR_ARGUMENT', new RegExp(`\\[sample\\] expected ${name} `), () =>
        sample(logits, options),
      );
    }
    expectError('ERR_ARGUMENT', /history token 3 in row 0/, () =>
      sample(logits, { history: tensor([1, 2], [-1, 3], 'i32') }),
    );
    expectError('ERR_SHAPE', /history.*\[1, length\].*\[2, 1\]/, () =>
      sample(logits, { history: tensor([2, 1], [0, 0], 'i32') }),
    );
    expectError('ERR_SHAPE', /streams.*\[1\].*\[2\]/, () => sample(logits, { streams: [0, 1] }));
  });
});
