/** Whole models against PyTorch: what scripts/record-torch.py recorded, in f32. */
import { afterEach, describe, expect, it } from 'vitest';
import { loadModel } from '../../src/checkpoint/gpt-folder.ts';
import { native } from '../../src/native/addon.ts';
import type { Gpt } from '../../src/nn/gpt.ts';
import { AdamW } from '../../src/optim/adamw.ts';
import { backward, noGrad } from '../../src/tensor/autograd.ts';
import { scope, type Tensor, tensor } from '../../src/tensor/tensor.ts';
import { maxError } from '../helpers/reference.ts';
import {
  loadTorchFixture,
  recordedModels,
  type TorchFixture,
  torchOptimizer,
} from '../helpers/torch-fixture.ts';

function input({ batch, length, tokens }: TorchFixture, step: number) {
  return {
    tokens: tensor(tokens[step]!),
    positions: tensor(Int32Array.from({ length: batch * length }, (_, i) => i % length)),
    cuSeqlens: tensor(Int32Array.from({ length: batch + 1 }, (_, i) => i * length)),
  };
}

function meanLoss(model: Gpt, fixture: TorchFixture, step: number): Tensor {
  const scale = 1 / (fixture.batch * fixture.length);
  return model.loss(input(fixture, step), tensor(fixture.targets[step]!), { scale }).loss;
}

function firstLogits(model: Gpt, fixture: TorchFixture): Float32Array {
  return noGrad(() => scope(() => model.logits(model.forward(input(fixture, 0))).toFloats()));
}

function rms(values: Float32Array): number {
  return Math.sqrt(values.reduce((sum, x) => sum + x * x, 0) / values.length);
}

const isas = native.supportedIsas();
const active = native.activeIsa();
afterEach(() => native.setIsa(active));

describe.each(recordedModels)('%s against PyTorch', (name) => {
  const fixture = loadTorchFixture(name);

  it.each(isas)('logits agree (%s)', (isa) => {
    native.setIsa(isa);
    const model = loadModel(fixture.folder);
    // Logits are of the order of 1; f32 sums of 48 and 64 terms in another order differ
    // by some 1e-6.
    expect(maxError(firstLogits(model, fixture), fixture.logits)).toBeLessThan(1e-5);
    model.dispose();
  });

  it.each([false, true])(
    'the loss and gradients of every parameter agree (recomputed activations: %s)',
    (checkpointActivations) => {
      const model = loadModel(fixture.folder, { checkpointActivations });
      const loss = scope(() => {
        const value = meanLoss(model, fixture, 0);
        backward(value);
        return value.item();
      });
      expect(loss).toBeCloseTo(fixture.loss, 5);
      expect([...model.parameters().keys()].sort()).toEqual([...fixture.gradients.keys()].sort());
      for (const [name, parameter] of model.parameters()) {
        const wanted = fixture.gradients.get(name)!.data;
        const largest = wanted.reduce((max, x) => Math.max(max, Math.abs(x)), 0);
        expect(maxError(parameter.grad!.toFloats(), wanted), name).toBeLessThan(1e-5 * largest + 1e-8);
      }
      model.dispose();
    },
  );

  it.each(isas)('ten clipped AdamW steps give the same losses, norms and weights (%s)', (isa) => {
    native.setIsa(isa);
    const { learningRate, maxNorm } = torchOptimizer;
    const model = loadModel(fixture.folder);
    const { headDim, hiddenSize: width, kvHeads, heads, blocks } = model.config;
    const { rope } = blocks[0]!;
    const rotated = kvHeads < heads ? headDim : rope ? (rope.width ?? headDim) : 0;
    const optimizer = new AdamW(model.parameters(), torchOptimizer);
    for (let i = 0; i < fixture.steps; ++i) {
      const loss = scope(() => {
        const value = meanLoss(model, fixture, i);
        backward(value);
        return value.item();
      });
      const norm = optimizer.gradNorm();
      expect(loss, `loss of step ${i}`).toBeCloseTo(fixture.losses[i]!, 4);
      expect(norm / fixture.gradientNorms[i]!, `gradient norm of step ${i}`).toBeCloseTo(1, 4);
      optimizer.step(learningRate, Math.min(1, maxNorm / (norm + 1e-6)));
      model.zeroGrad();
    }
    for (const [name, parameter] of model.parameters()) {
      const got = parameter.toFloats();
      const wanted = Float32Array.from(fixture.finalParameters.get(name)!.data);
      const start = fixture.parameters.get(name)!.data;
      // Without rotation a bias on the keys shifts all scores of a query alike, which softmax
      // ignores: its gradient is rounding alone.
      if (name.endsWith('qkv.bias')) {
        for (let i = width; i < 2 * width; i++) if (i % headDim >= rotated) wanted[i] = got[i]!;
      }
      // As a share of the way that ten steps went, over the tensor: Adam divides a gradient by
      // its own size, so the few that are almost zero (-2.5e-8 in double precision, beside 2e-2)
      // step as far as others by their rounding.
      const off = rms(got.map((x, i) => x - wanted[i]!)) / rms(wanted.map((x, i) => x - start[i]!));
      expect(off, name).toBeLessThan(5e-3);
      // And none of them can have gone astray further than that.
      expect(maxError(got, wanted), name).toBeLessThan(learningRate);
    }
    optimizer.dispose();
    model.dispose();
  });

  it('in bf16 errs no more than bf16 storage explains', () => {
    const model = loadModel(fixture.folder, { dtype: 'bf16' });
    const errors = firstLogits(model, fixture).map((x, i) => x - fixture.logits[i]!);
    // Two layers store some ten roundings of 2^-9 each on the way of a value, and one more for each
    // norm after a branch.
    const roundings = 10 + 2 * model.blocks.filter(({ mlpOutputNorm }) => mlpOutputNorm).length;
    expect(rms(errors) / rms(fixture.logits)).toBeLessThan(roundings * 2 ** -9);
    model.dispose();
  });
});
