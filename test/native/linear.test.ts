/** Linear layers against double precision, on sizes that no block, panel or vector divides. */
import { describe, expect, it } from 'vitest';
import { native } from '../../src/native/addon.ts';
import type { Activation } from '../../src/native/binding/linear.ts';
import type { NativeTensor } from '../../src/native/binding.ts';
import { onCuda } from '../helpers/device.ts';
import { collectGarbage } from '../helpers/garbage.ts';
import { longShapes, product, shapes } from '../helpers/product.ts';
import {
  expectAccurate,
  expectClose,
  expectError,
  expectSameBits,
  expectSameForThreads,
  type FloatType,
  finiteDifferences,
  floatTypes,
  forEachIsa,
  quantize,
  type Round,
  randomNormal,
  roundTo,
  tensor,
  values,
} from '../helpers/reference.ts';

const root = Math.sqrt(2 / Math.PI);
const geluTanh = (x: number, op: Round): number =>
  op(Math.tanh(op(root * op(x + op(0.044715 * op(op(x * x) * x))))));
const gelu = (x: number, op: Round = (v) => v): number => op(op(0.5 * x) * op(1 + geluTanh(x, op)));
const geluSlope = (x: number, op: Round): number => {
  const t = geluTanh(x, op);
  const inner = op(root * op(1 + op(op(3 * 0.044715) * op(x * x))));
  return op(op(0.5 * op(1 + t)) + op(op(op(0.5 * x) * op(1 - op(t * t))) * inner));
};

interface Layer {
  n: number;
  inputs: number;
  outputs: number;
  x: Float32Array;
  weight: Float32Array;
  bias: Float32Array;
}

function makeLayer(n: number, outputs: number, inputs: number, dtype: FloatType): Layer {
  return {
    n,
    inputs,
    outputs,
    x: quantize(dtype, randomNormal(n * inputs, 1)),
    weight: randomNormal(outputs * inputs, 2, 1 / Math.sqrt(inputs)),
    bias: randomNormal(outputs, 3, 0.1),
  };
}

function forward(l: Layer, bias: boolean, op: Round, store: Round): Float64Array {
  return product(
    [l.n, l.outputs, l.inputs],
    (i, s) => l.x[i * l.inputs + s]!,
    (s, j) => store(l.weight[j * l.inputs + s]!),
    op,
  ).map((v, index) => (bias ? op(v + l.bias[index % l.outputs]!) : v));
}

