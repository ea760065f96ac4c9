import { describe, expect, it } from 'vitest';
import { gae, klPenalty, policyLoss, valueLoss, whiten } from '../../src/tensor/ops/policy.ts';
import { rankingLoss } from '../../src/tensor/ops/preference.ts';
import { tensor } from '../../src/tensor/tensor.ts';

const numbers = (values: ArrayLike<number>) => Array.from(values);
const ints = (...values: number[]) => tensor(Int32Array.from(values));

function expectClose(actual: ArrayLike<number>, expected: readonly number[], digits = 6): void {
  expect(actual.length).toBe(expected.length);
  expected.forEach((value, i) => {
    expect(actual[i]).toBeCloseTo(value, digits);
  });
}

describe('KL estimators', () => {
  it('R21: k1, k2 and k3 of log-probabilities -1 and -1.5', () => {
    const of = (kind: 'k1' | 'k2' | 'k3') => klPenalty(tensor([-1]), tensor([-1.5]), kind).toFloats();
    expectClose(of('k1'), [0.5]);
    expectClose(of('k2'), [0.125]);
    expectClose(of('k3'), [0.10653], 5);
  });
});

describe('generalised advantages', () => {
  const rewards = tensor([0, 0, 1]);
  const values = tensor([0.5, 0.4, 0.3]);

  it('R23: the worked example, alone and between other responses', () => {
    const alone = gae(rewards, values, ints(0, 3), { gamma: 1, lambda: 0.95 });
    expectClose(alone.advantages.toFloats(), [0.43675, 0.565, 0.7]);
    expectClose(alone.returns.toFloats(), [0.93675, 0.965, 1]);
    const among = gae(tensor([9, 0, 0, 1, -7, 3]), tensor([5, 0.5, 0.4, 0.3, 8, 1]), ints(0, 1, 4, 6), {
      gamma: 1,
      lambda: 0.95,
    });
    expect(numbers(among.advantages.toFloats().slice(1, 4))).toEqual(numbers(alone.advantages.toFloats()));
  });

  it('R23: lambda 1 is return-to-go less the value, lambda 0 the one-step error', () => {
    const full = gae(rewards, values, ints(0, 3), { gamma: 1, lambda: 1 });
    expectClose(full.advantages.toFloats(), [0.5, 0.6, 0.7]);
    const step = gae(rewards, values, ints(0, 3), { gamma: 1, lambda: 0 });
    expectClose(step.advantages.toFloats(), [-0.1, -0.1, 0.7]);
  });
});

describe('whitening', () => {
  const nine = tensor([1.2, 1.3, 1.4, 1.5, 1.6, 1.7, 1.8, 1.9, 2.0]);

  it('R24: keeps the mean on request and divides by the biased deviation', () => {
    const kept = whiten(nine, { shiftMean: false }).toFloats();
    expect(kept[0]).toBeCloseTo(0.0508, 4);
    expect(kept[8]).toBeCloseTo(3.1492, 4);
    const shifted = whiten(nine).toFloats();
    expect(shifted.reduce((a, b) => a + b)).toBeCloseTo(0, 5);
    expect(shifted[8]! - shifted[0]!).toBeCloseTo(3.1492 - 0.0508, 4);
  });
});

describe('clipped losses', () => {
  it.each([
    [1, 1.5, -1.2],
    [-1, 1.5, 1.5],
    [-1, 0.5, 0.8],
    [1, 0.5, -0.5],
  ])('R27: advantage %f at ratio %f costs %f', (advantage, ratio, loss) => {
    const result = policyLoss(
      tensor([Math.log(ratio)]),
      { oldLogProbs: tensor([0]), advantages: tensor([advantage]) },
      { clipLow: 0.2, clipHigh: 0.2, scale: 1 },
    );
    expect(result.loss.item()).toBeCloseTo(loss, 6);
  });

  it('R28: the value loss takes the worse of the free and the clipped error', () => {
    const { loss } = valueLoss(
      tensor([0.5]),
      { oldValues: tensor([0]), returns: tensor([1]) },
      { clip: 0.2, scale: 1 },
    );
    expect(loss.item()).toBeCloseTo(0.32, 6);
  });
});

describe('ranking', () => {
  it('R32: all pairs of three ranked completions', () => {
    const third = 1 / 3;
    const { loss, correct } = rankingLoss(tensor([2, 1, 0]), ints(0, 1, 0, 2, 1, 2), {
      weights: tensor([third, third, third]),
    });
    expect(loss.item()).toBeCloseTo(0.251151, 5);
    expect(correct).toBe(3);
  });

  it('R32: is stable for differences of ten thousand', () => {
    expect(rankingLoss(tensor([1e4, 0]), ints(0, 1)).loss.item()).toBe(0);
    expect(rankingLoss(tensor([0, 1e4]), ints(0, 1)).loss.item()).toBe(1e4);
  });
});
