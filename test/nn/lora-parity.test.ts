/**
 * LoRA against PyTorch: what scripts/record-lora.py recorded with PEFT's formula on every
 * projection, in f32.
 */
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { loadModel, saveModel } from '../../src/checkpoint/gpt-folder.ts';
import { SafetensorsFile } from '../../src/checkpoint/safetensors.ts';
import type { Gpt } from '../../src/nn/gpt.ts';
import { attachLora } from '../../src/nn/lora.ts';
import { backward, noGrad } from '../../src/tensor/autograd.ts';
import { scope, tensor } from '../../src/tensor/tensor.ts';
import { temporaryFolder } from '../helpers/cli.ts';
import { maxError } from '../helpers/reference.ts';
import { type F32Data, loadTorchFixture, type TorchFixture } from '../helpers/torch-fixture.ts';

function firstInput({ batch, length, tokens }: TorchFixture) {
  return {
    tokens: tensor(tokens[0]!),
    positions: tensor(Int32Array.from({ length: batch * length }, (_, i) => i % length)),
    cuSeqlens: tensor(Int32Array.from({ length: batch + 1 }, (_, i) => i * length)),
  };
}

describe.each(['gpt2', 'llama'] as const)('LoRA on %s against PyTorch', (architecture) => {
  const fixture = loadTorchFixture(architecture);
  using file = SafetensorsFile.open(join(fixture.folder, 'lora.safetensors'));
  const recorded = new Map([...file.tensors.keys()].map((name) => [name, file.read(name) as F32Data]));
  const logits = (model: Gpt) =>
    noGrad(() => scope(() => model.logits(model.forward(firstInput(fixture))).toFloats()));
  const adapted = (options: { checkpointActivations?: boolean } = {}) => {
    const model = loadModel(fixture.folder, options);
    const adapters = attachLora(model, { rank: 4, alpha: 10, targets: ['all'], seed: 0 });
    adapters.load(new Map([...adapters.parameters().keys()].map((name) => [name, recorded.get(name)!])));
    return { model, adapters };
  };
  const names = [...recorded.keys()].filter((name) => name.startsWith('blocks.'));

  it('has as many adapters, and their logits agree', () => {
    const { model, adapters } = adapted();
    expect([...adapters.parameters().keys()].sort()).toEqual(names.sort());
    expect(maxError(logits(model), recorded.get('logits')!.data)).toBeLessThan(1e-5);
    // The adapters matter: without them the logits are those of the base, and far away.
    const base = adapters.without(() => logits(model));
    expect(maxError(base, fixture.logits)).toBeLessThan(1e-5);
    expect(maxError(base, recorded.get('logits')!.data)).toBeGreaterThan(1);
  });

  it.each([false, true])(
    'gradients of A and B agree (recomputed activations: %s)',
    (checkpointActivations) => {
      const { model, adapters } = adapted({ checkpointActivations });
      const loss = scope(() => {
        const scale = 1 / (fixture.batch * fixture.length);
        const value = model.loss(firstInput(fixture), tensor(fixture.targets[0]!), { scale }).loss;
        backward(value);
        return value.item();
      });
      expect(loss).toBeCloseTo(recorded.get('loss')!.data[0]!, 5);
      for (const [name, parameter] of adapters.parameters()) {
        const wanted = recorded.get(`grad.${name}`)!.data;
        const largest = wanted.reduce((max, x) => Math.max(max, Math.abs(x)), 0);
        expect(maxError(parameter.grad!.toFloats(), wanted), name).toBeLessThan(1e-5 * largest + 1e-8);
      }
      expect([...model.parameters().values()].every(({ grad }) => grad === undefined)).toBe(true);
    },
  );

  it('merged into a folder and read back, the logits are the adapted ones', async () => {
    const { model, adapters } = adapted();
    const live = logits(model);
    const folder = temporaryFolder();
    await saveModel(folder, model, { adapters });
    expect(maxError(logits(loadModel(folder)), live)).toBeLessThan(1e-5);
    // The live model and its base weights were only read.
    expect(logits(model)).toEqual(live);
    await saveModel(folder, model);
    expect(maxError(logits(loadModel(folder)), fixture.logits)).toBeLessThan(1e-5);
  });

  it('adapters of another model are not merged', async () => {
    const { adapters } = adapted();
    const { model } = adapted();
    await expect(saveModel(temporaryFolder(), model, { adapters })).rejects.toMatchObject({
      code: 'ERR_MISMATCH',
      message: expect.stringMatching(/another model/),
    });
  });
});
