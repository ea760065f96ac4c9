import { describe, expect, it } from 'vitest';
import { native } from '../../src/native/addon.ts';
import type { NativeTensor } from '../../src/native/binding.ts';
import { philox } from '../helpers/philox.ts';
import {
  expectClose,
  expectError,
  expectSameBits,
  expectSameForThreads,
  type FloatType,
  forEachIsa,
  misalignedTensor,
  oddSizes,
  randomNormal,
  roundBf16,
  tensor,
  values,
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

function makeState(sizes: readonly number[], dtype: FloatType = 'f32'): State {
  return {
    parameters: sizes.map((n, i) => misalignedTensor([n], randomNormal(n, i + 1), dtype)),
    gradients: sizes.map((n) => zeros(n)),
    first: sizes.map((n) => zeros(n)),
    second: sizes.map((n) => zeros(n)),
    decay: sizes.map((_, i) => (i % 2) * 0.1),
  };
}

/** Every tensor is a whole parameter, in the order of the list. */
function whole(parameters: readonly NativeTensor[]): { place: number[]; begin: number[] } {
  return { place: parameters.map((_, i) => i), begin: parameters.map(() => 0) };
}

/** The norm over all tensors. */
function norm(tensors: readonly NativeTensor[]): number {
  return Math.sqrt(native.squaresByChunk(tensors).reduce((sum, square) => sum + square, 0));
}

function step(s: State, number: number, gradientScale = 1, seed = 0): void {
  native.adamwStep({
    parameters: s.parameters,
    gradients: s.gradients,
    first: s.first,
    second: s.second,
    weightDecay: s.decay,
    ...whole(s.parameters),
    lr,
    beta1,
    beta2,
    eps,
    step: number,
    gradientScale,
    seed,
  });
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
    expectError('ERR_ARGUMENT', /gradientScale.*finite/, () => step(s, 1, Number.NaN));
    expectError('ERR_DTYPE', /parameter.*f32 or bf16.*i32/, () =>
      step({ ...s, parameters: [native.full([4], 'i32', 0), native.full([5], 'i32', 0)] }, 1),
    );
    expectError('ERR_DTYPE', /gradient and moment to be f32 but it is bf16/, () =>
      step({ ...s, gradients: [zeros(4), native.full([5], 'bf16', 0)] }, 1),
    );
  });
});

/** Stochastic rounding of numbers, by its definition alone. */
function roundedStochastically(
  numbers: ArrayLike<number>,
  at: { seed: number; step: number; place: number },
): Uint16Array {
  const stream = (1n << 63n) | (BigInt(at.step) << 32n) | BigInt(at.place);
  const blocks = new Map<number, number[]>();
  return Uint16Array.from(numbers, (x, i) => {
    const index = Math.floor(i / 128) * 16 + (i % 16);
    if (!blocks.has(index)) blocks.set(index, philox(BigInt(at.seed), stream, BigInt(index)));
    const half = Math.floor((i % 128) / 16);
    const random = (blocks.get(index)![half >> 1]! >>> ((half & 1) * 16)) & 0xffff;
    return (bitsOf(x) + random) >>> 16;
  });
}

function bitsOf(x: number): number {
  return new Uint32Array(Float32Array.of(x).buffer)[0]!;
}

/**
 * Decays bf16 parameters that have no gradient, which is one product a number and so the same
 * in every arithmetic.
 */
function decay(parameters: NativeTensor[], by: number, number: number, seed: number): void {
  const none = parameters.map((p) => native.full(native.shapeOf(p), 'f32', 0));
  const moments = () => none.map((g) => native.scale(g, 1));
  const [first, second] = [moments(), moments()];
  const decays = parameters.map(() => by / lr);
  native.adamwStep({
    parameters,
    gradients: none,
    first,
    second,
    weightDecay: decays,
    ...whole(parameters),
    lr,
    beta1,
    beta2,
    eps,
    step: number,
    gradientScale: 1,
    seed,
  });
}

/**
 * Which of `count` numbers of 1 - 2^-8 share end at the lower neighbour, 1 - 2^-8; the rest
 * must be 1.
 */
function lowerOf(count: number, share: number, number: number, seed: number, place: number): boolean[] {
  const parameters = Array.from({ length: place + 1 }, () => native.full([count], 'bf16', 1));
  decay(parameters, share * 2 ** -8, number, seed);
  const bits = Array.from(native.read(parameters[place]!));
  expect([...new Set(bits)].sort()).toEqual([0x3f7f, 0x3f80]);
  return bits.map((found) => found === 0x3f7f);
}

