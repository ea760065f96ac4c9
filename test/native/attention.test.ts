import { afterEach, describe, expect, it } from 'vitest';
import { native } from '../../src/native/addon.ts';
import type { NativeTensor } from '../../src/native/binding.ts';
import { onCuda } from '../helpers/device.ts';
import {
  expectSameBits,
  type FloatType,
  floatTypes,
  forEachIsa,
  maxError as largestError,
  quantize,
  randomNormal,
  roundTo,
  tensor,
  values as toNumbers,
} from '../helpers/reference.ts';

interface Case {
  heads: number;
  kvHeads: number;
  headDim: number;
  lengths: number[];
  window?: number;
  softcap?: number;
}

const starts = (lengths: readonly number[]) =>
  Int32Array.from([0, ...lengths].map((_, i) => lengths.slice(0, i).reduce((a, b) => a + b, 0)));
const total = (lengths: readonly number[]) => lengths.reduce((a, b) => a + b, 0);

const cases: Case[] = [
  { heads: 2, kvHeads: 2, headDim: 16, lengths: [1, 2, 63, 64, 65] },
  { heads: 4, kvHeads: 2, headDim: 8, lengths: [3, 70] },
  { heads: 4, kvHeads: 1, headDim: 64, lengths: [127, 5] },
  { heads: 1, kvHeads: 1, headDim: 80, lengths: [66] },
  { heads: 2, kvHeads: 1, headDim: 96, lengths: [130] },
  { heads: 1, kvHeads: 1, headDim: 128, lengths: [200] },
  // More sequences than tasks: a task of the cached pass has several sequences, the
  // last task fewer.
  { heads: 3, kvHeads: 3, headDim: 16, lengths: Array.from({ length: 25 }, (_, i) => 1 + ((i * 7) % 33)) },
  // Windows of one key, below, at and around the 64 keys of a block, and longer than any sequence.
  { heads: 1, kvHeads: 1, headDim: 16, lengths: [5, 70], window: 1 },
  { heads: 4, kvHeads: 2, headDim: 16, lengths: [9, 200], window: 10 },
  { heads: 2, kvHeads: 2, headDim: 8, lengths: [150, 3, 129], window: 63 },
  { heads: 1, kvHeads: 1, headDim: 64, lengths: [260], window: 64 },
  { heads: 2, kvHeads: 1, headDim: 24, lengths: [200, 65], window: 65 },
  { heads: 1, kvHeads: 1, headDim: 16, lengths: [300, 140], window: 130 },
  { heads: 2, kvHeads: 2, headDim: 16, lengths: [70, 66], window: 1000 },
  // Caps, and the heads of Gemma.
  { heads: 2, kvHeads: 1, headDim: 16, lengths: [3, 70], softcap: 1.5 },
  { heads: 2, kvHeads: 1, headDim: 64, lengths: [3, 70], softcap: 50 },
  { heads: 2, kvHeads: 1, headDim: 256, lengths: [70, 9] },
  { heads: 1, kvHeads: 1, headDim: 256, lengths: [130], softcap: 0.5, window: 20 },
];
// On CUDA, which may be emulated, the short ones.
const isShort = (c: Case) => !onCuda || c.window === undefined || total(c.lengths) <= 210;
const names = cases
  .filter(isShort)
  .map(
    (c) =>
      [
        `${c.heads}/${c.kvHeads} heads of ${c.headDim}, lengths ${c.lengths}, window ${c.window}, cap ${c.softcap}`,
        c,
      ] as const,
  );

const width = (c: Case) => (c.heads + 2 * c.kvHeads) * c.headDim;

interface Reference {
  out: Float64Array;
  lse: Float64Array;
  dqkv: Float64Array;
}

/**
 * Attention and its gradient by the definition; `round` after each stored intermediate gives
 * the naive version.
 */
