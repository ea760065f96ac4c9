/** LoRA: what adapters change, and what they must not change. */
import { afterEach, describe, expect, it } from 'vitest';
import { generate } from '../../src/generate/generate.ts';
import { KvCache } from '../../src/generate/kv-cache.ts';
import { native } from '../../src/native/addon.ts';
import type { DType } from '../../src/native/binding.ts';
import { parameterShapes } from '../../src/nn/config.ts';
import type { Decoder } from '../../src/nn/decoder.ts';
import { Gpt } from '../../src/nn/gpt.ts';
import { attachLora, type LoraAdapters, type LoraOptions } from '../../src/nn/lora.ts';
import { presetConfig } from '../../src/nn/presets.ts';
import { ScoringModel } from '../../src/nn/scoring-model.ts';
import { AdamW } from '../../src/optim/adamw.ts';
import { backward, noGrad } from '../../src/tensor/autograd.ts';
import { mean } from '../../src/tensor/ops/elementwise.ts';
import { keep, scope, Tensor, tensor } from '../../src/tensor/tensor.ts';
import { allConfigs } from '../helpers/family-configs.ts';
import { expectGradients } from '../helpers/gradient-check.ts';
import { expectError, expectSameBits, randomNormal } from '../helpers/reference.ts';
import { gradients, hiddenStates, inputOf, ints, tokenBatch } from '../helpers/token-batch.ts';

// An odd rank: no vector width divides it.
const options: LoraOptions = { rank: 3, alpha: 6, targets: ['all'], seed: 11 };

/** B as after some training. */
function stir(adapters: LoraAdapters, scale = 0.2): LoraAdapters {
  let seed = 50;
  for (const [name, value] of adapters.parameters()) {
    if (name.endsWith('lora_b')) value.write(randomNormal(value.size, seed++, scale));
  }
  return adapters;
}

const presets = ['tiny', 'llama-tiny'] as const;
const dtypes: DType[] = ['f32', 'bf16'];
const cases = allConfigs.flatMap(([name, config]) => dtypes.map((dtype) => [name, dtype, config] as const));

afterEach(() => native.setNumThreads(0));

describe.each(cases)('LoRA on %s in %s', (_, dtype, config) => {
  const made = tokenBatch([5, 40, 19], config.vocabSize);
  const make = (more: { checkpointActivations?: boolean } = {}) =>
    new Gpt(config, { dtype, seed: 1, ...more });

  it('changes no bit before the first step', () => {
    const model = make();
    const before = hiddenStates(model, made);
    const adapters = attachLora(model, options);
    expectSameBits(hiddenStates(model, made), before);
    expect(gradients(model, made, adapters).loss).toBe(gradients(make(), made).loss);
    stir(adapters);
    expect(hiddenStates(model, made)).not.toEqual(before);
  });

  it('a training step has the same bits with 1, 2 and 3 threads, and with recomputed activations', () => {
    const [model, recomputing] = [make(), make({ checkpointActivations: true })];
    const [adapters, again] = [model, recomputing].map((m) => stir(attachLora(m, options))) as [
      LoraAdapters,
      LoraAdapters,
    ];
    native.setNumThreads(1);
    const one = gradients(model, made, adapters);
    for (const threads of [1, 2, 3]) {
      native.setNumThreads(threads);
      for (const [m, a] of [
        [model, adapters],
        [recomputing, again],
      ] as const) {
        const more = gradients(m, made, a);
        expect(more.loss).toBe(one.loss);
        for (const [name, grad] of one.grads)
          expectSameBits(more.grads.get(name)!, grad, `${name}, ${threads} threads`);
      }
    }
  });

  it('decoding through the KV cache gives the logits of the full pass, bit for bit', () => {
    const model = make();
    stir(attachLora(model, options));
    const length = 40;
    noGrad(() =>
      scope(() => {
        const rows = (from: number, to: number) => ({
          tokens: ints(made.ids.slice(from, to)),
          positions: ints(Array.from({ length: to - from }, (_, i) => from + i)),
          cuSeqlens: ints([0, to - from]),
        });
        const whole = model.logits(model.forward(rows(0, length)));
        const cache = new KvCache(model, 2, length);
        let past = 0;
        for (const count of [7, 1, 1, 3, 1, 20, 1, 1, 5]) {
          const hidden = model.forward(rows(past, past + count), cache.view(ints([1]), ints([past])));
          const wanted = native.slice(whole.handle, past, past + count);
          expectSameBits(model.logits(hidden).handle, wanted, `from ${past}`);
          past += count;
        }
        expect(past).toBe(length);
        cache.dispose();
      }),
    );
  });

  it('R15: sampled log-probabilities are those of the training pass, bit for bit', async () => {
    const model = make();
    stir(attachLora(model, options));
    const prompt = made.ids.slice(0, 5);
    const [completion] = await generate(model, [prompt, made.ids.slice(5, 20)], {
      maxTokens: 20,
      temperature: 0.9,
      seed: 3,
    });
    const ids = Int32Array.from([...prompt, ...completion!.tokens]);
    const n = ids.length - 1;
    const scored = noGrad(() =>
      scope(() => {
        const positions = Array.from({ length: n }, (_, i) => i);
        const index = { positions: ints(positions), cuSeqlens: ints([0, n]) };
        const hidden = model.forward({ tokens: tensor(ids.slice(0, n)), ...index });
        const targets = tensor(ids.slice(1));
        const [logProbs] = native.linearLogProb(
          hidden.handle,
          model.headWeight.handle,
          targets.handle,
          0.9,
          model.config.logitSoftcap,
        );
        return new Tensor(logProbs).toFloats();
      }),
    );
    expect(completion!.logProbs).toEqual(scored.slice(prompt.length - 1));
  });

  it('without() is the base model, and puts everything back whatever happens inside', () => {
    const model = make();
    const base = hiddenStates(model, made);
    const adapters = stir(attachLora(model, options));
    const adapted = hiddenStates(model, made);
    expectSameBits(
      adapters.without(() => hiddenStates(model, made)),
      base,
    );
    expectSameBits(hiddenStates(model, made), adapted, 'afterwards');
    adapters.without(() => {
      adapters.without(() => undefined);
      expectSameBits(hiddenStates(model, made), base, 'still off after an inner call');
    });
    expect(() =>
      adapters.without(() => {
        throw new Error('inside');
      }),
    ).toThrow('inside');
    expectSameBits(hiddenStates(model, made), adapted, 'after an exception');
    expectError('ERR_ARGUMENT', /synchronous/, () => adapters.without(async () => 1));
    expectSameBits(hiddenStates(model, made), adapted, 'after a promise');
  });
});

