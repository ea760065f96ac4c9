/** The plan compared with the engine's real allocations. */
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { native } from '../../../src/native/addon.ts';
import type { FrozenFormat } from '../../../src/native/binding/frozen.ts';
import type { DType } from '../../../src/native/binding.ts';
import { parameterCount } from '../../../src/nn/config.ts';
import type { WeightDType } from '../../../src/nn/decoder.ts';
import { Gpt } from '../../../src/nn/gpt.ts';
import { attachLora } from '../../../src/nn/lora.ts';
import { presetConfig } from '../../../src/nn/presets.ts';
import { AdamW } from '../../../src/optim/adamw.ts';
import { backward, noGrad } from '../../../src/tensor/autograd.ts';
import { scope } from '../../../src/tensor/tensor.ts';
import { memoryPlan, modelBytes, underAdapters } from '../../../src/train/rl/memory-plan.ts';
import { collectGarbage } from '../../helpers/garbage.ts';
import { inputOf, ints, tokenBatch } from '../../helpers/token-batch.ts';

// A worker has buffers of its own from the first task on that it takes, and on a busy machine that
// may be in the second run.
beforeAll(() => native.setNumThreads(1));
// What earlier tests left to the garbage collector would be freed in the middle of a measurement.
beforeEach(collectGarbage);
afterAll(() => native.setNumThreads(0));

/**
 * Bytes that the engine holds for what `make` leaves behind; the second time, when its own buffers
 * are there already.
 */
function bytesOf(make: () => Disposable): number {
  make()[Symbol.dispose]();
  const before = native.memoryStats()[0];
  const made = make();
  const bytes = native.memoryStats()[0] - before;
  made[Symbol.dispose]();
  return bytes;
}

const precisions: [DType, WeightDType][] = [
  ['f32', 'f32'],
  ['bf16', 'f32'],
  ['bf16', 'bf16'],
];

describe.each(precisions)(
  'in %s with weights in %s, within a twentieth of what is allocated',
  (dtype, weights) => {
    const precision = { dtype, weights };
    const config = presetConfig('tiny', { hiddenSize: 128, vocabSize: 256 });
    const batch = tokenBatch([9, 5], 256);

    function trained(rank: number, frozenProjections?: FrozenFormat): Disposable {
      const model = new Gpt(config, { ...precision, frozenProjections });
      const lora = rank > 0 ? attachLora(model, { rank, alpha: 8, targets: ['all'], seed: 1 }) : undefined;
      const optimizer = new AdamW(lora?.parameters() ?? model.parameters());
      scope(() => backward(model.loss(inputOf(batch), ints(batch.targets)).loss));
      return {
        [Symbol.dispose]() {
          optimizer.dispose();
          lora?.dispose();
          model.dispose();
        },
      };
    }

    function expectPlanned(planned: number, actual: number): void {
      expect(Math.abs(planned / actual - 1), `${planned} planned, ${actual} allocated`).toBeLessThan(0.05);
    }

    it('a model that trains', () => {
      const planned = modelBytes({ name: 'policy', trained: parameterCount(config) }, precision);
      expectPlanned(
        planned,
        bytesOf(() => trained(0)),
      );
    });

    it('a model under adapters that train', () => {
      const model = new Gpt(config);
      const adapters = attachLora(model, { rank: 16, alpha: 8, targets: ['all'], seed: 1 });
      const sizes = { trained: adapters.parameterCount(), passing: parameterCount(config) };
      adapters.dispose();
      model.dispose();
      expectPlanned(
        modelBytes({ name: 'policy', ...sizes }, precision),
        bytesOf(() => trained(16)),
      );
    });

    it('a model in int8 or NF4 under adapters that train: to the byte, what one has more', () => {
      const [int8, nf4] = (['int8', 'nf4'] as const).map((frozenProjections) => {
        const model = new Gpt(config, { ...precision, frozenProjections });
        const sizes = { trained: 0, ...underAdapters(model) };
        model.dispose();
        expect(sizes.passing).toBeLessThan(parameterCount(config) / 4);
        return {
          planned: modelBytes({ name: 'policy', ...sizes }, precision),
          allocated: bytesOf(() => trained(16, frozenProjections)),
        };
      });
      expect(int8!.planned - nf4!.planned).toBe(int8!.allocated - nf4!.allocated);
    });

    it('a model that is read', () => {
      const read = () => {
        const model = new Gpt(config, precision);
        noGrad(() => scope(() => model.loss(inputOf(batch), ints(batch.targets))));
        return { [Symbol.dispose]: () => model.dispose() };
      };
      const planned = modelBytes({ name: 'reference', trained: 0, read: parameterCount(config) }, precision);
      expectPlanned(planned, bytesOf(read));
    });
  },
);

it('is one line with each model and their sum', () => {
  const models = [
    { name: 'policy', trained: 1024 },
    { name: 'reference', trained: 0, read: 1024 },
  ];
  expect(memoryPlan(models, 0, { dtype: 'bf16' })).toBe(
    'memory: policy 20.0 KiB, reference 6.00 KiB; 26.0 KiB in all, activations and the cache of decoding aside',
  );
  expect(memoryPlan(models, 1024, { dtype: 'f32' })).toMatch(
    /policy 24\.0 KiB, reference 8\.00 KiB, averaged weights 4\.00 KiB; 36\.0/,
  );
});
