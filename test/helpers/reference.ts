/**
 * What kernel tests share. A reference is one formula written once and run twice: in double
 * precision (the truth) and with every step rounded as a naive kernel would (the yardstick that an
 * engine result may miss twice over).
 */
import { expect } from 'vitest';
import { native } from '../../src/native/addon.ts';
import type { Binding, DType, NativeTensor, TypedArray } from '../../src/native/binding.ts';

export type FloatType = 'f32' | 'bf16';
export const floatTypes: readonly FloatType[] = ['f32', 'bf16'];

/** Around every vector width (4, 8, 16) and its multiples, where tails are handled. */
export const oddSizes: readonly number[] = [1, 2, 3, 5, 7, 8, 9, 15, 16, 17, 31, 33, 63, 65, 100, 129, 257];
/** Fewer, for tests that cross two or three dimensions. */
export const fewOddSizes: readonly number[] = [1, 3, 17, 64, 129];

// --- numbers -------------------------------------------------------------------------------------

export type Round = (x: number) => number;
const word = new DataView(new ArrayBuffer(4));

/** The bits of the bf16 nearest to x (through f32, ties to even); NaN stays NaN. */
export function bf16FromNumber(x: number): number {
  word.setFloat32(0, x);
  const bits = word.getUint32(0);
  if ((bits & 0x7fffffff) > 0x7f800000) return ((bits >>> 16) | 0x40) & 0xffff;
  return ((bits + 0x7fff + ((bits >>> 16) & 1)) >>> 16) & 0xffff;
}

export function numberFromBf16(bits: number): number {
  word.setUint32(0, (bits << 16) >>> 0);
  return word.getFloat32(0);
}

export const roundBf16: Round = (x) => numberFromBf16(bf16FromNumber(x));

/** What storing x in this dtype leaves of it. */
export function roundTo(dtype: FloatType): Round {
  return dtype === 'f32' ? Math.fround : roundBf16;
}

/** values as they survive storage in dtype. */
export function quantize(dtype: FloatType, values: ArrayLike<number>): Float32Array {
  return Float32Array.from(values, roundTo(dtype));
}

// --- deterministic random values -----------------------------------------------------------------

export interface Rng {
  /** Uniform in [0, 1). */
  uniform(): number;
  normal(): number;
  /** Uniform integer in [0, below). */
  integer(below: number): number;
}

/** SplitMix32: small, seedable, good enough to fill test tensors. */
export function rng(seed: number): Rng {
  let state = seed >>> 0;
  const uniform = (): number => {
    state = (state + 0x9e3779b9) >>> 0;
    let z = state;
    z = Math.imul(z ^ (z >>> 16), 0x21f0aaad);
    z = Math.imul(z ^ (z >>> 15), 0x735a2d97);
    return ((z ^ (z >>> 15)) >>> 0) / 4294967296;
  };
  return {
    uniform,
    normal: () => Math.sqrt(-2 * Math.log(1 - uniform())) * Math.cos(2 * Math.PI * uniform()),
    integer: (below) => Math.floor(uniform() * below),
  };
}

export function randomNormal(count: number, seed: number, scale = 1, mean = 0): Float32Array {
  const random = rng(seed);
  return Float32Array.from({ length: count }, () => mean + scale * random.normal());
}

export function randomUniform(count: number, seed: number, low = 0, high = 1): Float32Array {
  const random = rng(seed);
  return Float32Array.from({ length: count }, () => low + (high - low) * random.uniform());
}

export function randomIntegers(count: number, seed: number, below: number): Int32Array {
  const random = rng(seed);
  return Int32Array.from({ length: count }, () => random.integer(below));
}

// --- tensors -------------------------------------------------------------------------------------

function encode(values: ArrayLike<number>, dtype: DType): TypedArray {
  switch (dtype) {
    case 'f32':
      return Float32Array.from(values);
    case 'bf16':
      return Uint16Array.from(values, bf16FromNumber);
    case 'i32':
      return Int32Array.from(values);
    case 'u8':
      return Uint8Array.from(values);
  }
}

export function tensor(
  shape: readonly number[],
  values: ArrayLike<number>,
  dtype: DType = 'f32',
): NativeTensor {
  const out = native.empty(shape, dtype);
  native.write(out, encode(values, dtype));
  return out;
}

/**
 * The same values, `offset` elements into a larger storage: a start that no vector width divides.
 */
export function misalignedTensor(
  shape: readonly number[],
  values: ArrayLike<number>,
  dtype: DType = 'f32',
  offset = 1,
): NativeTensor {
  const count = shape.reduce((product, size) => product * size, 1);
  const whole = native.empty([count + offset], dtype);
  const part = native.view(native.slice(whole, offset, offset + count), shape);
  native.write(part, encode(values, dtype));
  return part;
}

/** The elements as numbers, whatever the dtype. */
export function values(t: NativeTensor): Float64Array {
  const raw = native.read(t);
  return native.dtypeOf(t) === 'bf16' ? Float64Array.from(raw, numberFromBf16) : Float64Array.from(raw);
}

// --- running over instruction sets and threads ---------------------------------------------------

