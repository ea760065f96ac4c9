/**
 * Products with weights in int8. The oracle writes out scales and levels by hand and sums integers
 * in doubles, where they are exact: results have to be equal bit for bit under every instruction
 * set. A bound in double precision says how far they may be from the product of the weight itself.
 */
import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { native } from '../../src/native/addon.ts';
import { Gpt } from '../../src/nn/gpt.ts';
import { presetConfig } from '../../src/nn/presets.ts';
import { checkQuantization, quantizeForDecoding } from '../../src/nn/quantized-weights.ts';
import { onCuda } from '../helpers/device.ts';
import { longShapes, shapes } from '../helpers/product.ts';
import {
  bf16FromNumber,
  expectError,
  expectSameBits,
  expectSameForThreads,
  type FloatType,
  floatTypes,
  forEachIsa,
  quantize,
  randomNormal,
  tensor,
  values,
} from '../helpers/reference.ts';

const f32 = Math.fround;

/** To the nearest, ties to even. */
function nearest(x: number): number {
  const below = Math.floor(x);
  if (x - below !== 0.5) return Math.round(x);
  return below % 2 === 0 ? below : below + 1;
}

const largest = (row: ArrayLike<number>): number =>
  Array.from(row).reduce((most, x) => Math.max(most, Math.abs(x)), 0);

interface Levels {
  scale: number;
  levels: number[];
}

function weightLevels(row: ArrayLike<number>): Levels {
  const scale = f32(largest(row) / 127);
  return { scale, levels: Array.from(row, (w) => (scale === 0 ? 0 : nearest(f32(w / scale)))) };
}

function rowLevels(row: ArrayLike<number>): Levels {
  const most = largest(row);
  const inverse = most > 1e-30 ? f32(32767 / most) : 0;
  return { scale: f32(most / 32767), levels: Array.from(row, (x) => nearest(f32(x * inverse))) };
}

/** The engine's result before bias and store, f32 `[m, n]`. */
function oracle([m, n, k]: readonly number[], x: Float32Array, weight: Float32Array): Float64Array {
  const rows = Array.from({ length: m! }, (_, i) => rowLevels(x.subarray(i * k!, (i + 1) * k!)));
  const channels = Array.from({ length: n! }, (_, j) => weightLevels(weight.subarray(j * k!, (j + 1) * k!)));
  return Float64Array.from({ length: m! * n! }, (_, index) => {
    const [row, channel] = [rows[Math.floor(index / n!)]!, channels[index % n!]!];
    let [high, low] = [0, 0];
    row.levels.forEach((level, step) => {
      high += Math.floor(level / 256) * channel.levels[step]!;
      low += (level & 255) * channel.levels[step]!;
    });
    const sum = f32(f32(high) * 256 + f32(low));
    return f32(f32(sum * channel.scale) * row.scale);
  });
}

/** Random numbers with a few large ones, as activations have them. */
function withOutliers(count: number, seed: number): Float32Array {
  return randomNormal(count, seed).map((x, i) => (i % 37 === 5 ? 20 * x : x));
}

function bitsOf(numbers: ArrayLike<number>, dtype: FloatType): ArrayBufferView {
  return dtype === 'f32' ? Float32Array.from(numbers) : Uint16Array.from(numbers, bf16FromNumber);
}

const linear = (
  x: ReturnType<typeof tensor>,
  weight: ReturnType<typeof tensor>,
  outputs: number,
  more: object = {},
) =>
  native.quantizedLinear({
    ...{ x, weight: native.quantizeWeight(weight), outputs },
    ...{ activation: 'none', dtype: 'f32', ...more },
  });

describe.runIf(onCuda)('on a GPU', () => {
  it('is refused before anything is read or packed', () => {
    const model = new Gpt(presetConfig('tiny'), { dtype: 'bf16' });
    expectError('ERR_ARGUMENT', /`quantize` int8 is for decoding on the CPU, and the device is a GPU/, () =>
      quantizeForDecoding(model),
    );
    expectError('ERR_ARGUMENT', /`rolloutQuantize` int8 is for/, () =>
      checkQuantization('int8', 'rolloutQuantize'),
    );
    checkQuantization('none');
    model.dispose();
  });

  it('is refused', () => {
    expectError('ERR_ARGUMENT', /int8 weights are for decoding on the CPU, and the device is a GPU/, () =>
      native.quantizeWeight(tensor([2, 4], new Float32Array(8).fill(1))),
    );
  });
});