describe('linearForward', () => {
  for (const dtype of floatTypes) {
    it(`adds a bias, keeps the value before the activation and applies GELU (${dtype})`, () => {
      forEachIsa(native, (isa) => {
        for (const [n, outputs, inputs] of [...shapes, ...longShapes]) {
          const l = makeLayer(n, outputs, inputs, dtype);
          const x = tensor([n, inputs], l.x, dtype);
          const weight = tensor([outputs, inputs], l.weight);
          const bias = tensor([outputs], l.bias);
          const what = `${isa} ${n}x${inputs}->${outputs}`;

          const [plain, none] = native.linearForward({
            x,
            weight,
            activation: 'none',
            savePreactivation: false,
          });
          expect(none).toBeUndefined();
          expectAccurate(
            plain,
            dtype,
            (op, store) => forward(l, false, op, store).map(store),
            `plain ${what}`,
          );
          const [biased] = native.linearForward({
            x,
            weight,
            bias,
            activation: 'none',
            savePreactivation: false,
          });
          expectAccurate(
            biased,
            dtype,
            (op, store) => forward(l, true, op, store).map(store),
            `bias ${what}`,
          );
          const [active, before] = native.linearForward({
            x,
            weight,
            bias,
            activation: 'gelu',
            savePreactivation: true,
          });
          expectSameBits(before!, biased, `preactivation ${what}`);
          expectAccurate(
            active,
            dtype,
            (op, store) => forward(l, true, op, store).map((v) => store(gelu(v, op))),
            `gelu ${what}`,
          );
        }
      });
    });
  }

  it('gives a row the same bits alone, in any batch, on any threads', () => {
    forEachIsa(native, (isa) => {
      for (const dtype of floatTypes) {
        for (const [n, outputs, inputs] of [
          [131, 75, 50],
          [20, 9, 4101],
        ] as const) {
          const l = makeLayer(n, outputs, inputs, dtype);
          const x = tensor([n, inputs], l.x, dtype);
          const weight = tensor([outputs, inputs], l.weight);
          const bias = tensor([outputs], l.bias);
          const [whole] = native.linearForward({
            x,
            weight,
            bias,
            activation: 'gelu',
            savePreactivation: false,
          });
          for (const [begin, end] of [
            [0, 1],
            [7, 8],
            [n - 1, n],
            [3, 6],
            [2, n - 1],
          ] as const) {
            const [part] = native.linearForward({
              x: native.slice(x, begin, end),
              weight,
              bias,
              activation: 'gelu',
              savePreactivation: false,
            });
            const what = `${isa} ${dtype} rows ${begin} to ${end} of ${n}x${inputs}`;
            expectSameBits(part, native.slice(whole, begin, end), what);
          }
          expectSameForThreads(
            native,
            () => native.linearForward({ x, weight, bias, activation: 'gelu', savePreactivation: false })[0],
          );
        }
      }
    });
  });

  it('sees every write to a weight, and to a part of its storage', () => {
    for (const dtype of floatTypes) {
      const whole = tensor([6, 3], randomNormal(18, 1));
      const part = native.slice(whole, 2, 4);
      const x = tensor([1, 3], [1, 1, 1], dtype);
      const dy = tensor([1, 2], [1, 1], dtype);
      for (const value of [0.5, 2, -1]) {
        native.fillInto(whole, value);
        expect([
          ...values(
            native.linearForward({ x, weight: part, activation: 'none', savePreactivation: false })[0],
          ),
        ]).toEqual([3 * value, 3 * value]);
        expect([...values(native.linearBackwardInput(dy, part, undefined))]).toEqual(
          new Array(3).fill(2 * value),
        );
      }
      native.write(part, Float32Array.of(1, 2, 3, 4, 5, 6));
      expect([
        ...values(native.linearForward({ x, weight: part, activation: 'none', savePreactivation: false })[0]),
      ]).toEqual([6, 15]);
      native.linearBackwardWeight(dy, x, part, undefined);
      expect([
        ...values(native.linearForward({ x, weight: part, activation: 'none', savePreactivation: false })[0]),
      ]).toEqual([9, 18]);
    }
  });

  it('tells weights apart that share a start', () => {
    const storage = tensor([4, 6], randomNormal(24, 1));
    for (const [rows, columns] of [
      [4, 6],
      [6, 4],
      [2, 6],
      [3, 4],
    ] as const) {
      const part = native.slice(native.view(storage, [24]), 0, rows * columns);
      const x = tensor([1, columns], randomNormal(columns, 2));
      const dy = tensor([1, rows], randomNormal(rows, 3));
      const weight = native.view(part, [rows, columns]);
      const copy = tensor([rows, columns], values(part));
      const what = `${rows}x${columns}`;
      expectSameBits(
        native.linearForward({ x, weight, activation: 'none', savePreactivation: false })[0],
        native.linearForward({ x, weight: copy, activation: 'none', savePreactivation: false })[0],
        what,
      );
      expectSameBits(
        native.linearBackwardInput(dy, weight, undefined),
        native.linearBackwardInput(dy, copy, undefined),
        what,
      );
    }
  });

  it('keeps the layouts of instruction sets apart', () => {
    const weight = tensor([33, 20], randomNormal(660, 1));
    const x = tensor([3, 20], randomNormal(60, 2));
    const wanted = values(
      native.linearForward({ x, weight, activation: 'none', savePreactivation: false })[0],
    );
    for (let round = 0; round < 2; round++) {
      forEachIsa(native, (isa) => {
        expectClose(
          native.linearForward({ x, weight, activation: 'none', savePreactivation: false })[0],
          wanted,
          1e-5,
          1e-5,
          isa,
        );
      });
    }
  });

  it('packs a weight once a write, into memory that it keeps', async () => {
    await collectGarbage();
    // A worker allocates buffers at its first task, which may come at any time.
    native.setNumThreads(1);
    const weight = tensor([256, 512], randomNormal(256 * 512, 1));
    const x = tensor([4, 512], randomNormal(4 * 512, 2));
    const run = (): void =>
      native.linearForward({ x, weight, activation: 'none', savePreactivation: false })[0].dispose();
    run();
    const [before] = native.memoryStats();
    for (let i = 0; i < 3; i++) {
      native.scaleInto(weight, 0.5);
      run();
    }
    expect(native.memoryStats()[0]).toBe(before);
    native.setNumThreads(0);
  });
});

