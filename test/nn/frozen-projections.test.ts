/**
 * Models with projections in int8 and NF4: each computes, trains and decodes exactly as a model
 * with the dequantized weights does, bit for bit. test/native/frozen.test.ts has the numbers.
 */
import { describe, expect, it } from 'vitest';
import { loadModel, loadScoringModel, saveModel, saveScoringModel } from '../../src/checkpoint/gpt-folder.ts';
import { generate } from '../../src/generate/generate.ts';
import { KvCache } from '../../src/generate/kv-cache.ts';
import { native } from '../../src/native/addon.ts';
import type { DType } from '../../src/native/binding.ts';
import { parameterCount, parameterShapes } from '../../src/nn/config.ts';
import type { Decoder, GptOptions } from '../../src/nn/decoder.ts';
import { Gpt } from '../../src/nn/gpt.ts';
import { growVocabulary } from '../../src/nn/grow-vocabulary.ts';
import { attachLora, type LoraAdapters } from '../../src/nn/lora.ts';
import { presetConfig } from '../../src/nn/presets.ts';
import { quantizeForDecoding } from '../../src/nn/quantized-weights.ts';
import { ScoringModel } from '../../src/nn/scoring-model.ts';
import { noGrad } from '../../src/tensor/autograd.ts';
import { FrozenWeight } from '../../src/tensor/frozen-weight.ts';
import { scope, tensor } from '../../src/tensor/tensor.ts';
import { temporaryFolder } from '../helpers/cli.ts';
import { onCuda } from '../helpers/device.ts';
import { allConfigs } from '../helpers/family-configs.ts';
import { collectGarbage } from '../helpers/garbage.ts';
import { expectSameBits, maxError, randomNormal } from '../helpers/reference.ts';
import { gradients, hiddenStates, ints, tokenBatch } from '../helpers/token-batch.ts';

const formats = ['int8', 'nf4'] as const;
const dtypes: DType[] = ['f32', 'bf16'];
const lora = { rank: 3, alpha: 6, targets: ['all'], seed: 11 } as const;

function stir(adapters: LoraAdapters): LoraAdapters {
  let seed = 50;
  for (const [name, value] of adapters.parameters()) {
    if (name.endsWith('lora_b')) value.write(randomNormal(value.size, seed++, 0.2));
  }
  return adapters;
}

/** Gives a model with ordinary weights the numbers of one with frozen ones. */
function takeValues<M extends Decoder>(model: M, from: Decoder): M {
  const parameters = model.parameters();
  for (const [name, weight] of from.frozenWeights()) parameters.get(name)!.writeFloats(weight.toFloats());
  return model;
}

const cases = allConfigs.flatMap(([name, config]) =>
  formats.flatMap((format) => dtypes.map((dtype) => [name, format, dtype, config] as const)),
);

describe.each(cases)('%s with projections in %s, activations in %s', (_, format, dtype, config) => {
  const made = tokenBatch([5, 21], config.vocabSize);
  const frozen = (more: GptOptions = {}) =>
    new Gpt(config, { dtype, seed: 1, frozenProjections: format, ...more });
  const dequantized = (from: Decoder) => takeValues(new Gpt(config, { dtype, seed: 1 }), from);

  it('computes, and trains adapters, as with the dequantized weights', () => {
    const [model, recomputing] = [frozen(), frozen({ checkpointActivations: true })];
    const plain = dequantized(model);
    expectSameBits(hiddenStates(model, made), hiddenStates(plain, made));
    const [ours, again, wanted] = [model, recomputing, plain].map((m) =>
      gradients(m, made, stir(attachLora(m, lora))),
    );
    for (const { loss, grads } of [ours!, again!]) {
      expect(loss).toBe(wanted!.loss);
      for (const [name, grad] of wanted!.grads) expectSameBits(grads.get(name)!, grad, name);
    }
  });

  it('decodes with the bits of the full pass', () => {
    const model = frozen();
    stir(attachLora(model, lora));
    const length = 12;
    noGrad(() =>
      scope(() => {
        const rows = (from: number, to: number) => ({
          tokens: ints(made.ids.slice(from, to)),
          positions: ints(Array.from({ length: to - from }, (_, i) => from + i)),
          cuSeqlens: ints([0, to - from]),
        });
        const whole = model.forward(rows(0, length)).handle;
        const cache = new KvCache(model, 2, length);
        let past = 0;
        for (const count of [7, 1, 1, 3]) {
          const hidden = model.forward(rows(past, past + count), cache.view(ints([1]), ints([past])));
          expectSameBits(hidden.handle, native.slice(whole, past, past + count), `from ${past}`);
          past += count;
        }
        cache.dispose();
      }),
    );
  });
});