describe.skipIf(onCuda)('quantizeWeight', () => {
  // Two channels of 5 numbers: a step of 4 along k and one of which 3 do not exist.
  const channels = [
    [254, -2, 1, -254, 3],
    [0, 0, 0, 0, 0],
    [0.5, 0.25, -0.125, 0, -0.0009765625],
  ];

  it.each(floatTypes)('has one scale and one offset per channel, and 4 int8 per step (%s)', (dtype) => {
    forEachIsa(native, (isa) => {
      const weight = native.quantizeWeight(tensor([3, 5], channels.flat(), dtype));
      expect(native.shapeOf(weight), isa).toEqual([1, 256 + 2 * 128]);
      const { buffer } = native.read(weight) as Uint8Array<ArrayBuffer>;
      const scales = new Float32Array(buffer, 0, 32);
      expect([...scales.subarray(0, 4)], isa).toEqual([2, 0, f32(0.5 / 127), 0]);
      const levels = new Int8Array(buffer, 256);
      const channel = (c: number) =>
        [0, 1].flatMap((step) => [...levels.subarray(step * 128 + 4 * c).slice(0, 4)]);
      // 1 / 2 is halfway and goes to the even 0, 3 / 2 to 2.
      expect(channel(0), isa).toEqual([127, -1, 0, -127, 2, 0, 0, 0]);
      expect(channel(1), isa).toEqual([0, 0, 0, 0, 0, 0, 0, 0]);
      expect(channel(2), isa).toEqual([127, 64, -32, 0, 0, 0, 0, 0]);
      expect([...new Int32Array(buffer, 128, 4)], isa).toEqual([-128, 0, -128 * 159, 0]);
    });
  });

  it('refuses what is no matrix of numbers, and sums that 32 bits do not hold', () => {
    expectError('ERR_SHAPE', /expected weight to be a matrix/, () =>
      native.quantizeWeight(tensor([4], [1, 2, 3, 4])),
    );
    expectError('ERR_DTYPE', /weight to be f32 or bf16/, () =>
      native.quantizeWeight(tensor([1, 1], [1], 'i32')),
    );
    expectError('ERR_SHAPE', /at most 65536 inputs .* got 65537/, () =>
      native.quantizeWeight(native.empty([1, 65537], 'f32')),
    );
  });
});

