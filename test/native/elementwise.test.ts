import { describe, expect, it } from 'vitest';
import { native } from '../../src/native/addon.ts';
import {
  expectAccurate,
  expectClose,
  expectError,
  expectSameBits,
  expectSameForThreads,
  floatTypes,
  forEachIsa,
  misalignedTensor,
  numberFromBf16,
  oddSizes,
  quantize,
  type Round,
  randomNormal,
  roundBf16,
  tensor,
  values,
} from '../helpers/reference.ts';

/**
 * Calls `check` for each instruction set, dtype and odd size, with two arrays stored in that dtype.
 */
function forCases(
  check: (dtype: 'f32' | 'bf16', a: Float32Array, b: Float32Array, what: string) => void,
): void {
  forEachIsa(native, (isa) => {
    for (const dtype of floatTypes) {
      for (const n of [...oddSizes, 4095, 4097]) {
        const [a, b] = [quantize(dtype, randomNormal(n, 1)), quantize(dtype, randomNormal(n, 2))];
        check(dtype, a, b, `${isa} ${n}`);
      }
    }
  });
}

function map(a: ArrayLike<number>, f: (x: number, i: number) => number): Float64Array {
  return Float64Array.from(a, f);
}

describe('elementwise operations', () => {
  it('axpby, addScaledInto, scale, scaleInto and multiply agree with double precision', () => {
    forCases((dtype, a, b, what) => {
      const [n, x, y] = [
        a.length,
        misalignedTensor([a.length], a, dtype),
        misalignedTensor([a.length], b, dtype, 3),
      ];
      const mixed = (alpha: number, beta: number) => (op: Round, store: Round) =>
        map(a, (v, i) => store(op(op(alpha * v) + op(beta * b[i]!))));
      expectAccurate(native.axpby(x, 0.7, y, -1.3), dtype, mixed(0.7, -1.3), `${what} axpby`);
      expectAccurate(
        native.multiply(x, y),
        dtype,
        (op, store) => map(a, (v, i) => store(op(v * b[i]!))),
        what,
      );
      expectAccurate(native.scale(x, 1.7), dtype, (op, store) => map(a, (v) => store(op(v * 1.7))), what);
      const target = misalignedTensor([n], b, dtype);
      native.addScaledInto(target, x, 0.3);
      expectAccurate(target, dtype, mixed(0.3, 1), `${what} addScaledInto`);
      const scaled = misalignedTensor([n], b, dtype);
      native.scaleInto(scaled, -2.5);
      expectAccurate(scaled, dtype, (op, store) => map(b, (v) => store(op(v * -2.5))), `${what} scaleInto`);
    });
  });

  it('lerpInto moves a share of the way, and nothing where the two are equal', () => {
    forCases((dtype, a, b, what) => {
      const [target, source] = [
        misalignedTensor([a.length], a, dtype),
        misalignedTensor([b.length], b, dtype, 3),
      ];
      native.lerpInto(target, source, 0.3);
      expectAccurate(
        target,
        dtype,
        (op, store) => map(a, (v, i) => store(op(v + op(0.3 * op(b[i]! - v))))),
        what,
      );
      const still = misalignedTensor([b.length], b, dtype);
      native.lerpInto(still, source, 0.008);
      expectSameBits(still, source, what);
    });
  });

  it('R40: lerpInto a thousand times is the closed form of a moving average', () => {
    const [average, decay] = [tensor([1], [2]), 0.992];
    for (let i = 0; i < 1000; ++i) native.lerpInto(average, tensor([1], [-1]), 1 - decay);
    // Each step rounds to f32, and what was rounded decays: 1 / (1 - decay) roundings of half a
    // unit at most.
    expectClose(average, [-1 + 3 * decay ** 1000], 0, 2 ** -25 / (1 - decay));
  });

  it('sum is accurate and has the same bits for 1, 2 and 3 threads', () => {
    forCases((dtype, a, _, what) => {
      expectAccurate(
        [native.sum(misalignedTensor([a.length], a, dtype))],
        'f32',
        (op) => [a.reduce((total, v) => op(total + v), 0)],
        what,
      );
    });
    const many = tensor([50_000], randomNormal(50_000, 3));
    expectSameForThreads(native, () => tensor([1], [native.sum(many)]));
  });

  it('fill, full and copyInto write every dtype and nothing beside it', () => {
    forEachIsa(native, () => {
      for (const dtype of ['f32', 'bf16', 'i32', 'u8'] as const) {
        const whole = native.full([5, 3], dtype, 7);
        native.fillInto(native.slice(whole, 1, 3), 9);
        native.copyInto(native.slice(whole, 4, 5), native.full([1, 3], dtype, 2));
        expect([...values(whole)]).toEqual([7, 7, 7, 9, 9, 9, 9, 9, 9, 7, 7, 7, 2, 2, 2]);
      }
    });
  });

  it('names what does not fit', () => {
    const f = native.full([2], 'f32', 1);
    expectError('ERR_SHAPE', /\[multiply\].*\[2\] and \[3\]/, () =>
      native.multiply(f, native.full([3], 'f32', 1)),
    );
    expectError('ERR_DTYPE', /\[axpby\].*f32 and bf16/, () =>
      native.axpby(f, 1, native.full([2], 'bf16', 1), 1),
    );
    expectError('ERR_DTYPE', /\[sum\].*i32/, () => native.sum(native.full([2], 'i32', 1)));
    expectError('ERR_DTYPE', /\[cast\].*u8/, () => native.cast(f, 'u8'));
  });
});

describe('cast', () => {
  it('widens every bf16 exactly and narrows it back to itself', () => {
    forEachIsa(native, (isa) => {
      const bits = Uint16Array.from({ length: 65_536 }, (_, i) => i);
      const narrow = native.empty([65_536], 'bf16');
      native.write(narrow, bits);
      const wide = native.cast(narrow, 'f32');
      expectSameBits(Float64Array.from(native.read(wide)), Float64Array.from(bits, numberFromBf16), isa);
      const back = native.read(native.cast(wide, 'bf16'));
      for (const [i, pattern] of bits.entries()) {
        // Signalling NaN becomes quiet, and AVX-512-BF16 flushes subnormals to zero.
        const [exponent, fraction] = [pattern & 0x7f80, pattern & 0x7f];
        if ((exponent === 0x7f80 || exponent === 0) && fraction !== 0) continue;
        if (back[i] !== pattern) expect.fail(`${isa}: ${pattern} came back as ${back[i]}`);
      }
    });
  });

  it('rounds to the nearest, ties to even, and keeps NaN and infinities', () => {
    forEachIsa(native, (isa) => {
      const ties = [
        1 + 2 ** -8,
        1 + 3 * 2 ** -8,
        1 + 2 ** -8 + 2 ** -20,
        -1 - 2 ** -8,
        3.3895313892515355e38,
        3.4e38,
      ];
      const special = [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, 0, -0];
      const x = Float32Array.from([...ties, ...special, ...randomNormal(5000, 4, 100)]);
      const got = values(native.cast(misalignedTensor([x.length], x), 'bf16'));
      expectSameBits(got, Float64Array.from(x, roundBf16), isa);
    });
  });
});