describe('adamwStep on bf16 parameters', () => {
  it('rounds by the bits of (seed, step, place, element) on every instruction set', () => {
    const [by, seed, number] = [0.001, 2 ** 40 + 5, 70_000];
    const keep = Math.fround(1 - lr * (by / lr));
    forEachIsa(native, (isa) => {
      const sizes = [...oddSizes, 0, 4500];
      const { parameters } = makeState(sizes, 'bf16');
      const wanted = parameters.map((p, place) =>
        roundedStochastically(
          values(p).map((x) => Math.fround(x * keep)),
          { seed, step: number, place },
        ),
      );
      decay(parameters, by, number, seed);
      for (const [i, bits] of wanted.entries()) expectSameBits(parameters[i]!, bits, `${isa} tensor ${i}`);
    });
  });

  it('leaves zeros, infinities and NaN what they are', () => {
    const special = Uint16Array.of(0, 0x8000, 0x7f80, 0xff80, 0x7f81, 0xffff, 0x7fc0);
    forEachIsa(native, (isa) => {
      const parameter = native.empty([7], 'bf16');
      native.write(parameter, special);
      decay([parameter], 0, 1, 1);
      expect([...values(parameter)], isa).toEqual([0, -0, Infinity, -Infinity, NaN, NaN, NaN]);
    });
  });

  it('is unbiased: the lower neighbour comes as often as the number is near it', () => {
    const count = 20_000;
    const seen = new Map<string, boolean[]>();
    for (const share of [0.01, 0.25, 0.5, 0.9]) {
      for (const [number, seed, place] of [
        [1, 0, 0],
        [2, 0, 0],
        [1, 1, 0],
        [1, 0, 1],
      ] as const) {
        const lower = lowerOf(count, share, number, seed, place);
        const deviation = Math.sqrt(count * share * (1 - share));
        const found = lower.filter(Boolean).length;
        expect(Math.abs(found - count * share), `${share}: ${found}`).toBeLessThan(4.5 * deviation);
        seen.set([share, number, seed, place].join(), lower);
      }
    }
    // Another step, seed or place is another draw: two agree by chance alone.
    const first = seen.get('0.5,1,0,0')!;
    for (const other of ['0.5,2,0,0', '0.5,1,1,0', '0.5,1,0,1']) {
      const agreeing = seen.get(other)!.filter((lower, i) => lower === first[i]).length;
      expect(Math.abs(agreeing - count / 2), other).toBeLessThan(4.5 * Math.sqrt(count / 4));
    }
  });

  it('adds up updates of a fiftieth of a unit, each of which rounding to nearest loses', () => {
    const [count, steps, rate] = [2000, 200, 2 ** -8 / 50];
    expect(roundBf16(1 - rate)).toBe(1);
    const parameter = native.full([count], 'bf16', 1);
    const [gradient, first, second] = [native.full([count], 'f32', 0.5), zeros(count), zeros(count)];
    for (let number = 1; number <= steps; number++) {
      native.adamwStep({
        parameters: [parameter],
        gradients: [gradient],
        first: [first],
        second: [second],
        weightDecay: [0],
        ...whole([parameter]),
        lr: rate,
        beta1,
        beta2,
        eps: 0,
        step: number,
        gradientScale: 1,
        seed: 9,
      });
    }
    // A constant gradient moves by the rate each step. Of one rounding the variance is at most 49
    // / 50^2 units.
    const moved = 1 - values(parameter).reduce((sum, x) => sum + x, 0) / count;
    const deviation = (2 ** -8 / 50) * Math.sqrt((steps * 49) / count);
    expect(Math.abs(moved - steps * rate)).toBeLessThan(4.5 * deviation);
    expect(4.5 * deviation).toBeLessThan(0.1 * steps * rate);
  });

  it('updates in f32: the moments of an f32 parameter, and one of the neighbours of a double-precision result', () => {
    const sizes = [5000, 17];
    forEachIsa(native, (isa) => {
      const [narrow, wide] = [makeState(sizes, 'bf16'), makeState(sizes)];
      const before = narrow.parameters.map((p) => values(p));
      for (const [i, n] of sizes.entries()) {
        for (const s of [narrow, wide]) native.write(s.gradients[i]!, randomNormal(n, 70 + i));
      }
      step(narrow, 1);
      step(wide, 1);
      for (const [i, p] of narrow.parameters.entries()) {
        expectSameBits(narrow.first[i]!, wide.first[i]!, `${isa} first`);
        expectSameBits(narrow.second[i]!, wide.second[i]!, `${isa} second`);
        const got = values(p);
        const gradient = values(narrow.gradients[i]!);
        for (const [j, x] of before[i]!.entries()) {
          const exact = x - lr * narrow.decay[i]! * x - lr * (gradient[j]! / (Math.abs(gradient[j]!) + eps));
          const unit = 2 ** (Math.floor(Math.log2(Math.abs(exact))) - 7);
          // The f32 result is off by a little, which may put it beyond a neighbour.
          expect(Math.abs(got[j]! - exact), `${isa} ${x}`).toBeLessThan(1.001 * unit);
        }
      }
    });
  });

  it('has the same bits for any threads, beside f32 ones or not, and wherever there is a fused multiply-add', () => {
    const sizes = [10000, 3, 7777];
    const run = (dtypes: FloatType[]) => {
      const s = makeState(sizes);
      s.parameters = s.parameters.map((p, i) => native.cast(p, dtypes[i]!));
      for (const [i, g] of s.gradients.entries()) native.write(g, randomNormal(sizes[i]!, 50 + i));
      step(s, 1, 1, 3);
      step(s, 2, 1, 3);
      return s.parameters;
    };
    const mixed = () => run(['bf16', 'f32', 'bf16']);
    expectSameForThreads(native, mixed);
    expectSameBits(mixed()[1]!, run(['f32', 'f32', 'f32'])[1]!);
    const device = native.device();
    let wanted: NativeTensor[] | undefined = device === 'cuda' ? mixed() : undefined;
    native.setDevice('cpu');
    try {
      forEachIsa(native, (isa) => {
        if (isa === 'portable') return;
        const found = mixed();
        wanted ??= found;
        for (const [i, p] of found.entries()) expectSameBits(p, wanted[i]!, isa);
      });
    } finally {
      native.setDevice(device);
    }
  });
});