function reference(
  c: Case,
  qkv: Float32Array,
  dout: Float32Array,
  round: (x: number) => number = (x) => x,
): Reference {
  const { heads, kvHeads, headDim, window = Number.POSITIVE_INFINITY, softcap } = c;
  const w = width(c);
  const n = total(c.lengths);
  const scale = 1 / Math.sqrt(headDim);
  const out = new Float64Array(n * heads * headDim);
  const lse = new Float64Array(n * heads);
  const dqkv = new Float64Array(n * w);
  let first = 0;
  for (const length of c.lengths) {
    for (let h = 0; h < heads; ++h) {
      const kv = Math.floor((h * kvHeads) / heads);
      const q = (i: number, d: number) => (first + i) * w + h * headDim + d;
      const k = (i: number, d: number) => (first + i) * w + (heads + kv) * headDim + d;
      const v = (i: number, d: number) => (first + i) * w + (heads + kvHeads + kv) * headDim + d;
      for (let i = 0; i < length; ++i) {
        const scores = Array.from({ length: i + 1 }, (_, j) => {
          let dot = 0;
          for (let d = 0; d < headDim; ++d) dot += qkv[q(i, d)]! * qkv[k(j, d)]!;
          if (i - j >= window) return Number.NEGATIVE_INFINITY;
          const score = round(dot * scale);
          return softcap === undefined ? score : softcap * Math.tanh(score / softcap);
        });
        const slope = (j: number) => (softcap === undefined ? 1 : 1 - (scores[j]! / softcap) ** 2);
        const max = Math.max(...scores);
        const sum = scores.reduce((s, x) => s + Math.exp(x - max), 0);
        lse[(first + i) * heads + h] = max + Math.log(sum);
        const p = scores.map((x) => round(Math.exp(x - max) / sum));
        const o = (first + i) * heads * headDim + h * headDim;
        for (let d = 0; d < headDim; ++d) {
          out[o + d] = round(p.reduce((s, weight, j) => s + weight * qkv[v(j, d)]!, 0));
        }
        const dp = p.map((_, j) => {
          let dot = 0;
          for (let d = 0; d < headDim; ++d) dot += dout[o + d]! * qkv[v(j, d)]!;
          return round(dot);
        });
        const delta = p.reduce((s, weight, j) => s + weight * dp[j]!, 0);
        p.forEach((weight, j) => {
          const ds = weight === 0 ? 0 : round(weight * (dp[j]! - delta) * slope(j) * scale);
          for (let d = 0; d < headDim; ++d) {
            dqkv[q(i, d)]! += ds * qkv[k(j, d)]!;
            dqkv[k(j, d)]! += ds * qkv[q(i, d)]!;
            dqkv[v(j, d)]! += weight * dout[o + d]!;
          }
        });
      }
    }
    first += length;
  }
  return { out, lse, dqkv: dqkv.map(round) };
}

function inputs(c: Case, dtype: FloatType, seed = 1) {
  const n = total(c.lengths);
  return {
    qkv: quantize(dtype, randomNormal(n * width(c), seed)),
    dout: quantize(dtype, randomNormal(n * c.heads * c.headDim, seed + 1)),
    n,
  };
}

const optionsOf = ({ heads, kvHeads, headDim, window, softcap }: Case) => ({
  ...{ heads, kvHeads, window, softcap },
  scale: 1 / Math.sqrt(headDim),
});

function forward(c: Case, qkv: NativeTensor, lengths = c.lengths) {
  const cu = tensor([lengths.length + 1], starts(lengths), 'i32');
  return native.attentionForward({ qkv, cuSeqlens: cu, ...optionsOf(c) });
}

afterEach(() => native.setNumThreads(0));

/** Attention takes bf16 on CUDA. */
const types = onCuda ? (['bf16'] as const) : floatTypes;

