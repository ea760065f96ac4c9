/** R31: pretraining text mixed into the updates. */
import { describe, expect, it } from 'vitest';
import { TokenLoader } from '../../../src/data/shards/token-loader.ts';
import { backward } from '../../../src/tensor/autograd.ts';
import { scope, tensor } from '../../../src/tensor/tensor.ts';
import { PretrainingMix } from '../../../src/train/rl/pretraining-mix.ts';
import { writeIds } from '../../data/corpus/corpora.ts';
import { temporaryFolder } from '../../helpers/cli.ts';
import { maxError } from '../../helpers/reference.ts';
import { accumulate, makeWorld, takeGradients, tinyPolicy } from './world.ts';

const loader = () =>
  new TokenLoader(writeIds(temporaryFolder(), { train: [20, 9, 25], validation: [2] }), {
    batchSize: 2,
    context: 8,
    seed: 5,
  });

/** Gradients of the mean loss a token over the next batches of text, and that loss. */
function ofText(batches: number) {
  const model = tinyPolicy();
  const text = loader();
  let loss = 0;
  for (let i = 0; i < batches; ++i) {
    const { tokens, positions, cuSeqlens, targets } = text.next();
    const counted = targets.filter((target) => target >= 0).length;
    loss += scope(() => {
      const input = { tokens: tensor(tokens), positions: tensor(positions), cuSeqlens: tensor(cuSeqlens) };
      const mean = model.loss(input, tensor(targets), { scale: 1 / (counted * batches) }).loss;
      backward(mean);
      return mean.item();
    });
  }
  return { loss, gradients: new Map([...model.parameters()].map(([name, p]) => [name, p.grad!.toFloats()])) };
}

describe.each([1, 4])('in %i batches an update', (gradAccum) => {
  it('R31: the gradient is that of PPO plus the coefficient times that of the text', async () => {
    const coef = 27.8;
    const split = { batchSize: 16 / gradAccum, gradAccum };
    const alone = await makeWorld({ stage: split });
    const mixed = await makeWorld({ stage: split, ptx: new PretrainingMix(loader(), coef) });
    const [loss, mixedLoss] = [
      await accumulate(alone.stage, gradAccum),
      await accumulate(mixed.stage, gradAccum),
    ];
    const [ppo, both] = [takeGradients(alone.stage), takeGradients(mixed.stage)];
    const text = ofText(gradAccum);
    for (const [name, gradient] of text.gradients) {
      const wanted = ppo.get(`policy/${name}`)!.map((value, i) => value + coef * gradient[i]!);
      const largest = maxError(wanted, new Float32Array(wanted.length));
      expect(maxError(both.get(`policy/${name}`)!, wanted), name).toBeLessThan(1e-5 * largest + 1e-7);
      expect(maxError(wanted, ppo.get(`policy/${name}`)!), name).toBeGreaterThan(0);
    }
    expect(both.get('value/score.weight')).toEqual(ppo.get('value/score.weight'));
    expect(mixedLoss).toBeCloseTo(loss + coef * text.loss, 3);
    expect(mixed.stage.stepMetrics().ptx_loss).toBeCloseTo(text.loss, 4);
  });
});

it('R39: goes on with the next text from its state', () => {
  const model = tinyPolicy();
  const next = (mix: PretrainingMix) => scope(() => mix.loss(model, mix.next(), 1).perToken);
  const [mix, resumed] = [new PretrainingMix(loader(), 2), new PretrainingMix(loader(), 2)];
  next(mix);
  const [skipped, second] = [new PretrainingMix(loader(), 2), new PretrainingMix(loader(), 2)];
  skipped.skip();
  second.next();
  expect(skipped.state()).toEqual(second.state());
  resumed.restore(JSON.parse(JSON.stringify(mix.state())));
  const wanted = next(mix);
  expect(next(resumed)).toBe(wanted);
  expect(wanted).not.toBe(next(new PretrainingMix(loader(), 2)));
});