describe('linearBackwardInput', () => {
  for (const dtype of floatTypes) {
    it(`multiplies by the weight and by the slope of GELU (${dtype})`, () => {
      forEachIsa(native, (isa) => {
        for (const [n, inputs, outputs] of [...shapes, ...longShapes]) {
          const l = makeLayer(n, outputs, inputs, dtype);
          const dy = quantize(dtype, randomNormal(n * outputs, 4));
          const before = quantize(dtype, randomNormal(n * inputs, 5));
          const reference = (op: Round, store: Round): Float64Array =>
            product(
              [n, inputs, outputs],
              (i, s) => dy[i * outputs + s]!,
              (s, j) => store(l.weight[s * inputs + j]!),
              op,
            );
          const what = `${isa} ${n}x${outputs}->${inputs}`;
          const upstream = tensor([n, outputs], dy, dtype);
          const weight = tensor([outputs, inputs], l.weight);
          expectAccurate(
            native.linearBackwardInput(upstream, weight, undefined),
            dtype,
            (op, store) => reference(op, store).map(store),
            what,
          );
          // Fixed bounds: on few elements a naive slope may be right to the last bit, which twice
          // allows no more.
          const slopes = reference((v) => v, roundTo(dtype)).map(
            (v, i) => v * geluSlope(before[i]!, (slope) => slope),
          );
          expectClose(
            native.linearBackwardInput(upstream, weight, tensor([n, inputs], before, dtype)),
            slopes,
            dtype === 'f32' ? 2e-6 : 2 ** -8,
            3e-7 * (outputs + 4),
            `gelu ${what}`,
          );
        }
      });
    });
  }
});

describe('linearBackwardWeight', () => {
  for (const dtype of floatTypes) {
    it(`adds dy^T x and the column sums of dy to what is there (${dtype})`, () => {
      forEachIsa(native, (isa) => {
        for (const [outputs, inputs, n] of [...shapes, ...longShapes]) {
          const x = quantize(dtype, randomNormal(n * inputs, 1));
          const dy = quantize(dtype, randomNormal(n * outputs, 2));
          const startWeight = randomNormal(outputs * inputs, 3);
          const startBias = randomNormal(outputs, 4);
          const dweight = tensor([outputs, inputs], startWeight);
          const dbias = tensor([outputs], startBias);
          native.linearBackwardWeight(
            tensor([n, outputs], dy, dtype),
            tensor([n, inputs], x, dtype),
            dweight,
            dbias,
          );
          const what = `${isa} ${dtype} ${n} rows, ${inputs}->${outputs}`;
          expectAccurate(
            dweight,
            'f32',
            (op) =>
              product(
                [outputs, inputs, n],
                (i, s) => dy[s * outputs + i]!,
                (s, j) => x[s * inputs + j]!,
                op,
                (index) => startWeight[index]!,
              ),
            `dweight ${what}`,
          );
          expectAccurate(
            dbias,
            'f32',
            (op) =>
              product(
                [outputs, 1, n],
                (i, s) => dy[s * outputs + i]!,
                () => 1,
                op,
                (index) => startBias[index]!,
              ),
            `dbias ${what}`,
          );
        }
      });
    });
  }

  // On CUDA each call's product is summed, then added.
  it.skipIf(onCuda)('gives the same bits on any threads, and for a batch in two halves', () => {
    const [n, inputs, outputs] = [140, 61, 203];
    for (const dtype of floatTypes) {
      const x = tensor([n, inputs], randomNormal(n * inputs, 1), dtype);
      const dy = tensor([n, outputs], randomNormal(n * outputs, 2), dtype);
      const run = (cuts: number[]): NativeTensor[] => {
        const dweight = native.full([outputs, inputs], 'f32', 0.25);
        const dbias = native.full([outputs], 'f32', 0.25);
        for (let i = 1; i < cuts.length; i++) {
          const [begin, end] = [cuts[i - 1]!, cuts[i]!];
          native.linearBackwardWeight(
            native.slice(dy, begin, end),
            native.slice(x, begin, end),
            dweight,
            dbias,
          );
        }
        return [dweight, dbias];
      };
      expectSameForThreads(native, () => run([0, n]));
      expectSameBits(run([0, 64, n])[0]!, run([0, n])[0]!, 'one chain over the rows, wherever it is cut');
    }
  });
});