describe('adamwStep on a run of elements', () => {
  it.each(['f32', 'bf16'] as const)('has the bits of the whole tensor (%s)', (dtype) => {
    const [count, begin, end, seed] = [9000, 4096, 8192, 3];
    forEachIsa(native, (isa) => {
      const [all, part] = [makeState([7, count], dtype), makeState([7, count], dtype)];
      for (const { gradients } of [all, part]) native.write(gradients[1]!, randomNormal(count, 5));
      step(all, 2, 0.5, seed);
      const runOf = (tensors: NativeTensor[]) => [native.slice(tensors[1]!, begin, end)];
      native.adamwStep({
        ...{ parameters: runOf(part.parameters), gradients: runOf(part.gradients) },
        ...{ first: runOf(part.first), second: runOf(part.second), weightDecay: [all.decay[1]!] },
        ...{ place: [1], begin: [begin], lr, beta1, beta2, eps, step: 2, gradientScale: 0.5, seed },
      });
      for (const key of ['parameters', 'first', 'second'] as const) {
        const wanted = values(all[key][1]!).subarray(begin, end);
        expectSameBits(values(runOf(part[key])[0]!), wanted, `${isa} ${key}`);
      }
    });
  });

  it('refuses a run that begins within a chunk', () => {
    const s = makeState([10]);
    const inputs = { ...s, weightDecay: s.decay, place: [0], begin: [100] };
    expectError('ERR_ARGUMENT', /expected every begin to be a multiple of 4096 but got 100/, () =>
      native.adamwStep({ ...inputs, lr, beta1, beta2, eps, step: 1, gradientScale: 1, seed: 0 }),
    );
  });
});

describe('squaresByChunk', () => {
  it('is the norm over all tensors, on every instruction set', () => {
    forEachIsa(native, () => {
      const parts = oddSizes.map((n, i) => randomNormal(n, i + 1, 10 ** (i % 5)));
      const exact = Math.sqrt(parts.reduce((total, p) => total + p.reduce((s, x) => s + x * x, 0), 0));
      const found = norm(parts.map((p) => misalignedTensor([p.length], p)));
      expect(Math.abs(found - exact)).toBeLessThan(1e-12 * exact);
    });
  });

  it('has one sum per 4096 elements, and the rest of each tensor', () => {
    forEachIsa(native, () => {
      const [a, b] = [randomNormal(9000, 1), randomNormal(10, 2)];
      const found = native.squaresByChunk([tensor([9000], a), tensor([10], b), tensor([0], [])]);
      const wanted = [a.subarray(0, 4096), a.subarray(4096, 8192), a.subarray(8192), b];
      expect(found).toHaveLength(4);
      wanted.forEach((part, i) => {
        const exact = part.reduce((sum, x) => sum + x * x, 0);
        expect(Math.abs(found[i]! - exact)).toBeLessThan(1e-12 * exact);
      });
    });
  });

  it('neither overflows nor loses small values', () => {
    expect(norm([tensor([2], [1e30, 1e30])])).toBeCloseTo(Math.SQRT2 * Math.fround(1e30), -20);
    expect(norm([tensor([1], [Math.fround(1e-30)])])).toBe(Math.fround(1e-30));
    expect(norm([])).toBe(0);
    expect(norm([tensor([1], [Number.NaN])])).toBeNaN();
  });

  it('has the same bits for 1, 2 and 3 threads', () => {
    const tensors = [tensor([30001], randomNormal(30001, 1)), tensor([17], randomNormal(17, 2))];
    expectSameForThreads(native, () => tensor([1], [norm(tensors) / 1e3]));
  });
});