describe.each(formats)('projections in %s', (format) => {
  const config = presetConfig('llama-tiny');
  const make = () => new Gpt(config, { seed: 1, frozenProjections: format });

  it('are counted, but are no parameters', () => {
    const model = make();
    expect(model.parameterCount()).toBe(parameterCount(config));
    const names = [...model.parameters().keys(), ...model.frozenWeights().keys()];
    expect(names.sort()).toEqual([...parameterShapes(config).keys()].sort());
    expect(model.frozenWeights().size).toBe(4 * config.layers);
    for (const name of model.trainable().keys()) expect(name).toMatch(/embedding|norm/);
  });

  it('many sequences decode with the bits of a few, on several threads', async () => {
    const model = make();
    stir(attachLora(model, lora));
    const prompts = Array.from({ length: 70 }, (_, i) => Int32Array.of(i, 2 * i, 3));
    const settings = { maxTokens: 3, temperature: 0.8, seed: 4 };
    native.setNumThreads(2);
    try {
      const [many, few] = [
        await generate(model, prompts, { ...settings, batchSize: 70 }),
        await generate(model, prompts, { ...settings, batchSize: 5 }),
      ];
      expect(many).toEqual(few);
    } finally {
      native.setNumThreads(0);
    }
  });

  it('survive a larger vocabulary', () => {
    const model = make();
    const grown = growVocabulary(model, config.vocabSize + 3);
    expect(grown.frozenProjections).toBe(format);
    for (const [name, weight] of model.frozenWeights()) {
      expectSameBits(grown.frozenWeights().get(name)!.toFloats(), weight.toFloats(), name);
    }
  });

  it.skipIf(onCuda)('decode in int8 too, after quantizeForDecoding', async () => {
    const model = make();
    const plain = takeValues(new Gpt(config, { seed: 1 }), model);
    using _ = quantizeForDecoding(model);
    using _plain = quantizeForDecoding(plain);
    const draw = (m: Gpt) => generate(m, [Int32Array.of(1, 2, 3)], { maxTokens: 12, seed: 5 });
    expect(await draw(model)).toEqual(await draw(plain));
  });

  it('adapters are merged into the weights of the folder, without the rounding', async () => {
    const [base, out] = [temporaryFolder(), temporaryFolder()];
    await saveModel(base, new Gpt(config, { seed: 6 }));
    const [model, plain] = [loadModel(base, { frozenProjections: format }), loadModel(base)];
    for (const [name, weight] of model.frozenWeights()) {
      const whole = plain.parameters().get(name)!;
      expectSameBits(weight.toFloats(), new FrozenWeight(whole, format).toFloats(), name);
    }
    const [adapters, wanted] = [model, plain].map((m) => stir(attachLora(m, lora)));
    await saveModel(out, model, { adapters: adapters! });
    const merged = new Map(wanted!.mergedParameters());
    for (const [name, value] of loadModel(out).parameters()) {
      expectSameBits(value.toFloats(), merged.get(name)!.data(), name);
    }
    await saveModel(out, model);
    for (const [name, value] of loadModel(out).parameters()) {
      expectSameBits(value.toFloats(), plain.parameters().get(name)!.toFloats(), name);
    }
  });

  it('without a folder the dequantized weights are stored', async () => {
    const out = temporaryFolder();
    const model = new ScoringModel(config, { seed: 7, frozenProjections: format });
    await saveScoringModel(out, model);
    const stored = loadScoringModel(out).parameters();
    for (const [name, weight] of model.frozenWeights()) {
      expectSameBits(stored.get(name)!.toFloats(), weight.toFloats(), name);
    }
  });

  it('load() quantizes the values, and frees what it made', () => {
    const model = make();
    const values = new Map(
      [...new Gpt(config, { seed: 8 }).parameters()].map(([name, value]) => [
        name,
        { shape: value.shape, data: value.toFloats() },
      ]),
    );
    const before = native.memoryStats()[0];
    model.load(values);
    expect(native.memoryStats()[0]).toBe(before);
    for (const [name, weight] of model.frozenWeights()) {
      const { data, shape } = values.get(name)!;
      const error = maxError(weight.toFloats(), data) / Math.max(...data.map(Math.abs));
      // Half a step of int8, and half of the widest gap of NF4.
      expect(error, name).toBeLessThan(format === 'int8' ? 0.5 / 127 + 1e-6 : 0.152);
      expectSameBits(weight.toFloats(), new FrozenWeight(tensor(data, shape), format).toFloats(), name);
    }
  });

  it('dispose() frees them', async () => {
    await collectGarbage();
    const before = native.memoryStats()[0];
    make().dispose();
    expect(native.memoryStats()[0]).toBe(before);
  });
});
