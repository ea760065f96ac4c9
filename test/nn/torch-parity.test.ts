/** Whole models against PyTorch: what scripts/record-torch.py recorded, in f32. */
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { loadGpt } from '../../src/checkpoint/gpt-folder.ts';
import { loadModel } from '../../src/checkpoint/load-model.ts';
import { SafetensorsFile } from '../../src/checkpoint/safetensors.ts';
import { native } from '../../src/native/addon.ts';
import type { Gpt } from '../../src/nn/gpt.ts';
import { AdamW } from '../../src/optim/adamw.ts';
import { backward, noGrad } from '../../src/tensor/autograd.ts';
import { scope, type Tensor, tensor } from '../../src/tensor/tensor.ts';
import { maxError } from '../helpers/reference.ts';

const LENGTH = 24;
const BATCH = 2;

function recordOf(folder: string) {
  const file = SafetensorsFile.open(join(folder, 'record.safetensors'));
  const read = (name: string) => file.read(name).data;
  const record = {
    tokens: read('tokens') as Int32Array,
    targets: read('targets') as Int32Array,
    logits: read('logits') as Float32Array,
    losses: read('losses') as Float32Array,
    gradNorms: read('grad_norms') as Float32Array,
  };
  file.close();
  return record;
}

function step(values: Int32Array, index: number): Tensor {
  return tensor(values.slice(index * BATCH * LENGTH, (index + 1) * BATCH * LENGTH));
}

function input(tokens: Tensor) {
  return {
    tokens,
    positions: tensor(Int32Array.from({ length: BATCH * LENGTH }, (_, i) => i % LENGTH)),
    cuSeqlens: tensor(Int32Array.of(0, LENGTH, 2 * LENGTH)),
  };
}

const meanLoss = (model: Gpt, tokens: Tensor, targets: Tensor) =>
  model.loss(input(tokens), targets, { scale: 1 / (BATCH * LENGTH) }).loss;

const isas = native.supportedIsas();
const active = native.activeIsa();
afterEach(() => native.setIsa(active));

describe.each(['gpt2', 'llama'])('%s against PyTorch', (name) => {
  const folder = join(import.meta.dirname, '..', 'fixtures', 'torch', name);
  const record = recordOf(folder);

  it.each(isas)('logits agree (%s)', (isa) => {
    native.setIsa(isa);
    const model = loadGpt(folder);
    const logits = noGrad(() =>
      scope(() => model.logits(model.forward(input(step(record.tokens, 0)))).toFloats()),
    );
    // Logits are of the order of 1; f32 sums of 48 and 64 terms in another order differ by some 1e-6.
    expect(maxError(logits, record.logits)).toBeLessThan(1e-5);
  });

  it.each([false, true])(
    'gradients of every parameter agree (recomputed activations: %s)',
    (checkpointActivations) => {
      const model = loadGpt(folder, { checkpointActivations });
      scope(() => backward(meanLoss(model, step(record.tokens, 0), step(record.targets, 0))));
      const expected = loadModel(folder, 'gradients.safetensors').parameters;
      expect([...model.parameters().keys()].sort()).toEqual([...expected.keys()].sort());
      for (const [parameterName, parameter] of model.parameters()) {
        const wanted = expected.get(parameterName)!.data as Float32Array;
        const largest = Math.max(...wanted.map(Math.abs));
        expect(maxError(parameter.grad!.toFloats(), wanted), parameterName).toBeLessThan(
          1e-5 * largest + 1e-8,
        );
      }
    },
  );

  it('ten clipped AdamW steps give the same losses, norms and weights', () => {
    const model = loadGpt(folder);
    const width = model.config.hiddenSize;
    const optimizer = new AdamW(model.parameters(), { beta1: 0.9, beta2: 0.95, eps: 1e-8, weightDecay: 0.1 });
    for (let i = 0; i < record.losses.length; ++i) {
      const loss = scope(() => {
        const value = meanLoss(model, step(record.tokens, i), step(record.targets, i));
        backward(value);
        return value.item();
      });
      const norm = optimizer.gradNorm();
      expect(loss, `loss of step ${i}`).toBeCloseTo(record.losses[i]!, 4);
      expect(norm / record.gradNorms[i]!, `gradient norm of step ${i}`).toBeCloseTo(1, 4);
      optimizer.step(1e-3, Math.min(1, 1 / (norm + 1e-6)));
      model.zeroGrad();
    }
    const final = loadModel(folder, 'final.safetensors').parameters;
    for (const [parameterName, parameter] of model.parameters()) {
      // Adam divides by the root of the second moment: where a gradient is near 0 its rounding moves a step of 1e-3.
      const [got, wanted] = [parameter.toFloats(), (final.get(parameterName)!.data as Float32Array).slice()];
      // A bias on the keys shifts all scores of a query alike, which softmax ignores: its gradient is rounding alone.
      if (parameterName.endsWith('qkv.bias')) wanted.set(got.subarray(width, 2 * width), width);
      expect(maxError(got, wanted), parameterName).toBeLessThan(2e-4);
    }
  });

  it('in bf16 errs no more than bf16 storage explains', () => {
    const model = loadGpt(folder, { dtype: 'bf16' });
    const logits = noGrad(() =>
      scope(() => model.logits(model.forward(input(step(record.tokens, 0)))).toFloats()),
    );
    const rms = (values: Float32Array) =>
      Math.sqrt(values.reduce((sum, x) => sum + x * x, 0) / values.length);
    // Two layers store some ten roundings of 2^-9 each on the way of a value.
    expect(rms(logits.map((x, i) => x - record.logits[i]!)) / rms(record.logits)).toBeLessThan(10 * 2 ** -9);
  });
});
