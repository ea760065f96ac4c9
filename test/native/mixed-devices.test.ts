/**
 * Every operation gives one clear error for a CPU tensor among GPU tensors. Part
 * of vitest.cuda.config.ts.
 */
import { describe, expect, it } from 'vitest';
import { native } from '../../src/native/addon.ts';
import { expectError, tensor } from '../helpers/reference.ts';

function onCpu<T>(make: () => T): T {
  native.setDevice('cpu');
  try {
    return make();
  } finally {
    native.setDevice('cuda');
  }
}

const ones = (shape: number[]) => native.full(shape, 'f32', 1);
const targets = () => tensor([3], [0, 1, 2], 'i32');

describe('a weight on the CPU and activations on the GPU', () => {
  const weight = onCpu(() => ones([4, 5]));
  const x = ones([3, 5]);
  const dy = ones([3, 4]);
  const calls: Record<string, () => unknown> = {
    linearForward: () => native.linearForward({ x, weight, activation: 'none', savePreactivation: false }),
    linearBackwardInput: () => native.linearBackwardInput(dy, weight, undefined),
    linearBackwardWeight: () => native.linearBackwardWeight(dy, x, weight, undefined),
    linearCrossEntropy: () =>
      native.linearCrossEntropy({ x, weight, targets: targets(), scale: 1, needGradient: true }),
    linearLogProb: () => native.linearLogProb(x, weight, targets(), 1),
    linearLogits: () => native.linearLogits(x, weight),
    gemm: () => native.gemm(x, weight, false, true, 'f32'),
    rmsNormForward: () =>
      native.rmsNormForward(
        x,
        undefined,
        onCpu(() => ones([5])),
        1e-5,
      ),
    globalNorm: () => native.globalNorm([x, weight]),
  };

  it.each(Object.keys(calls))('%s says so', (name) => {
    expectError(
      'ERR_DEVICE',
      new RegExp(`^\\[${name}\\] got tensors on the CPU and on the GPU`),
      calls[name]!,
    );
  });

  it('of a decoder says so too', () => {
    const part = { weight, bias: undefined };
    const norm = { gain: ones([5]), bias: undefined };
    const [none, rows] = [undefined, { weight: ones([4, 5]), bias: undefined }];
    const layer = {
      ...{ attentionNorm: norm, qkv: rows, queryKeyNorm: none, ropeTable: none, output: part },
      ...{ mlpNorm: norm, activation: 'gelu' as const, up: rows, down: rows },
    };
    const model = {
      ...{ tokenTable: ones([4, 5]), positionTable: none, layers: [layer], finalNorm: norm },
      ...{ norm: 'rms' as const, eps: 1e-5, heads: 1, kvHeads: 1, dtype: 'f32' as const },
    };
    expectError(
      'ERR_DEVICE',
      /^\[NativeDecoder\] got tensors on the CPU/,
      () => new native.NativeDecoder(model),
    );
  });

  it('is no error where all are on the CPU, whatever new tensors are made on', () => {
    const all = onCpu(() => ({ x: ones([3, 5]), weight: ones([4, 5]) }));
    const [y] = native.linearForward({ ...all, activation: 'none', savePreactivation: false });
    expect(Array.from(native.read(y))).toEqual(new Array(12).fill(5));
  });
});