describe('an addend', () => {
  for (const dtype of floatTypes) {
    it(`is added before the activation, and before its slope is multiplied (${dtype})`, () => {
      forEachIsa(native, (isa) => {
        for (const [n, outputs, inputs] of [...shapes, ...longShapes]) {
          const l = makeLayer(n, outputs, inputs, dtype);
          const more = quantize(dtype, randomNormal(n * outputs, 6));
          const x = tensor([n, inputs], l.x, dtype);
          const weight = tensor([outputs, inputs], l.weight);
          const bias = tensor([outputs], l.bias);
          const addend = tensor([n, outputs], more, dtype);
          const what = `${isa} ${n}x${inputs}->${outputs}`;
          const sums = (op: Round, store: Round) =>
            forward(l, true, op, store).map((v, i) => op(v + more[i]!));

          const [active, before] = native.linearForward({
            x,
            weight,
            bias,
            activation: 'gelu',
            savePreactivation: true,
            addend,
          });
          expectAccurate(before!, dtype, (op, store) => sums(op, store).map(store), `sum ${what}`);
          expectAccurate(
            active,
            dtype,
            (op, store) => sums(op, store).map((v) => store(gelu(v, op))),
            `gelu ${what}`,
          );
          // Nothing is rounded on its account: adding zeros leaves every bit.
          const zeros = native.full([n, outputs], dtype, 0);
          expectSameBits(
            native.linearForward({
              x,
              weight,
              bias,
              activation: 'gelu',
              savePreactivation: false,
              addend: zeros,
            })[0],
            native.linearForward({ x, weight, bias, activation: 'gelu', savePreactivation: false })[0],
            `zeros ${what}`,
          );

          const back = tensor([inputs, outputs], randomNormal(inputs * outputs, 2));
          const dx = native.linearBackwardInput(x, back, before, addend);
          const slopes = values(before!);
          const stored = values(back).map(roundTo(dtype));
          const wanted = product(
            [n, outputs, inputs],
            (i, s) => l.x[i * inputs + s]!,
            (s, j) => stored[s * outputs + j]!,
            (v) => v,
          ).map((v, i) => (v + more[i]!) * geluSlope(slopes[i]!, (v) => v));
          expectClose(dx, wanted, dtype === 'f32' ? 2e-6 : 2 ** -8, 2e-6 * (inputs + 4), `backward ${what}`);
        }
      });
    });
  }

  it('gives a row the same bits alone and in any batch', () => {
    forEachIsa(native, (isa) => {
      for (const dtype of floatTypes) {
        const l = makeLayer(37, 75, 5, dtype);
        const x = tensor([37, 5], l.x, dtype);
        const weight = tensor([75, 5], l.weight);
        const addend = tensor([37, 75], randomNormal(37 * 75, 6), dtype);
        const run = (begin: number, end: number) =>
          native.linearForward({
            x: native.slice(x, begin, end),
            weight,
            activation: 'gelu',
            savePreactivation: false,
            addend: native.slice(addend, begin, end),
          })[0];
        for (const [begin, end] of [
          [0, 1],
          [36, 37],
          [3, 20],
        ] as const) {
          expectSameBits(
            run(begin, end),
            native.slice(run(0, 37), begin, end),
            `${isa} ${dtype} from ${begin}`,
          );
        }
      }
    });
  });
});

describe('the gradients of a layer', () => {
  it('agree with finite differences', () => {
    const l = makeLayer(5, 4, 6, 'f32');
    const up = randomNormal(20, 9);
    const identity: Round = (v) => v;
    const loss = (
      layer: Omit<Layer, 'x' | 'weight' | 'bias'> & Record<'x' | 'weight' | 'bias', ArrayLike<number>>,
    ) => forward(layer as Layer, true, identity, identity).reduce((sum, v, i) => sum + gelu(v) * up[i]!, 0);
    const x = tensor([5, 6], l.x);
    const weight = tensor([4, 6], l.weight);
    const [, before] = native.linearForward({
      x,
      weight,
      bias: tensor([4], l.bias),
      activation: 'gelu',
      savePreactivation: true,
    });
    const dpre = native.geluBackward(tensor([5, 4], up), before!);
    const dweight = native.full([4, 6], 'f32', 0);
    const dbias = native.full([4], 'f32', 0);
    native.linearBackwardWeight(dpre, x, dweight, dbias);
    const dx = native.linearBackwardInput(dpre, weight, undefined);
    const close = (got: NativeTensor, name: 'x' | 'weight' | 'bias'): void => {
      const wanted = finiteDifferences((value) => loss({ ...l, [name]: value }), l[name]);
      values(got).forEach((v, i) => {
        expect(Math.abs(v - wanted[i]!), `${name} ${i}`).toBeLessThan(1e-5);
      });
    };
    close(dx, 'x');
    close(dweight, 'weight');
    close(dbias, 'bias');
  });
});