describe.skipIf(onCuda)('quantizedLinear', () => {
  for (const dtype of floatTypes) {
    it(`has the bits of sums of integers on every instruction set (${dtype})`, () => {
      for (const shape of [...shapes, ...longShapes]) {
        const [m, n, k] = shape;
        const x = quantize(dtype, withOutliers(m * k, 1));
        const weight = randomNormal(n * k, 2, 0.1);
        const bias = randomNormal(n, 3);
        const addend = quantize(dtype, randomNormal(m * n, 4));
        const wanted = oracle(shape, x, weight);
        const biased = wanted.map((value, i) => f32(f32(value + bias[i % n]!) + addend[i]!));
        forEachIsa(native, (isa) => {
          const what = `${isa} ${m}x${k}->${n}`;
          const inputs = [tensor([m, k], x, dtype), tensor([n, k], weight), n] as const;
          expectSameBits(linear(...inputs), Float32Array.from(wanted), `f32 ${what}`);
          const more = { bias: tensor([n], bias), addend: tensor([m, n], addend, dtype), dtype };
          expectSameBits(linear(...inputs, more), bitsOf(biased, dtype), `bias and addend ${what}`);
        });
      }
    });
  }

  it('applies GELU as the operation does', () => {
    forEachIsa(native, (isa) => {
      const x = tensor([5, 40], withOutliers(200, 1));
      const weight = tensor([33, 40], randomNormal(33 * 40, 2, 0.2));
      const plain = linear(x, weight, 33);
      expectSameBits(linear(x, weight, 33, { activation: 'gelu' }), native.geluForward(plain), isa);
    });
  });

  it('stays within half a level of the product of the weight itself', () => {
    const [m, n, k] = [4, 40, 300];
    const x = withOutliers(m * k, 5);
    const weight = randomNormal(n * k, 6, 0.02);
    const got = values(linear(tensor([m, k], x), tensor([n, k], weight), n));
    for (let i = 0; i < m; ++i) {
      for (let j = 0; j < n; ++j) {
        const [row, channel] = [x.subarray(i * k, (i + 1) * k), weight.subarray(j * k, (j + 1) * k)];
        const [a, b] = [largest(row) / 32767 / 2, largest(channel) / 127 / 2];
        let [exact, bound] = [0, 0];
        for (let step = 0; step < k; ++step) {
          exact += row[step]! * channel[step]!;
          bound += Math.abs(row[step]!) * b + Math.abs(channel[step]!) * a + a * b;
        }
        expect(Math.abs(got[i * n + j]! - exact)).toBeLessThan(bound * (1 + 1e-5));
      }
    }
  });

  it('gives a row the same bits in every batch, on any threads', () => {
    const [m, n, k] = [70, 100, 130];
    const x = withOutliers(m * k, 7);
    const weight = tensor([n, k], randomNormal(n * k, 8));
    forEachIsa(native, (isa) => {
      const whole = native.read(linear(tensor([m, k], x, 'bf16'), weight, n, { dtype: 'bf16' }));
      for (const [begin, end] of [
        [0, 1],
        [3, 5],
        [11, 24],
        [69, 70],
      ] as const) {
        const part = linear(tensor([end - begin, k], x.subarray(begin * k, end * k), 'bf16'), weight, n, {
          dtype: 'bf16',
        });
        expectSameBits(part, whole.slice(begin * n, end * n), `${isa} rows ${begin} to ${end}`);
      }
      expectSameForThreads(native, () => linear(tensor([m, k], x, 'bf16'), weight, n));
    });
  });

  it('takes any number of rows, a part of them at a time', () => {
    // A row of 3,000 takes 6.2 KB while it is multiplied, and 8 MiB are taken at once.
    const [m, n, k] = [1500, 3, 3000];
    const x = tensor([m, k], randomNormal(m * k, 11), 'bf16');
    const weight = native.quantizeWeight(tensor([n, k], randomNormal(n * k, 12)));
    const inputs = { weight, outputs: n, activation: 'none', dtype: 'f32' } as const;
    const whole = native.read(native.quantizedLinear({ x, ...inputs }));
    for (const begin of [0, 1300, 1400, 1499]) {
      const part = native.quantizedLinear({ x: native.slice(x, begin, begin + 1), ...inputs });
      expectSameBits(part, whole.slice(begin * n, (begin + 1) * n), `row ${begin}`);
    }
  });

  it('holds the largest sum there is', () => {
    const k = 65536;
    const ones = new Float32Array(k).fill(1);
    forEachIsa(native, (isa) => {
      const rows = tensor([2, k], [...ones, ...ones.map((x) => -x)]);
      const [sum = 0, opposite = 0] = values(linear(rows, tensor([1, k], ones), 1));
      expect(Math.abs(sum / k - 1), isa).toBeLessThan(1e-6);
      expect(Math.abs(opposite / k + 1), isa).toBeLessThan(1e-6);
    });
  });

  it('keeps a row that is not finite to itself, and a row of zeros at zero', () => {
    const k = 21;
    forEachIsa(native, (isa) => {
      for (const bad of [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY]) {
        const x = randomNormal(3 * k, 9).map((v, i) => (i === k + 4 ? bad : i >= 2 * k ? 0 : v));
        const got = values(linear(tensor([3, k], x), tensor([5, k], randomNormal(5 * k, 10)), 5));
        expect([...got.subarray(0, 5)].every(Number.isFinite), isa).toBe(true);
        expect([...got.subarray(5, 10)].some(Number.isFinite), `${isa} ${bad}`).toBe(false);
        expect([...got.subarray(10)].map(Math.abs), isa).toEqual([0, 0, 0, 0, 0]);
      }
    });
  });

  it('has the same bits without VNNI', () => {
    const run = (env: object) => {
      const options = { encoding: 'utf8', env: { ...process.env, ...env } } as const;
      const child = join(import.meta.dirname, 'quantized-child.mjs');
      return JSON.parse(execFileSync(process.execPath, [child], options)) as Record<string, string>;
    };
    const products = {
      ...run({}),
      ...Object.fromEntries(
        Object.entries(run({ ATHANOR_VNNI: 'none' })).map(([isa, bits]) => [`${isa} without`, bits]),
      ),
    };
    expect(new Set(Object.values(products)).size, JSON.stringify(Object.keys(products))).toBe(1);
  });

  it('refuses inputs that do not fit', () => {
    const weight = native.quantizeWeight(tensor([40, 8], randomNormal(320, 1)));
    const x = tensor([2, 8], randomNormal(16, 2));
    const call = (more: object) => () =>
      native.quantizedLinear({ x, weight, outputs: 40, activation: 'none', dtype: 'f32', ...more });
    expectError(
      'ERR_SHAPE',
      /expected weight to be \[2, 640\] but it is \[2, 512\]/,
      call({ x: tensor([1, 9], randomNormal(9, 1)) }),
    );
    expectError('ERR_SHAPE', /expected weight to be \[3, 512\]/, call({ outputs: 65 }));
    expectError('ERR_DTYPE', /expected weight to be u8/, call({ weight: x }));
    expectError('ERR_DTYPE', /expected an f32 or bf16 result but got i32/, call({ dtype: 'i32' }));
    expectError('ERR_SHAPE', /expected bias to be \[40\]/, call({ bias: tensor([2], [1, 2]) }));
    expectError('ERR_SHAPE', /expected addend to be \[2, 40\]/, call({ addend: x }));
  });
});