describe.each(presets)('LoRA on %s', (preset) => {
  const config = presetConfig(preset, { vocabSize: 23, layers: 1 });
  const made = tokenBatch([6, 9], 23);

  it('has the gradients that finite differences find', () => {
    const model = new Gpt({ ...config, initializerRange: 0.3 }, { seed: 2 });
    const adapters = stir(attachLora(model, options), 0.5);
    const [targets, index] = [keep(ints(made.targets)), inputOf(made)];
    for (const t of Object.values(index)) keep(t);
    const loss = () => model.loss(index, targets, { scale: 1 / made.n }).loss;
    expectGradients(loss, Object.fromEntries(adapters.parameters()), { tolerance: 2e-2, samples: 6 });
    for (const [name, parameter] of model.parameters()) expect(parameter.grad, name).toBeUndefined();
  });

  it('a scoring head learns in full beside the adapters', () => {
    const model = new ScoringModel({ ...config, initializerRange: 0.3 }, { seed: 2 });
    const adapters = stir(attachLora(model, options), 0.5);
    expect([...model.trainable().keys()]).toEqual(['score.weight', 'score.bias']);
    const [index, rows] = [inputOf(made), keep(ints([5, 9, 14]))];
    for (const t of Object.values(index)) keep(t);
    const loss = () => mean(model.scores(index, rows));
    const trained = {
      ...Object.fromEntries(adapters.parameters()),
      ...Object.fromEntries(model.trainable()),
    };
    expectGradients(loss, trained, { tolerance: 2e-2, samples: 6 });
    // The head trains, but not through the reference: recomputation would find the
    // adapters on again.
    scope(() => {
      expect(loss().requiresGrad).toBe(true);
      expect(adapters.without(loss).requiresGrad).toBe(false);
    });
  });

  it('trains nothing but A and B', () => {
    const model = new Gpt(config, { seed: 2 });
    const adapters = attachLora(model, options);
    expect(model.trainable().size).toBe(0);
    const copy = (owner: Gpt | LoraAdapters) =>
      new Map([...owner.parameters()].map(([name, value]) => [name, value.toFloats()]));
    const [base, start] = [copy(model), copy(adapters)];
    const optimizer = new AdamW(adapters.parameters());
    const losses = Array.from({ length: 3 }, () => {
      const loss = scope(() => {
        const value = model.loss(inputOf(made), ints(made.targets), { scale: 1 / made.n }).loss;
        backward(value);
        return value.item();
      });
      optimizer.step(1e-2);
      adapters.zeroGrad();
      return loss;
    });
    expect(losses[2]!).toBeLessThan(losses[0]!);
    for (const [name, value] of copy(model)) expectSameBits(value, base.get(name)!, name);
    for (const [name, value] of copy(adapters)) expect(value, name).not.toEqual(start.get(name)!);
    optimizer.dispose();
  });

  it('leaves the names of the model as they are, and has names of its own', () => {
    const model = new Gpt(config, { seed: 2 });
    const adapters = attachLora(model, { ...options, targets: ['qkv', 'down'] });
    expect([...model.parameters().keys()]).toEqual([...parameterShapes(config).keys()]);
    expect([...adapters.parameters()].map(([name, { shape }]) => [name, shape])).toEqual([
      ['blocks.0.attention.qkv.lora_a', [3, 64]],
      ['blocks.0.attention.qkv.lora_b', [preset === 'tiny' ? 192 : 128, 3]],
      ['blocks.0.mlp.down.lora_a', [3, config.intermediateSize]],
      ['blocks.0.mlp.down.lora_b', [64, 3]],
    ]);
    adapters.dispose();
    const all = attachLora(model, options);
    const up = preset === 'tiny' ? 'up' : 'gate_up';
    const layers = ['attention.qkv', 'attention.output', `mlp.${up}`, 'mlp.down'];
    expect([...all.parameters().keys()]).toEqual(
      layers.flatMap((layer) => ['a', 'b'].map((matrix) => `blocks.0.${layer}.lora_${matrix}`)),
    );
  });

  it('dispose() gives the model back as it was', () => {
    const model: Decoder = new Gpt(config, { seed: 2 });
    model.tokenEmbedding.weight.requiresGrad = false;
    const [trained, before] = [[...model.trainable().keys()], hiddenStates(model, made)];
    const adapters = stir(attachLora(model, options));
    adapters.dispose();
    expect([...model.trainable().keys()]).toEqual(trained);
    expect(trained).not.toContain('token_embedding.weight');
    expectSameBits(hiddenStates(model, made), before);
    expect([...adapters.parameters().values()].every((value) => value.disposed)).toBe(true);
  });

  it('refuses what cannot be', () => {
    const model = new Gpt(config);
    const attach = (more: Partial<LoraOptions>) => () => attachLora(model, { ...options, ...more });
    for (const rank of [0, 1.5, Number.NaN]) expectError('ERR_ARGUMENT', /rank/, attach({ rank }));
    for (const alpha of [0, -1, Number.NaN]) expectError('ERR_ARGUMENT', /alpha/, attach({ alpha }));
    expectError('ERR_ARGUMENT', /none of the targets/, attach({ targets: [] }));
    const other = preset === 'tiny' ? 'gate_up' : 'up';
    expectError('ERR_ARGUMENT', new RegExp(`no layers ${other}`), attach({ targets: ['qkv', other] }));
    expect(model.trainable().size).toBe(model.parameters().size);
    attachLora(model, { ...options, targets: ['down'] });
    expectError('ERR_STATE', /blocks\.0\.mlp\.down has an adapter already/, attach({}));
    attachLora(model, { ...options, targets: ['output'] });
  });
});

it('A starts uniform in 1 / sqrt(in), B at zero, and both depend on the seed only', () => {
  const config = presetConfig('tiny', { layers: 4 });
  const start = (seed: number) =>
    [...attachLora(new Gpt(config), { rank: 16, alpha: 16, targets: ['qkv'], seed }).parameters()].map(
      ([name, value]) => [name, value.toFloats()] as const,
    );
  const made = start(5);
  const drawn: number[] = [];
  for (const [name, values] of made) {
    if (name.endsWith('lora_b')) expect(values.every((v) => v === 0)).toBe(true);
    else drawn.push(...values);
  }
  const bound = 1 / 8;
  expect(Math.max(...drawn.map(Math.abs))).toBeLessThanOrEqual(bound);
  // Of 4,096 values: variance bound^2 / 3, its relative standard error 0.9 / sqrt(4096) = 1.4 %.
  const variance = drawn.reduce((sum, v) => sum + v * v, 0) / drawn.length;
  expect(Math.abs(variance / (bound ** 2 / 3) - 1)).toBeLessThan(0.05);
  expect(start(5)).toEqual(made);
  expect(start(6)).not.toEqual(made);
  expect(made[0]![1]).not.toEqual(made[2]![1]);
});
