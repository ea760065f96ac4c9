/** PPO's operations: published numbers, gradients, and edge cases. */
import { describe, expect, it } from 'vitest';
import { native } from '../../src/native/addon.ts';
import { backward, noGrad } from '../../src/tensor/autograd.ts';
import { add, mul, scale, sum } from '../../src/tensor/ops/elementwise.ts';
import {
  gae,
  klPenalty,
  type PolicyLossOptions,
  policyLoss,
  valueLoss,
  whiten,
} from '../../src/tensor/ops/policy.ts';
import { segmentBroadcast, segmentSum } from '../../src/tensor/ops/segments.ts';
import { keep, parameter, scope, tensor } from '../../src/tensor/tensor.ts';
import { onEmulator } from '../helpers/device.ts';
import { collectGarbage } from '../helpers/garbage.ts';
import { expectGradients } from '../helpers/gradient-check.ts';
import { expectClose, expectError, randomNormal } from '../helpers/reference.ts';

const ints = (...values: number[]) => tensor(Int32Array.from(values));
const floats = (seed: number, count = 12, mean = 0) => keep(tensor(randomNormal(count, seed, 1, mean)));

describe('KL estimators', () => {
  const kinds = ['k1', 'k2', 'k3'] as const;

  it('R21: k1, k2 and k3 of log-probabilities -1 and -1.5', () => {
    const of = (kind: 'k1' | 'k2' | 'k3') => klPenalty(tensor([-1]), tensor([-1.5]), kind).item();
    expect(of('k1')).toBe(0.5);
    expect(of('k2')).toBe(0.125);
    expect(of('k3')).toBeCloseTo(0.10653, 5);
  });

  it('R21: k1 and k3 are the divergence on average over the policy; of one sample k1 alone may be negative', () => {
    const policy = [0.5, 0.3, 0.15, 0.05];
    const reference = [0.2, 0.4, 0.3, 0.1];
    const divergence = policy.reduce((total, p, i) => total + p * Math.log(p / reference[i]!), 0);
    const [logProbs, referenceLogProbs] = [tensor(policy.map(Math.log)), tensor(reference.map(Math.log))];
    const [k1, k2, k3] = kinds.map((kind) => klPenalty(logProbs, referenceLogProbs, kind).toFloats());
    const expected = (samples: Float32Array) => samples.reduce((total, kl, i) => total + policy[i]! * kl, 0);
    expect(expected(k1!)).toBeCloseTo(divergence, 7);
    expect(expected(k3!)).toBeCloseTo(divergence, 7);
    expect(Math.min(...k1!)).toBeLessThan(0);
    expect(Math.min(...k2!, ...k3!)).toBeGreaterThan(0);
  });

  it('R12: equal log-probabilities have a divergence of exactly 0', () => {
    const logProbs = floats(1, 100, -3);
    for (const kind of kinds)
      expect(new Set(klPenalty(logProbs, logProbs, kind).toFloats())).toEqual(new Set([0]));
  });

  it('refuses an estimator that there is not', () => {
    expectError('ERR_ARGUMENT', /to be 'k1', 'k2' or 'k3' but got 'k4'/, () =>
      klPenalty(tensor([-1]), tensor([-1]), 'k4' as 'k3'),
    );
  });
});

describe('generalised advantages', () => {
  const rewards = tensor([0, 0, 1]);
  const values = tensor([0.5, 0.4, 0.3]);
  const settings = { gamma: 1, lambda: 0.95 };

  it('R23: the worked example', () => {
    const { advantages, returns } = gae(rewards, values, ints(0, 3), settings);
    expectClose(advantages.toFloats(), [0.43675, 0.565, 0.7], 1e-6);
    expectClose(returns.toFloats(), [0.93675, 0.965, 1], 1e-6);
    expect(advantages.requiresGrad).toBe(false);
  });

  it('R23: whatever stands before and after a response changes none of its bits', () => {
    const alone = gae(rewards, values, ints(0, 3), settings);
    const among = gae(
      tensor([9, 0, 0, 1, -7, 3]),
      tensor([5, 0.5, 0.4, 0.3, 8, 1]),
      ints(0, 1, 1, 4, 6),
      settings,
    );
    expect(among.advantages.toFloats().slice(1, 4)).toEqual(alone.advantages.toFloats());
    expect(among.returns.toFloats().slice(1, 4)).toEqual(alone.returns.toFloats());
  });

  it('R23: lambda 1 is return-to-go less the value, lambda 0 the one-step error', () => {
    const full = gae(rewards, values, ints(0, 3), { gamma: 1, lambda: 1 });
    expectClose(full.advantages.toFloats(), [0.5, 0.6, 0.7], 1e-6);
    const discounted = gae(rewards, values, ints(0, 3), { gamma: 0.5, lambda: 1 });
    expectClose(discounted.returns.toFloats(), [0.25, 0.5, 1], 1e-6);
    const step = gae(rewards, values, ints(0, 3), { gamma: 1, lambda: 0 });
    expectClose(step.advantages.toFloats(), [-0.1, -0.1, 0.7], 1e-6);
  });

  it('a response of one token gains its reward less its value', () => {
    const { advantages, returns } = gae(tensor([2]), tensor([0.5]), ints(0, 1), settings);
    expect([advantages.item(), returns.item()]).toEqual([1.5, 2]);
  });
});

