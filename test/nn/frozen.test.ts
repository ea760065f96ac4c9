/** Freezing: the parameters that still train get the same gradient as when all parameters train. */
import { describe, expect, it } from 'vitest';
import { Gpt } from '../../src/nn/gpt.ts';
import type { Module } from '../../src/nn/module.ts';
import { presetConfig } from '../../src/nn/presets.ts';
import { ScoringModel } from '../../src/nn/scoring-model.ts';
import { backward } from '../../src/tensor/autograd.ts';
import { mean } from '../../src/tensor/ops/elementwise.ts';
import { scope } from '../../src/tensor/tensor.ts';
import { expectError, expectSameBits, maxError } from '../helpers/reference.ts';
import { gradients, inputOf, ints, tokenBatch } from '../helpers/token-batch.ts';

function trainOnly(model: Module, wanted: (name: string) => boolean): void {
  for (const [name, parameter] of model.parameters()) parameter.requiresGrad = wanted(name);
}

describe.each(['tiny', 'llama-tiny'])('%s', (preset) => {
  const config = presetConfig(preset, { vocabSize: 23, tiedHead: false });
  const made = tokenBatch([6, 9], 23);

  it.each([false, true])(
    'each parameter trains alone (recomputed activations: %s)',
    (checkpointActivations) => {
      const model = new Gpt(config, { seed: 2, checkpointActivations });
      const all = gradients(model, made).grads;
      const step = () =>
        scope(() => backward(model.loss(inputOf(made), ints(made.targets), { scale: 1 / made.n }).loss));
      for (const [name, wanted] of all) {
        trainOnly(model, (other) => other === name);
        expect([...model.trainable().keys()]).toEqual([name]);
        step();
        for (const [other, { grad }] of model.parameters()) {
          if (other !== name) expect(grad, `${other} while ${name} trains`).toBeUndefined();
          else if (!name.endsWith('bias')) expectSameBits(grad!.toFloats(), wanted, name);
          // Summed by another kernel than the one that the weight's gradient carries along.
          else expect(maxError(grad!.toFloats(), wanted), name).toBeLessThan(1e-7);
        }
        model.zeroGrad();
      }
      expect(model.parameters().size).toBe(all.size);
      trainOnly(model, () => false);
      expectError('ERR_STATE', /nothing here requires a gradient/, step);
    },
  );

  it.each([false, true])(
    'a head learns on a frozen trunk (recomputed activations: %s)',
    (checkpointActivations) => {
      const model = new ScoringModel(config, { seed: 2, checkpointActivations });
      const grads = () => {
        scope(() => backward(mean(model.scores(inputOf(made), ints([5, 14])))));
        const found = [model.score.weight, model.score.bias!].map(({ grad }) => grad!.toFloats());
        const trunk = model.tokenEmbedding.weight.grad;
        model.zeroGrad();
        return { found, trunk };
      };
      const whole = grads();
      expect(whole.trunk).toBeDefined();
      trainOnly(model, (name) => name.startsWith('score.'));
      const alone = grads();
      expect(alone.trunk).toBeUndefined();
      alone.found.forEach((grad, i) => {
        expectSameBits(grad, whole.found[i]!);
      });
    },
  );
});