describe('a bf16 weight', () => {
  it('gives the bits of the same numbers in f32, in both directions, again when it was written', () => {
    forEachIsa(native, (isa) => {
      for (const dtype of floatTypes) {
        for (const [n, outputs, inputs] of [
          [5, 33, 17],
          [1, 64, 48],
        ] as const) {
          const narrow = native.cast(tensor([outputs, inputs], randomNormal(outputs * inputs, 2)), 'bf16');
          const x = tensor([n, inputs], randomNormal(n * inputs, 1), dtype);
          const dy = tensor([n, outputs], randomNormal(n * outputs, 3), dtype);
          for (const scale of [1, -2]) {
            native.scaleInto(narrow, scale);
            const wide = native.cast(narrow, 'f32');
            const both = [narrow, wide].map((weight) => [
              native.linearForward({ x, weight, activation: 'none', savePreactivation: false })[0],
              native.linearBackwardInput(dy, weight, undefined),
            ]);
            const what = `${isa} ${dtype} ${n}x${outputs}x${inputs}`;
            for (const [i, result] of both[0]!.entries()) expectSameBits(result, both[1]![i]!, what);
          }
        }
      }
    });
  });
});

describe('bad input', () => {
  const x = tensor([2, 3], new Array(6).fill(1));
  const weight = tensor([4, 3], new Array(12).fill(1));

  it('names what does not fit', () => {
    expectError('ERR_SHAPE', /\[linearForward\] expected x to be \[2, 5\] but it is \[2, 3\]/, () =>
      native.linearForward({
        x,
        weight: tensor([4, 5], new Array(20).fill(1)),
        activation: 'none',
        savePreactivation: false,
      }),
    );
    expectError('ERR_SHAPE', /bias to be \[4\]/, () =>
      native.linearForward({
        x,
        weight,
        bias: tensor([3], [1, 1, 1]),
        activation: 'none',
        savePreactivation: false,
      }),
    );
    expectError('ERR_DTYPE', /weight to be f32 or bf16 but it is i32/, () =>
      native.linearForward({
        x,
        weight: native.full([4, 3], 'i32', 0),
        activation: 'none',
        savePreactivation: false,
      }),
    );
    expectError('ERR_SHAPE', /x to be a matrix/, () =>
      native.linearForward({ x: native.view(x, [6]), weight, activation: 'none', savePreactivation: false }),
    );
    expectError('ERR_SHAPE', /addend to be \[2, 4\]/, () =>
      native.linearForward({ x, weight, activation: 'none', savePreactivation: false, addend: x }),
    );
    expectError('ERR_DTYPE', /addend to be f32 but it is bf16/, () =>
      native.linearBackwardInput(native.full([2, 4], 'f32', 1), weight, undefined, native.cast(x, 'bf16')),
    );
    expectError('ERR_SHAPE', /dy to be \[2, 4\]/, () => native.linearBackwardInput(x, weight, undefined));
    expectError('ERR_SHAPE', /inner sizes to agree but they are 3 and 4/, () =>
      native.gemm(x, weight, false, false, 'f32'),
    );
    expectError('ERR_DTYPE', /b to be f32 but it is bf16/, () =>
      native.gemm(x, native.cast(weight, 'bf16'), false, true, 'f32'),
    );
    expectError('ERR_DTYPE', /f32 or bf16 result but got i32/, () =>
      native.gemm(x, weight, false, true, 'i32'),
    );
    expectError('ERR_ARGUMENT', /expected activation to be 'none' or 'gelu' but got 'relu'/, () =>
      native.linearForward({ x, weight, activation: 'relu' as Activation, savePreactivation: false }),
    );
  });

  it('leaves the gradients alone when the bias does not fit', () => {
    const dweight = native.full([4, 3], 'f32', 0.5);
    const dy = tensor([2, 4], new Array(8).fill(1));
    expectError('ERR_SHAPE', /dbias to be \[4\]/, () =>
      native.linearBackwardWeight(dy, x, dweight, tensor([3], [0, 0, 0])),
    );
    expect([...values(dweight)]).toEqual(new Array(12).fill(0.5));
  });
});
