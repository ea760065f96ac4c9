/**
 * Weights in int8 and NF4 against what scripts/record-frozen.py recorded: bitsandbytes' codes,
 * scales and values, numpy's, and PyTorch's products and gradients.
 */
import { describe, expect, it } from 'vitest';
import { SafetensorsFile } from '../../src/checkpoint/safetensors.ts';
import { native } from '../../src/native/addon.ts';
import type { FrozenFormat } from '../../src/native/binding/frozen.ts';
import { backward } from '../../src/tensor/autograd.ts';
import { FrozenWeight } from '../../src/tensor/frozen-weight.ts';
import { mul, sum } from '../../src/tensor/ops/elementwise.ts';
import { linear } from '../../src/tensor/ops/linear.ts';
import { tensor as make, parameter, scope, type Tensor } from '../../src/tensor/tensor.ts';
import {
  expectError,
  expectSameBits,
  expectSameForThreads,
  forEachIsa,
  maxError,
  randomNormal,
  tensor,
} from '../helpers/reference.ts';
import type { F32Data } from '../helpers/torch-fixture.ts';

const formats: FrozenFormat[] = ['int8', 'nf4'];
const file = SafetensorsFile.open('test/fixtures/frozen/weights.safetensors');
const recorded = (name: string) => file.read(name) as F32Data;
const names = ['normal', 'odd', 'hard', 'edge'];
const cases = formats.flatMap((format) => names.map((name) => [format, name] as const));

describe.each(cases)('%s of the matrix %s', (format, name) => {
  const weight = recorded(`${name}.weight`);
  const [outputs = 0, inputs = 0] = weight.shape;
  const part = (key: string) => recorded(`${name}.${format}.${key}`);

  it('has the recorded scales and codes', () => {
    forEachIsa(native, () => {
      const [codes, scales] = native.quantizeFrozen(tensor(weight.shape, weight.data), format);
      expect(native.read(scales)).toEqual(part('scales').data);
      expect(native.read(codes)).toEqual(part('codes').data);
    });
  });

  it('gives the recorded values back, in f32 and bf16', () => {
    forEachIsa(native, () => {
      const [codes, scales] = native.quantizeFrozen(tensor(weight.shape, weight.data), format);
      const matrix = { codes, scales, format, outputs, inputs };
      // toEqual knows -0: bitsandbytes and numpy give it where a negative scale or code was 0.
      expect(native.read(native.dequantizeFrozen(matrix, 'f32'))).toEqual(part('values').data);
      const narrow = native.read(native.dequantizeFrozen(matrix, 'bf16'));
      expect(narrow).toEqual(part('bf16').data);
    });
  });
});

/** To 1e-6 of the largest number: sums of 100 products in f32. */
function expectClose(actual: Tensor, wanted: Float32Array, what: string): void {
  const largest = wanted.reduce((most, x) => Math.max(most, Math.abs(x)), 0);
  expect(maxError(actual.toFloats(), wanted) / largest, what).toBeLessThan(1e-6);
}

describe.each(formats)('a linear layer with LoRA over %s', (format) => {
  const part = (name: string) => recorded(`layer.${format}.${name}`);
  const made = (name: string) => make(part(name).data, part(name).shape);

  it("has PyTorch's result and gradients", () => {
    const { data, shape } = recorded('normal.weight');
    const weight = new FrozenWeight(make(data, shape), format);
    const [x, a, b] = ['x', 'a', 'b'].map((name) => parameter(made(name)));
    const y = linear(x!, weight, made('bias'), { a: a!, b: b!, scale: 2 });
    expectClose(y, part('y').data, 'y');
    backward(sum(mul(y, made('dy'))));
    for (const [name, { grad }] of Object.entries({ dx: x!, da: a!, db: b! })) {
      expectClose(grad!, part(name).data, name);
    }
  });
});

describe.each(formats)('%s', (format) => {
  const quantized = (values: Float32Array, shape: number[]) => {
    const [codes, scales] = native.quantizeFrozen(tensor(shape, values), format);
    return { codes, scales, format, outputs: shape[0]!, inputs: shape[1]! };
  };

  it('is the same for any number of threads', () => {
    const shape = [37, 515];
    const values = randomNormal(37 * 515, 3);
    expectSameForThreads(native, () => {
      const matrix = quantized(values, shape);
      return [matrix.codes, matrix.scales, native.dequantizeFrozen(matrix, 'bf16')];
    });
  });

  it('of a weight in bf16 is that of the same numbers in f32', () => {
    const wide = native.cast(native.cast(tensor([5, 100], randomNormal(500, 4)), 'bf16'), 'f32');
    const narrow = native.cast(wide, 'bf16');
    const [ours, wanted] = [narrow, wide].map((weight) => native.quantizeFrozen(weight, format));
    for (const [i, part] of ours!.entries()) expectSameBits(part, wanted![i]!);
  });

  it('keeps a number that is not finite from passing as one that is', () => {
    for (const broken of [Number.NaN, Number.POSITIVE_INFINITY]) {
      const values = randomNormal(2 * 64, 5);
      values[3] = broken;
      const back = native.read(native.dequantizeFrozen(quantized(values, [2, 64]), 'f32')) as Float32Array;
      expect(Number.isFinite(back[3])).toBe(false);
      expect(back.subarray(64).every(Number.isFinite)).toBe(true);
    }
  });

  it('has room for no rows', () => {
    for (const shape of [
      [0, 64],
      [3, 0],
    ]) {
      const matrix = quantized(new Float32Array(0), shape);
      expect(native.shapeOf(native.dequantizeFrozen(matrix, 'f32'))).toEqual(shape);
    }
  });

  it('refuses bytes of another matrix', () => {
    const matrix = quantized(randomNormal(128, 6), [2, 64]);
    expectError('ERR_SHAPE', /expected (codes|scales) to be \[\d+\] but it is/, () =>
      native.dequantizeFrozen({ ...matrix, inputs: 65 }, 'f32'),
    );
    expectError('ERR_DTYPE', /f32 or bf16/, () => native.dequantizeFrozen(matrix, 'i32'));
    expectError('ERR_SHAPE', /weight to be a matrix/, () =>
      native.quantizeFrozen(tensor([4], randomNormal(4, 1)), format),
    );
  });
});

it('a product leaves no matrix in memory', () => {
  const weight = new FrozenWeight(make(randomNormal(256 * 256, 7), [256, 256]), 'nf4');
  expect(weight.bytes).toBe((256 * 256) / 2 + (4 * 256 * 256) / 64);
  scope(() => {
    const x = parameter(make(randomNormal(256, 8), [1, 256]));
    // The first product makes what the backend keeps for all.
    linear(x, weight);
    const before = native.memoryStats()[0];
    const y = linear(x, weight);
    expect(native.memoryStats()[0] - before).toBeLessThan(4096);
    backward(sum(y));
    expect(native.memoryStats()[0] - before).toBeLessThan(8192);
  });
});
