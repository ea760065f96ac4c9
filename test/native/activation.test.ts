import { describe, expect, it } from 'vitest';
import { native } from '../../src/native/addon.ts';
import type { NativeTensor } from '../../src/native/binding.ts';
import {
  expectAccurate,
  expectClose,
  expectError,
  expectSameBits,
  expectSameForThreads,
  finiteDifferences,
  floatTypes,
  forEachIsa,
  misalignedTensor,
  oddSizes,
  quantize,
  type Round,
  randomNormal,
  tensor,
  values,
} from '../helpers/reference.ts';

type Formula = (x: number, op: Round) => number;
const exactly: Round = (x) => x;

const sigmoid: Formula = (x, op) => op(1 / op(1 + op(Math.exp(op(-x)))));
const gelu: Formula = (x, op) => {
  const inner = op(Math.sqrt(2 / Math.PI) * op(x + op(0.044715 * op(x * op(x * x)))));
  return op(op(0.5 * x) * op(1 + op(Math.tanh(inner))));
};

interface Unary {
  name: string;
  formula: Formula;
  forward(x: NativeTensor): NativeTensor;
  /** The argument of backward: the input x for GELU, the result y for the others. */
  saves: 'x' | 'y';
  backward(dy: NativeTensor, saved: NativeTensor): NativeTensor;
}

const unaries: Unary[] = [
  { name: 'gelu', formula: gelu, forward: native.geluForward, saves: 'x', backward: native.geluBackward },
  {
    name: 'relu',
    formula: (x) => Math.max(x, 0),
    forward: native.reluForward,
    saves: 'y',
    backward: native.reluBackward,
  },
  {
    name: 'tanh',
    formula: (x, op) => op(Math.tanh(x)),
    forward: native.tanhForward,
    saves: 'y',
    backward: native.tanhBackward,
  },
  {
    name: 'sigmoid',
    formula: sigmoid,
    forward: native.sigmoidForward,
    saves: 'y',
    backward: native.sigmoidBackward,
  },
];

for (const f of unaries) {
  describe(f.name, () => {
    it('agrees with double precision on odd sizes, misaligned, on every instruction set', () => {
      forEachIsa(native, (isa) => {
        for (const dtype of floatTypes) {
          for (const count of oddSizes) {
            const x = quantize(dtype, randomNormal(count, count, 3));
            expectAccurate(
              f.forward(misalignedTensor([count], x, dtype)),
              dtype,
              (op, store) => Array.from(x, (v) => store(f.formula(v, op))),
              `${isa} ${count}`,
            );
          }
        }
      });
    });

    it('has a backward pass that finite differences confirm', () => {
      forEachIsa(native, (isa) => {
        for (const dtype of floatTypes) {
          const count = 203;
          // Finite differences straddle relu's corner, so no input comes near it.
          const x = quantize(
            dtype,
            randomNormal(count, 5, 2).map((v) => v + Math.sign(v) * 0.01),
          );
          const dy = quantize(dtype, randomNormal(count, 6));
          const input = misalignedTensor([count], x, dtype);
          const saved = f.saves === 'x' ? input : f.forward(input);
          const dx = f.backward(misalignedTensor([count], dy, dtype, 3), saved);
          const slopes = finiteDifferences(
            (p) => p.reduce((total, v, i) => total + dy[i]! * f.formula(v, exactly), 0),
            x,
          );
          // From a y that was stored in bf16, 1 - y^2 keeps an absolute error of 2^-8.
          expectClose(
            dx,
            slopes,
            dtype === 'f32' ? 2e-5 : 2 ** -8,
            dtype === 'f32' ? 2e-6 : 2 ** -6,
            `${isa} ${dtype}`,
          );
        }
      });
    });

    it('gives an element the same bits wherever it stands', () => {
      forEachIsa(native, (isa) => {
        const x = tensor([67], randomNormal(67, 9, 4));
        const all = native.read(f.forward(x));
        for (let i = 0; i < 67; i++) {
          expectSameBits(f.forward(native.slice(x, i, i + 1)), all.subarray(i, i + 1), `${isa} ${i}`);
        }
      });
    });

    it('has its limits at the ends and keeps NaN', () => {
      forEachIsa(native, (isa) => {
        const ends = [-1e30, -100, 100, 1e30, Number.NaN];
        const got = [...values(f.forward(tensor([5], ends)))];
        const limits = ends.map((x) => (Number.isNaN(x) ? x : f.formula(x, exactly)));
        expectClose(got, limits, 1e-6, 1e-6, isa);
      });
    });
  });
}