/** Runs fn once under each instruction set that this build and machine have. */
export function forEachIsa(engine: Binding, fn: (isa: string) => void): void {
  const before = engine.activeIsa();
  // A GPU has no instruction sets.
  const isas = engine.device() === 'cuda' ? [before] : engine.supportedIsas();
  try {
    for (const isa of isas) {
      engine.setIsa(isa);
      fn(isa);
    }
  } finally {
    engine.setIsa(before);
  }
}

/** Runs fn under 1, 2 and 3 threads and expects the same bits from each. */
export function expectSameForThreads(
  engine: Binding,
  fn: () => NativeTensor | readonly NativeTensor[],
): void {
  const before = engine.numThreads();
  try {
    let first: TypedArray[] | undefined;
    for (const threads of [1, 2, 3]) {
      engine.setNumThreads(threads);
      const result = fn();
      const raw = (Array.isArray(result) ? result : [result]).map((t) => engine.read(t));
      first ??= raw;
      for (const [i, array] of raw.entries())
        expectSameBits(array, first[i]!, `${threads} threads, result ${i}`);
    }
  } finally {
    engine.setNumThreads(before);
  }
}

// --- comparisons ---------------------------------------------------------------------------------

function bytes(value: NativeTensor | ArrayBufferView): Uint8Array {
  const view = ArrayBuffer.isView(value) ? value : native.read(value);
  return new Uint8Array(view.buffer, view.byteOffset, view.byteLength);
}

/** Bit for bit: -0 differs from 0, and NaN equals itself. */
export function expectSameBits(
  actual: NativeTensor | ArrayBufferView,
  wanted: NativeTensor | ArrayBufferView,
  what = 'result',
): void {
  const a = bytes(actual);
  const b = bytes(wanted);
  expect(a.length, `${what}: bytes`).toBe(b.length);
  const at = a.findIndex((byte, i) => byte !== b[i]);
  if (at >= 0) expect.fail(`${what}: byte ${at} of ${a.length} is ${a[at]}, not ${b[at]}`);
}

/** Largest absolute difference; NaN anywhere gives NaN, which no bound accepts. */
export function maxError(actual: ArrayLike<number>, wanted: ArrayLike<number>): number {
  expect(actual.length).toBe(wanted.length);
  let worst = 0;
  for (let i = 0; i < actual.length; i++) {
    const error = Object.is(actual[i], wanted[i]) ? 0 : Math.abs(actual[i]! - wanted[i]!);
    if (!(error <= worst)) worst = error;
    if (Number.isNaN(worst)) return worst;
  }
  return worst;
}

/**
 * The rule for accuracy: at most twice the error of a naive version, and one f32 unit in the last
 * place (half a bf16 one) of the largest value on top, because a lucky naive version may be exact.
 * `formula` computes the result, passing every arithmetic result through `op` and every stored
 * value through `store`.
 */
export function expectAccurate(
  actual: NativeTensor | ArrayLike<number>,
  dtype: FloatType,
  formula: (op: Round, store: Round) => ArrayLike<number>,
  what = 'result',
): void {
  const got = 'length' in actual ? actual : values(actual);
  const exact = formula(
    (x) => x,
    (x) => x,
  );
  const naive = formula(Math.fround, roundTo(dtype));
  let largest = 0;
  for (let i = 0; i < exact.length; i++) largest = Math.max(largest, Math.abs(exact[i]!));
  const bound = 2 * maxError(naive, exact) + largest * (dtype === 'f32' ? 2 ** -23 : 2 ** -9);
  const error = maxError(got, exact);
  if (!(error <= bound)) expect.fail(`${what} (${dtype}): error ${error} exceeds ${bound}`);
}

/** Every |actual - wanted| <= absolute + relative * |wanted|. */
export function expectClose(
  actual: NativeTensor | ArrayLike<number>,
  wanted: ArrayLike<number>,
  relative: number,
  absolute = 0,
  what = 'result',
): void {
  const got = 'length' in actual ? actual : values(actual);
  expect(got.length, `${what}: elements`).toBe(wanted.length);
  for (let i = 0; i < got.length; i++) {
    const bound = absolute + relative * Math.abs(wanted[i]!);
    if (Object.is(got[i], wanted[i])) continue;
    if (!(Math.abs(got[i]! - wanted[i]!) <= bound))
      expect.fail(`${what}: element ${i} is ${got[i]}, not ${wanted[i]}`);
  }
}

/** d f / d x by central differences in double precision. f must not keep its argument. */
export function finiteDifferences(
  f: (x: Float64Array) => number,
  x: ArrayLike<number>,
  step = 1e-5,
): Float64Array {
  const point = Float64Array.from(x);
  return point.map((value, i) => {
    point[i] = value + step;
    const above = f(point);
    point[i] = value - step;
    const below = f(point);
    point[i] = value;
    return (above - below) / (2 * step);
  });
}

/** Expects fn to throw an AthanorError with this code and a message that matches. */
export function expectError(code: string, message: RegExp, fn: () => unknown): void {
  let caught: unknown;
  try {
    fn();
  } catch (error) {
    caught = error;
  }
  expect(caught, `expected ${code}`).toMatchObject({ name: 'AthanorError', code });
  expect((caught as Error).message).toMatch(message);
}