describe.each(names)('attention, %s', (_, c) => {
  it.each(types)('forward and backward agree with the definition in %s', (dtype) => {
    const { qkv, dout, n } = inputs(c, dtype);
    const exact = reference(c, qkv, dout);
    const naive = reference(c, qkv, dout, roundTo(dtype));
    forEachIsa(native, () => {
      const x = tensor([n, width(c)], qkv, dtype);
      const [out, lse] = forward(c, x);
      const cu = tensor([c.lengths.length + 1], starts(c.lengths), 'i32');
      const dy = tensor([n, c.heads * c.headDim], dout, dtype);
      const dqkv = native.attentionBackward({
        dout: dy,
        qkv: x,
        out,
        lse,
        cuSeqlens: cu,
        ...optionsOf(c),
      });
      const floor = dtype === 'f32' ? 2e-6 : 1e-3;
      const limit = (part: 'out' | 'dqkv') => 2 * largestError(naive[part], exact[part]) + floor;
      expect(largestError(toNumbers(out), exact.out)).toBeLessThan(limit('out'));
      expect(largestError(toNumbers(lse), exact.lse)).toBeLessThan(dtype === 'f32' ? 4e-6 : 2e-2);
      expect(largestError(toNumbers(dqkv), exact.dqkv)).toBeLessThan(
        limit('dqkv') + (dtype === 'f32' ? 2e-5 : 0),
      );
    });
  });

  it.each(types)('gives the same bits for any number of threads and any packing in %s', (dtype) => {
    const { qkv, n } = inputs(c, dtype);
    forEachIsa(native, () => {
      const x = tensor([n, width(c)], qkv, dtype);
      native.setNumThreads(1);
      const [whole] = forward(c, x);
      for (const threads of [2, 3]) {
        native.setNumThreads(threads);
        expectSameBits(forward(c, x)[0], whole);
      }
      const cu = starts(c.lengths);
      c.lengths.forEach((length, i) => {
        const alone = native.slice(x, cu[i]!, cu[i + 1]!);
        expectSameBits(forward(c, alone, [length])[0], native.slice(whole, cu[i]!, cu[i + 1]!));
      });
    });
  });

  it.each(types)('the KV cache gives the rows of the full pass bit for bit in %s', (dtype) => {
    const { qkv, n } = inputs(c, dtype);
    const cu = starts(c.lengths);
    const longest = Math.max(...c.lengths);
    forEachIsa(native, () => {
      const x = tensor([n, width(c)], qkv, dtype);
      const [whole] = forward(c, x);
      const slots = c.lengths.length + 1;
      const [keys, valuesCache] = native.kvCacheCreate(slots, longest, c.kvHeads, c.headDim, dtype);
      for (const cache of [keys, valuesCache]) native.write(cache, notNumbers(cache));
      // Each sequence advances by its own stride, so that prompts and single tokens share calls.
      const past = c.lengths.map(() => 0);
      for (let turn = 0; past.some((p, i) => p < c.lengths[i]!); ++turn) {
        const active = c.lengths.flatMap((length, i) => (past[i]! < length ? [i] : []));
        const counts = active.map((i) =>
          Math.min(c.lengths[i]! - past[i]!, turn === 0 ? 1 + i * 31 : 1 + ((i + turn) % 3)),
        );
        const rows = active.flatMap((i, a) =>
          Array.from({ length: counts[a]! }, (_, r) => cu[i]! + past[i]! + r),
        );
        const step = native.gatherRows(x, tensor([rows.length], rows, 'i32'));
        const out = native.attentionCached({
          qkv: step,
          keys,
          values: valuesCache,
          slots: tensor(
            [active.length],
            active.map((i) => slots - 1 - i),
            'i32',
          ),
          cuSeqlens: tensor([active.length + 1], starts(counts), 'i32'),
          pastLengths: tensor(
            [active.length],
            active.map((i) => past[i]!),
            'i32',
          ),
          maxTokens: longest,
          ...optionsOf(c),
        });
        expectSameBits(out, native.gatherRows(whole, tensor([rows.length], rows, 'i32')));
        active.forEach((i, a) => {
          past[i]! += counts[a]!;
        });
      }
    });
  });
});

/** What fresh memory may hold. */
function notNumbers(cache: NativeTensor) {
  const count = native.shapeOf(cache).reduce((product, dim) => product * dim, 1);
  const isWide = native.dtypeOf(cache) === 'f32';
  return isWide ? new Float32Array(count).fill(Number.NaN) : new Uint16Array(count).fill(0x7fc0);
}

describe('attention, bad input', () => {
  const c: Case = { heads: 2, kvHeads: 1, headDim: 16, lengths: [4] };
  const x = () => tensor([4, width(c)], randomNormal(4 * width(c), 1));
  const call = (cu: number[], heads = 2, kvHeads = 1) =>
    native.attentionForward({
      qkv: x(),
      cuSeqlens: tensor([cu.length], cu, 'i32'),
      heads,
      kvHeads,
      scale: 1,
    });

  it('names what is wrong with cu_seqlens, heads and head sizes', () => {
    expect(() => call([0, 3])).toThrow(/run from 0 to 4 but it runs from 0 to 3/);
    expect(() => call([0, 3, 2, 4])).toThrow(/expected cuSeqlens to rise but entry 2 is 2 after 3/);
    expect(() => call([0, 4], 3, 2)).toThrow(/2 key-value heads to divide the 3 heads/);
    expect(() =>
      native.attentionForward({
        qkv: tensor([1, 36], randomNormal(36, 1)),
        cuSeqlens: tensor([2], [0, 1], 'i32'),
        ...{ heads: 1, kvHeads: 1, scale: 1 },
      }),
    ).toThrow(/multiples of 8 up to 256 but got 12/);
  });

  it('refuses to overflow a cache slot or to use one twice', () => {
    const [keys, valuesCache] = native.kvCacheCreate(2, 5, 1, 16, 'f32');
    const run = (slots: number[], past: number[], cu: number[]) => {
      const rows = cu.at(-1)!;
      const step = tensor([rows, width(c)], randomNormal(rows * width(c), 1));
      const i32 = (list: number[]) => tensor([list.length], list, 'i32');
      return native.attentionCached({
        qkv: step,
        keys,
        values: valuesCache,
        slots: i32(slots),
        cuSeqlens: i32(cu),
        pastLengths: i32(past),
        maxTokens: 5,
        heads: 2,
        kvHeads: 1,
        scale: 1,
      });
    };
    expect(() => run([0], [3], [0, 3])).toThrow(/slot 0 holds 3 tokens and 3 more exceed its limit of 5/);
    expect(() => run([2], [0], [0, 1])).toThrow(/slot 2 of sequence 0 is outside of the cache's 2/);
    expect(() => run([1, 1], [0, 0], [0, 1, 2])).toThrow(/slot 1 is given twice/);
  });
});
