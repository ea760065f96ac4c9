/**
 * Every family with device cuda: logits, one training step and cached decoding of the models that
 * transformers wrote, beside the CPU. Part of vitest.cuda.config.ts.
 */
import { afterEach, describe, expect, it } from 'vitest';
import { loadModel } from '../../src/checkpoint/gpt-folder.ts';
import { generate } from '../../src/generate/generate.ts';
import { native } from '../../src/native/addon.ts';
import type { ModelConfig } from '../../src/nn/config.ts';
import { Gpt } from '../../src/nn/gpt.ts';
import { AdamW } from '../../src/optim/adamw.ts';
import { backward, noGrad } from '../../src/tensor/autograd.ts';
import { linearLogProb } from '../../src/tensor/ops/loss.ts';
import { scope, tensor } from '../../src/tensor/tensor.ts';
import { maxError } from '../helpers/reference.ts';
import { inputOf, ints, tokenBatch } from '../helpers/token-batch.ts';
import { loadTorchFixture, recordedModels } from '../helpers/torch-fixture.ts';

/** bf16 has 8 bits, and rounds each activation of both devices in its own order. */
const TOLERANCE = 2 ** -6;
const isEmulated = /emulating/.test(native.cudaStatus()[1]);

/** The recorded models, and Gemma's with the heads that people's have. */
const models: [name: string, make: () => Gpt][] = [
  ...recordedModels.map((name): [string, () => Gpt] => [
    name,
    () => loadModel(loadTorchFixture(name).folder, { dtype: 'bf16' }),
  ]),
  ...['gemma2', 'gemma3'].map((name): [string, () => Gpt] => [
    `${name} with heads of 256`,
    () => new Gpt(wide(loadTorchFixture(name).config), { dtype: 'bf16', seed: 5 }),
  ]),
];
const wide = (config: ModelConfig): ModelConfig => ({
  ...config,
  ...{ heads: 2, kvHeads: 1, headDim: 256, initializerRange: 0.1 },
});

afterEach(() => native.setDevice('cuda'));

const length = (values: Iterable<number>) => Math.sqrt([...values].reduce((sum, x) => sum + x * x, 0));

/** Logits, then loss and gradient norm of two steps. */
function trained(device: 'cpu' | 'cuda', make: () => Gpt) {
  native.setDevice(device);
  const model = make();
  const made = tokenBatch([13, 1, 9], model.config.vocabSize);
  const logits = noGrad(() => scope(() => model.logits(model.forward(inputOf(made))).toFloats()));
  const optimizer = new AdamW(model.parameters());
  const steps = [1, 2].flatMap(() => {
    const loss = scope(() => {
      const value = model.loss(inputOf(made), ints(made.targets), { scale: 1 / made.n }).loss;
      backward(value);
      return value.item();
    });
    const norm = optimizer.gradNorm();
    optimizer.step(1e-3, Math.min(1, 1 / norm));
    model.zeroGrad();
    return [loss, norm];
  });
  optimizer.dispose();
  model.dispose();
  return { logits, steps };
}

describe.each(models)('%s', (_, make) => {
  it('has the logits of the CPU, and learns as there', () => {
    const [wanted, got] = [trained('cpu', make), trained('cuda', make)];
    const errors = got.logits.map((x, i) => x - wanted.logits[i]!);
    expect(length(errors) / length(wanted.logits)).toBeLessThan(TOLERANCE);
    const relative = got.steps.map((value, i) => value / wanted.steps[i]!);
    expect(maxError(relative, new Array(4).fill(1))).toBeLessThan(TOLERANCE);
  });

  it('decodes through the cache what its full pass says', async () => {
    const model = make();
    const prompts = [5, 1].map((count) => tokenBatch([count], model.config.vocabSize).ids);
    const completions = await generate(model, prompts, { maxTokens: 9, seed: 3, batchSize: 2 });
    completions.forEach(({ tokens, logProbs }, i) => {
      const ids = Int32Array.from([...prompts[i]!, ...tokens]);
      const starts = [0, ids.length - 1];
      const positions = ids.subarray(1).map((_, at) => at);
      const input = {
        tokens: tensor(ids.subarray(0, -1)),
        positions: tensor(positions),
        cuSeqlens: ints(starts),
      };
      const whole = noGrad(() =>
        scope(() =>
          linearLogProb(
            model.forward(input),
            model.headWeight,
            tensor(ids.subarray(1)),
            1,
            model.config.logitSoftcap,
          ).logProbs.toFloats(),
        ),
      ).subarray(prompts[i]!.length - 1);
      // cuBLASLt's algorithm may change with the number of rows.
      if (isEmulated) expect(logProbs).toEqual(whole);
      else expect(maxError(logProbs, whole)).toBeLessThan(0.1);
    });
    model.dispose();
  });
});