describe('swiglu', () => {
  const channelsOf = [1, 7, 16, 33, 100];
  const silu: Formula = (x, op) => op(x * sigmoid(x, op));
  const formula = (gateUp: ArrayLike<number>, f: number, op: Round, store: Round): Float64Array =>
    Float64Array.from({ length: gateUp.length / 2 }, (_, i) => {
      const at = Math.floor(i / f) * 2 * f + (i % f);
      return store(op(silu(gateUp[at]!, op) * gateUp[at + f]!));
    });

  it('agrees with double precision on every instruction set', () => {
    forEachIsa(native, (isa) => {
      for (const dtype of floatTypes) {
        for (const f of channelsOf) {
          const x = quantize(dtype, randomNormal(3 * 2 * f, f, 2));
          const y = native.swigluForward(misalignedTensor([3, 2 * f], x, dtype));
          expect(native.shapeOf(y)).toEqual([3, f]);
          expectAccurate(y, dtype, (op, store) => formula(x, f, op, store), `${isa} ${f}`);
        }
      }
    });
  });

  it('has a backward pass that finite differences confirm', () => {
    forEachIsa(native, (isa) => {
      for (const dtype of floatTypes) {
        for (const f of channelsOf) {
          const x = quantize(dtype, randomNormal(3 * 2 * f, f + 1, 2));
          const dy = quantize(dtype, randomNormal(3 * f, f + 2));
          const dx = native.swigluBackward(
            misalignedTensor([3, f], dy, dtype),
            misalignedTensor([3, 2 * f], x, dtype),
          );
          const slopes = finiteDifferences(
            (p) => formula(p, f, exactly, exactly).reduce((total, y, i) => total + y * dy[i]!, 0),
            x,
          );
          expectClose(
            dx,
            slopes,
            dtype === 'f32' ? 1e-5 : 2 ** -8,
            dtype === 'f32' ? 1e-6 : 1e-4,
            `${isa} ${f}`,
          );
        }
      }
    });
  });

  it('has the same bits for 1, 2 and 3 threads', () => {
    const x = tensor([50, 602], randomNormal(50 * 602, 3), 'bf16');
    const dy = tensor([50, 301], randomNormal(50 * 301, 4), 'bf16');
    expectSameForThreads(native, () => [native.swigluForward(x), native.swigluBackward(dy, x)]);
  });

  it('wants an even number of channels', () => {
    expectError('ERR_SHAPE', /gateUp.*2 \* channels.*\[2, 5\]/, () =>
      native.swigluForward(native.full([2, 5], 'f32', 0)),
    );
    expectError('ERR_SHAPE', /dy.*\[2, 2\].*\[2, 3\]/, () =>
      native.swigluBackward(native.full([2, 3], 'f32', 0), native.full([2, 4], 'f32', 0)),
    );
  });
});

describe('tanh and sigmoid over the whole range of f32', () => {
  /**
   * Error in units of the last place of the exact result, those of subnormals counted as
   * the smallest normal's.
   */
  function worstError(actual: ArrayLike<number>, exact: ArrayLike<number>): number {
    let worst = 0;
    for (let i = 0; i < actual.length; i++) {
      const magnitude = Math.max(Math.abs(exact[i]!), 2 ** -126);
      const unit = 2 ** (Math.floor(Math.log2(magnitude)) - 23);
      worst = Math.max(worst, Math.abs(actual[i]! - exact[i]!) / unit);
    }
    return worst;
  }

  it('stays within two and three units in the last place', () => {
    // Every 8,191st bit pattern: all exponents, both signs.
    const bits = Uint32Array.from({ length: 2 ** 19 }, (_, i) => (i * 8191) >>> 0);
    const x = new Float32Array(bits.buffer).filter((v) => Number.isFinite(v));
    forEachIsa(native, (isa) => {
      const input = tensor([x.length], x);
      expect(
        worstError(values(native.tanhForward(input)), Float64Array.from(x, Math.tanh)),
        isa,
      ).toBeLessThan(2);
      const exact = Float64Array.from(x, (v) => sigmoid(v, exactly));
      // Below -86 the exact result nears the subnormals and the engine gives 0.
      const [got, wanted] = [
        values(native.sigmoidForward(input)),
        exact.map((v, i) => (x[i]! < -86 ? 0 : v)),
      ];
      expect(
        worstError(
          got.map((v, i) => (x[i]! < -86 ? 0 : v)),
          wanted,
        ),
        isa,
      ).toBeLessThan(3);
    });
  });
});