describe('whitening', () => {
  const nine = tensor([1.2, 1.3, 1.4, 1.5, 1.6, 1.7, 1.8, 1.9, 2.0]);
  const moments = (x: Float32Array) => {
    const mean = x.reduce((a, b) => a + b, 0) / x.length;
    return { mean, variance: x.reduce((a, b) => a + (b - mean) ** 2, 0) / x.length };
  };

  it('R24: scales by the biased deviation and keeps the mean on request', () => {
    const kept = whiten(nine, { shiftMean: false }).toFloats();
    expect(kept[0]).toBeCloseTo(0.0508, 4);
    expect(kept[8]).toBeCloseTo(3.1492, 4);
    expect(moments(kept).mean).toBeCloseTo(1.6, 6);
    expect(moments(kept).variance).toBeCloseTo(1, 5);
  });

  it('R24: shifts the mean to 0 otherwise, with the same scale', () => {
    const shifted = whiten(nine).toFloats();
    expect(moments(shifted).mean).toBeCloseTo(0, 6);
    expect(moments(shifted).variance).toBeCloseTo(1, 5);
    expect(shifted[8]! - shifted[0]!).toBeCloseTo(3.1492 - 0.0508, 4);
  });

  it('R24: keeps numbers of next to no variance small, which the 1e-8 is for', () => {
    expectClose(whiten(tensor([1e-5, -1e-5])).toFloats(), [0.0995, -0.0995], 1e-3);
  });

  it('refuses what is not finite', () => {
    expectError('ERR_NOT_FINITE', /\[whiten\] expected finite numbers but the mean of 2 is/, () =>
      whiten(tensor([1, Number.NaN])),
    );
  });
});

