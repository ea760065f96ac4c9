/**
 * The promises of the engine for whole models: the same bits for any number of threads, packing,
 * batch and cache.
 */
import { afterEach, describe, expect, it } from 'vitest';
import { KvCache } from '../../src/generate/kv-cache.ts';
import { native } from '../../src/native/addon.ts';
import type { DType } from '../../src/native/binding.ts';
import { parameterCount, parameterShapes } from '../../src/nn/config.ts';
import { Gpt } from '../../src/nn/gpt.ts';
import { noGrad } from '../../src/tensor/autograd.ts';
import { keep, scope, type Tensor } from '../../src/tensor/tensor.ts';
import { allConfigs } from '../helpers/family-configs.ts';
import { expectGradients } from '../helpers/gradient-check.ts';
import { expectSameBits } from '../helpers/reference.ts';
import { gradients, hiddenStates, inputOf, ints, tokenBatch } from '../helpers/token-batch.ts';

const dtypes: DType[] = ['f32', 'bf16'];
const cases = allConfigs.flatMap(([name, config]) => dtypes.map((dtype) => [name, dtype, config] as const));

afterEach(() => native.setNumThreads(0));

describe.each(cases)('%s in %s', (_, dtype, config) => {
  const made = tokenBatch([5, 40, 19], config.vocabSize);

  it('a training step has the same bits with 1, 2 and 3 threads', () => {
    const model = new Gpt(config, { dtype, seed: 1 });
    native.setNumThreads(1);
    const one = gradients(model, made);
    for (const threads of [2, 3]) {
      native.setNumThreads(threads);
      const more = gradients(model, made);
      expect(more.loss).toBe(one.loss);
      for (const [name, grad] of one.grads)
        expectSameBits(more.grads.get(name)!, grad, `${name}, ${threads} threads`);
    }
    model.dispose();
  });

  it('R1: two training passes over a batch have the same bits: nothing is dropped at random', () => {
    const model = new Gpt(config, { dtype, seed: 1 });
    const [a, b] = [gradients(model, made), gradients(model, made)];
    expect(b.loss).toBe(a.loss);
    for (const [name, grad] of a.grads) expectSameBits(b.grads.get(name)!, grad, name);
    expectSameBits(hiddenStates(model, made), hiddenStates(model, made));
  });

  it('recomputing activations changes no bit of the gradients of weights', () => {
    const model = new Gpt(config, { dtype, seed: 1 });
    const recomputing = new Gpt(config, { dtype, seed: 1, checkpointActivations: true });
    const [a, b] = [gradients(model, made), gradients(recomputing, made)];
    expect(b.loss).toBe(a.loss);
    for (const [name, grad] of a.grads) expectSameBits(b.grads.get(name)!, grad, name);
  });

  it('R8: packed sequences of unequal length give the rows that each gives alone, so there is no padding', () => {
    const model = new Gpt(config, { dtype, seed: 1 });
    noGrad(() =>
      scope(() => {
        const packed = model.forward(inputOf(made));
        made.starts.slice(0, -1).forEach((start, i) => {
          const end = made.starts[i + 1]!;
          const alone = model.forward({
            tokens: ints(made.ids.slice(start, end)),
            positions: ints(made.positions.slice(start, end)),
            cuSeqlens: ints([0, end - start]),
          });
          expectSameBits(alone.handle, native.slice(packed.handle, start, end), `sequence ${i}`);
        });
      }),
    );
  });

  it('R15: decoding through the KV cache gives the logits of the full pass, bit for bit', () => {
    const model = new Gpt(config, { dtype, seed: 1 });
    const { ids } = made;
    const length = 40;
    noGrad(() =>
      scope(() => {
        const whole = model.logits(
          model.forward({
            tokens: ints(ids.slice(0, length)),
            positions: ints(Array.from({ length }, (_, i) => i)),
            cuSeqlens: ints([0, length]),
          }),
        );
        const cache = new KvCache(model, 2, length);
        const pieces = [7, 1, 1, 3, 1, 20, 1, 1, 5];
        let past = 0;
        for (const count of pieces) {
          const positions = Array.from({ length: count }, (_, i) => past + i);
          const hidden = model.forward(
            {
              tokens: ints(positions.map((i) => ids[i]!)),
              positions: ints(positions),
              cuSeqlens: ints([0, count]),
            },
            cache.view(ints([1]), ints([past])),
          );
          expectSameBits(
            model.logits(hidden).handle,
            native.slice(whole.handle, past, past + count),
            `from ${past}`,
          );
          past += count;
        }
        expect(past).toBe(length);
        cache.dispose();
      }),
    );
  });
});

describe.each(allConfigs)('%s', (_, config) => {
  it('has the gradients that finite differences find', () => {
    const layers = config.blocks.length;
    const model = new Gpt({ ...config, vocabSize: 23, layers, initializerRange: 0.3 }, { seed: 2 });
    const made = tokenBatch([6, 9], 23);
    const [targets, index] = [keep(ints(made.targets)), inputOf(made)];
    for (const t of Object.values(index)) keep(t);
    const loss = () => model.loss(index, targets, { scale: 1 / made.n }).loss;
    const parameters: Record<string, Tensor> = Object.fromEntries(model.parameters());
    expectGradients(loss, parameters, { tolerance: 2e-2, samples: 4 });
  });

  it('starts at the loss of a uniform guess and has as many parameters as it says', () => {
    const model = new Gpt(config, { seed: 4 });
    const named = [...model.parameters()].map(([name, { shape }]) => [name, shape]);
    expect(named).toEqual([...parameterShapes(config)]);
    expect(model.parameterCount()).toBe(parameterCount(config));
    const made = tokenBatch([32, 32], config.vocabSize);
    const { loss } = gradients(model, made);
    expect(Math.abs(loss - Math.log(config.vocabSize))).toBeLessThan(0.1);
  });
});
