import { describe, expect, it } from 'vitest';
import { native } from '../../src/native/addon.ts';
import type { NativeTensor } from '../../src/native/binding.ts';
import {
  expectClose,
  expectError,
  expectSameForThreads,
  forEachIsa,
  misalignedTensor,
  oddSizes,
  randomNormal,
  tensor,
} from '../helpers/reference.ts';

const lr = 0.01;
const beta1 = 0.9;
const beta2 = 0.95;
const eps = 1e-8;

interface State {
  parameters: NativeTensor[];
  gradients: NativeTensor[];
  first: NativeTensor[];
  second: NativeTensor[];
  decay: number[];
}

function zeros(count: number): NativeTensor {
  return native.full([count], 'f32', 0);
}

function makeState(sizes: readonly number[]): State {
  return {
    parameters: sizes.map((n, i) => misalignedTensor([n], randomNormal(n, i + 1))),
    gradients: sizes.map((n) => zeros(n)),
    first: sizes.map((n) => zeros(n)),
    second: sizes.map((n) => zeros(n)),
    decay: sizes.map((_, i) => (i % 2) * 0.1),
  };
}

function step(s: State, number: number, gradientScale = 1): void {
  native.adamwStep(
    s.parameters,
    s.gradients,
    s.first,
    s.second,
    s.decay,
    lr,
    beta1,
    beta2,
    eps,
    number,
    gradientScale,
  );
}

describe('adamwStep', () => {
  it('follows a double-precision AdamW for ten steps on every instruction set', () => {
    forEachIsa(native, (isa) => {
      const sizes = [...oddSizes, 5000];
      const s = makeState(sizes);
      const exact = sizes.map((n, i) => ({
        p: Float64Array.from(randomNormal(n, i + 1)),
        m: new Float64Array(n),
        v: new Float64Array(n),
      }));
      for (let number = 1; number <= 10; number++) {
        for (const [i, n] of sizes.entries()) {
          const gradient = randomNormal(n, 1000 * number + i, 4);
          native.write(s.gradients[i]!, gradient);
          const { p, m, v } = exact[i]!;
          for (let j = 0; j < n; j++) {
            const g = gradient[j]! * 0.25;
            m[j] = beta1 * m[j]! + (1 - beta1) * g;
            v[j] = beta2 * v[j]! + (1 - beta2) * g * g;
            const update = m[j]! / (1 - beta1 ** number) / (Math.sqrt(v[j]! / (1 - beta2 ** number)) + eps);
            p[j] = p[j]! - lr * s.decay[i]! * p[j]! - lr * update;
          }
        }
        step(s, number, 0.25);
      }
      for (const [i, { p, m, v }] of exact.entries()) {
        expectClose(s.parameters[i]!, p, 4e-7, 4e-7, `${isa} parameter ${i}`);
        expectClose(s.first[i]!, m, 2e-6, 2e-7, `${isa} first ${i}`);
        expectClose(s.second[i]!, v, 2e-6, 0, `${isa} second ${i}`);
      }
    });
  });

  it('decays a parameter without a gradient by exactly 1 - lr * decay', () => {
    const s = { ...makeState([3]), decay: [0.5] };
    native.write(s.parameters[0]!, Float32Array.of(1, -2, 4));
    step(s, 1);
    expectClose(s.parameters[0]!, [0.995, -1.99, 3.98], 1e-7);
  });

  it('has the same bits for 1, 2 and 3 threads', () => {
    expectSameForThreads(native, () => {
      const s = makeState([10000, 3, 7777]);
      for (const [i, g] of s.gradients.entries()) native.write(g, randomNormal([10000, 3, 7777][i]!, 50 + i));
      step(s, 1);
      step(s, 2);
      return [...s.parameters, ...s.first, ...s.second];
    });
  });

  it('names what does not fit', () => {
    const s = makeState([4, 5]);
    expectError('ERR_ARGUMENT', /expected 2 gradients.*got 1/, () =>
      step({ ...s, gradients: [zeros(4)] }, 1),
    );
    expectError('ERR_SHAPE', /\[4\] and \[5\]/, () => step({ ...s, gradients: [zeros(5), zeros(5)] }, 1));
    expectError('ERR_ARGUMENT', /step.*1 or more.*0/, () => step(s, 0));
    expectError('ERR_ARGUMENT', /gradient_scale.*finite/, () => step(s, 1, Number.NaN));
    expectError('ERR_DTYPE', /parameter.*f32.*bf16/, () =>
      step({ ...s, parameters: [native.full([4], 'bf16', 0), native.full([5], 'bf16', 0)] }, 1),
    );
  });
});

describe('globalNorm', () => {
  it('is the norm over all tensors, on every instruction set', () => {
    forEachIsa(native, () => {
      const parts = oddSizes.map((n, i) => randomNormal(n, i + 1, 10 ** (i % 5)));
      const exact = Math.sqrt(parts.reduce((total, p) => total + p.reduce((s, x) => s + x * x, 0), 0));
      const norm = native.globalNorm(parts.map((p) => misalignedTensor([p.length], p)));
      expect(Math.abs(norm - exact)).toBeLessThan(1e-12 * exact);
    });
  });

  it('neither overflows nor loses small values', () => {
    expect(native.globalNorm([tensor([2], [1e30, 1e30])])).toBeCloseTo(Math.SQRT2 * Math.fround(1e30), -20);
    expect(native.globalNorm([tensor([1], [Math.fround(1e-30)])])).toBe(Math.fround(1e-30));
    expect(native.globalNorm([])).toBe(0);
    expect(native.globalNorm([tensor([1], [Number.NaN])])).toBeNaN();
  });

  it('has the same bits for 1, 2 and 3 threads', () => {
    const tensors = [tensor([30001], randomNormal(30001, 1)), tensor([17], randomNormal(17, 2))];
    expectSameForThreads(native, () => tensor([1], [native.globalNorm(tensors) / 1e3]));
  });
});