describe('the policy loss', () => {
  const clip: PolicyLossOptions = { clipLow: 0.2, clipHigh: 0.2, scale: 1 };
  const one = (advantage: number, ratio: number, options: PolicyLossOptions = clip) => {
    const logProbs = parameter(tensor([Math.log(ratio)]));
    const { loss, stats } = policyLoss(
      logProbs,
      { oldLogProbs: tensor([0]), advantages: tensor([advantage]) },
      options,
    );
    backward(loss);
    return { loss: loss.item(), slope: logProbs.grad!.item(), stats };
  };

  it.each([
    { advantage: 1, ratio: 1.5, loss: -1.2, slope: 0, clipped: 1 },
    { advantage: -1, ratio: 1.5, loss: 1.5, slope: 1.5, clipped: 0 },
    { advantage: -1, ratio: 0.5, loss: 0.8, slope: 0, clipped: 1 },
    { advantage: 1, ratio: 0.5, loss: -0.5, slope: -0.5, clipped: 0 },
  ])('R27: advantage $advantage at ratio $ratio costs $loss, with slope $slope', (wanted) => {
    const { loss, slope, stats } = one(wanted.advantage, wanted.ratio);
    expect(loss).toBeCloseTo(wanted.loss, 6);
    expect(slope).toBeCloseTo(wanted.slope, 6);
    expect(stats.clipped).toBe(wanted.clipped);
    expect(stats.ratioSum).toBeCloseTo(wanted.ratio, 6);
    expect(stats.ratioMaxDeviation).toBeCloseTo(0.5, 6);
    expect(stats.approxKl).toBeCloseTo(Math.log(wanted.ratio) ** 2 / 2, 6);
  });

  it('R27: clips up and down by different amounts', () => {
    const wide = { ...clip, clipLow: 0.1, clipHigh: 0.4 };
    expect(one(1, 1.5, wide).loss).toBeCloseTo(-1.4, 6);
    expect(one(-1, 0.5, wide).loss).toBeCloseTo(0.9, 6);
  });

  it('bounds the cost of a negative advantage by the dual clip, and nothing else', () => {
    const dual = { ...clip, dualClip: 3 };
    expect(one(-2, 4, dual)).toMatchObject({ loss: 6, slope: 0 });
    expect(one(-2, 2.5, dual).loss).toBeCloseTo(5, 5);
    expect(one(2, 4, dual).loss).toBeCloseTo(one(2, 4).loss, 6);
  });

  it('R14: is minus the mean advantage before any update, with ratio 1 and nothing clipped', () => {
    const logProbs = parameter(floats(1, 1000, -2));
    const advantages = whiten(floats(2, 1000, 3));
    const { loss, stats } = policyLoss(
      logProbs,
      { oldLogProbs: logProbs.detach(), advantages },
      { ...clip, scale: 1 / 1000 },
    );
    expect(Math.abs(loss.item())).toBeLessThan(1e-6);
    expect(stats).toEqual({
      clipped: 0,
      approxKl: 0,
      ratioMaxDeviation: 0,
      ratioSum: 1000,
      ratioMin: 1,
      ratioMax: 1,
    });
  });

  it('R29: has the same loss and gradient however its tokens are split', () => {
    const n = 100;
    const inputs = [floats(3, n, -2), floats(4, n, -2), floats(5, n)].map((t) => t.toFloats());
    const run = (bounds: readonly number[]) => {
      const grads: number[] = [];
      let total = 0;
      for (let i = 0; i + 1 < bounds.length; ++i) {
        const [logProbs, oldLogProbs, advantages] = inputs.map((x) =>
          tensor(x.slice(bounds[i], bounds[i + 1])),
        );
        parameter(logProbs!);
        const { loss } = policyLoss(
          logProbs!,
          { oldLogProbs: oldLogProbs!, advantages: advantages! },
          { ...clip, scale: 1 / n },
        );
        backward(loss);
        total += loss.item();
        grads.push(...logProbs!.grad!.toFloats());
      }
      return { total, grads };
    };
    const whole = run([0, n]);
    const parts = run([0, 1, 37, n]);
    expect(parts.total).toBeCloseTo(whole.total, 6);
    expect(parts.grads).toEqual(whole.grads);
  });

  it('has gradients that finite differences confirm', () => {
    const [logProbs, entropies] = [parameter(floats(6, 12, -2)), parameter(floats(7, 12, 2))];
    const inputs = {
      oldLogProbs: floats(8, 12, -2),
      advantages: floats(9),
      referenceLogProbs: floats(10, 12, -2),
      entropies,
      weights: floats(11, 12, 1),
    };
    const options = { clipLow: 0.3, clipHigh: 0.5, dualClip: 2, entropyCoef: 0.1, klCoef: 0.2, scale: 0.7 };
    expectGradients(
      () => scale(policyLoss(logProbs, inputs, options).loss, 3),
      { logProbs, entropies },
      { step: 3e-3 },
    );
  });

  it('computes no gradient in noGrad, and adds to what other losses bring', () => {
    const logProbs = parameter(tensor([0.1]));
    const inputs = { oldLogProbs: tensor([0]), advantages: tensor([1]) };
    expect(noGrad(() => policyLoss(logProbs, inputs, clip).loss.requiresGrad)).toBe(false);
    backward(add(policyLoss(logProbs, inputs, clip).loss, sum(scale(logProbs, 2))));
    expect(logProbs.grad!.item()).toBeCloseTo(2 - Math.exp(0.1), 6);
  });

  it('is 0 for no tokens, with an empty gradient', () => {
    const logProbs = parameter(tensor([]));
    const { loss, stats } = policyLoss(logProbs, { oldLogProbs: tensor([]), advantages: tensor([]) }, clip);
    backward(loss);
    expect([loss.item(), logProbs.grad!.size, stats.clipped, stats.ratioSum]).toEqual([0, 0, 0, 0]);
    expect([stats.ratioMin, stats.ratioMax]).toEqual([Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY]);
  });

  it('refuses a coefficient that has nothing to weigh', () => {
    const x = tensor([-1]);
    const run = (options: Partial<PolicyLossOptions>) => () =>
      policyLoss(x, { oldLogProbs: x, advantages: x }, { ...clip, ...options });
    expectError('ERR_ARGUMENT', /entropyCoef is 0.01 but entropies is missing/, run({ entropyCoef: 0.01 }));
    expectError('ERR_ARGUMENT', /klCoef is 0.04 but referenceLogProbs is missing/, run({ klCoef: 0.04 }));
  });
});

describe('the value loss', () => {
  it('R28: takes the worse of the free and the clipped error', () => {
    const values = parameter(tensor([0.5]));
    const inputs = { oldValues: tensor([0]), returns: tensor([1]) };
    const { loss, clipped } = valueLoss(values, inputs, { clip: 0.2, scale: 1 });
    backward(loss);
    expect(loss.item()).toBeCloseTo(0.32, 6);
    expect([clipped, values.grad!.item()]).toEqual([1, 0]);
  });

  it('is half the squared error with no clip, which 0 and Infinity are', () => {
    for (const clip of [0, Number.POSITIVE_INFINITY]) {
      const values = parameter(tensor([0.5, 3]));
      const inputs = { oldValues: tensor([0, 0]), returns: tensor([1, 2]) };
      const { loss, clipped } = valueLoss(values, inputs, { clip, scale: 2 });
      backward(loss);
      expect([loss.item(), clipped]).toEqual([1.25, 0]);
      expect([...values.grad!.toFloats()]).toEqual([-1, 2]);
    }
  });

  it('has a gradient that finite differences confirm', () => {
    const values = parameter(floats(11));
    const inputs = { oldValues: floats(12), returns: floats(13) };
    const loss = () => scale(valueLoss(values, inputs, { clip: 0.8, scale: 0.5 }).loss, -2);
    expectGradients(loss, { values }, { step: 3e-3 });
  });

  it('refuses a clip that is no number', () => {
    const x = tensor([1]);
    for (const clip of [Number.NaN, -1, Number.NEGATIVE_INFINITY]) {
      expectError('ERR_ARGUMENT', /expected clip to be at least 0/, () =>
        valueLoss(x, { oldValues: x, returns: x }, { clip, scale: 1 }),
      );
    }
  });
});

describe('sums of segments', () => {
  it('have a gradient that finite differences confirm, with empty segments between', () => {
    const x = parameter(floats(14, 7));
    const weights = floats(15, 5);
    const starts = keep(ints(0, 0, 1, 5, 5, 7));
    expectGradients(() => sum(mul(segmentSum(x, starts), weights)), { x });
  });

  it('go back to each element, with a gradient too', () => {
    const values = parameter(floats(20, 5));
    const weights = floats(21, 7);
    const starts = keep(ints(0, 0, 1, 5, 5, 7));
    const [, b, c, , e] = values.toFloats();
    expect([...segmentBroadcast(values, starts).toFloats()]).toEqual([b, c, c, c, c, e, e]);
    expectGradients(() => sum(mul(segmentBroadcast(values, starts), weights)), { values });
  });
});

it.skipIf(onEmulator)('a thousand losses leave memory where it was', async () => {
  await collectGarbage();
  const [logProbs, values] = [parameter(floats(16, 500)), parameter(floats(17, 500))];
  const [old, advantages] = [floats(18, 500), floats(19, 500)];
  const step = () => {
    scope(() => {
      const policy = policyLoss(
        logProbs,
        { oldLogProbs: old, advantages },
        { clipLow: 0.2, clipHigh: 0.2, scale: 1 },
      );
      const value = valueLoss(values, { oldValues: old, returns: advantages }, { clip: 0.2, scale: 1 });
      backward(add(policy.loss, value.loss));
      // Without a backward pass, the gradients that came with the loss go with the scope.
      policyLoss(logProbs, { oldLogProbs: old, advantages }, { clipLow: 0.2, clipHigh: 0.2, scale: 1 });
    });
    for (const leaf of [logProbs, values]) {
      leaf.grad!.dispose();
      leaf.grad = undefined;
    }
  };
  for (let i = 0; i < 10; ++i) step();
  const before = native.memoryStats()[0];
  for (let i = 0; i < 1000; ++i) step();
  expect(native.memoryStats()[0]).toBe(before);
});
