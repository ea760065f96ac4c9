/** Ranking and preference losses: worked examples, gradients, stability. */
import { describe, expect, it } from 'vitest';
import { backward } from '../../src/tensor/autograd.ts';
import { scale } from '../../src/tensor/ops/elementwise.ts';
import { dpoLoss, type RankingLossOptions, rankingLoss } from '../../src/tensor/ops/preference.ts';
import { keep, parameter, tensor } from '../../src/tensor/tensor.ts';
import { expectGradients } from '../helpers/gradient-check.ts';
import { expectClose, expectError, randomNormal, randomUniform } from '../helpers/reference.ts';

const ints = (...values: number[]) => keep(tensor(Int32Array.from(values)));
const floats = (seed: number, count: number) => keep(tensor(randomNormal(count, seed)));

/** Loss, count and gradient. */
function rank(scores: number[], pairs: number[], options: RankingLossOptions = {}) {
  const leaf = parameter(tensor(scores));
  const { loss, correct } = rankingLoss(leaf, ints(...pairs), options);
  backward(loss);
  return { loss: loss.item(), correct, slopes: [...leaf.grad!.toFloats()] };
}

describe('ranking', () => {
  const third = 1 / 3;
  const thirds = { weights: tensor([third, third, third]) };

  it('R32: all pairs of three ranked completions, scored once each', () => {
    const { loss, correct, slopes } = rank([2, 1, 0], [0, 1, 0, 2, 1, 2], thirds);
    expect(loss).toBeCloseTo((0.313262 + 0.126928 + 0.313262) / 3, 6);
    expect(loss).toBeCloseTo(0.251151, 5);
    expect(correct).toBe(3);
    // d -log sigmoid(1) = -0.268941, d -log sigmoid(2) = -0.119203
    expectClose(slopes, [-(0.268941 + 0.119203) / 3, 0, (0.268941 + 0.119203) / 3], 1e-5, 1e-7);
  });

  it('R32: two completions are the pair loss, and the order of pairs changes nothing', () => {
    const { loss, slopes } = rank([0.7, -0.4], [0, 1]);
    expect(loss).toBeCloseTo(Math.log1p(Math.exp(-1.1)), 7);
    expect(slopes[0]).toBeCloseTo(-1 / (1 + Math.exp(1.1)), 7);
    expect(slopes[1]).toBe(-slopes[0]!);
    const shuffled = rank([2, 1, 0], [1, 2, 0, 1, 0, 2], thirds);
    expect(shuffled.loss).toBeCloseTo(rank([2, 1, 0], [0, 1, 0, 2, 1, 2], thirds).loss, 7);
  });

  it('R32: subtracts the margin from the lead, but not in the count', () => {
    const { loss, correct } = rank([1, 0.5], [0, 1], { margins: tensor([1.5]) });
    expect(loss).toBeCloseTo(Math.log1p(Math.exp(1)), 6);
    expect(correct).toBe(1);
    expect(rank([1, 1], [0, 1]).correct).toBe(0);
  });

  it('R32: is stable for differences of ten thousand', () => {
    expect(rank([1e4, 0], [0, 1])).toMatchObject({ loss: 0, correct: 1 });
    expect(rank([0, 1e4], [0, 1])).toEqual({ loss: 1e4, correct: 0, slopes: [-1, 1] });
    for (const slope of rank([1e4, 0], [0, 1]).slopes) expect(Math.abs(slope)).toBe(0);
  });

  it('R33: draws the sum of a pair to zero, weighed with the pair', () => {
    const plain = rank([1, 2], [0, 1]);
    const centered = rank([1, 2], [0, 1], { centering: 0.01 });
    expect(centered.loss - plain.loss).toBeCloseTo(0.01 * 9, 6);
    expectClose(
      centered.slopes,
      plain.slopes.map((slope) => slope + 0.01 * 2 * 3),
      1e-6,
    );
    const weighed = rank([1, 2], [0, 1], { centering: 0.01, weights: tensor([0.5]), scale: 4 });
    expect(weighed.loss).toBeCloseTo(2 * centered.loss, 6);
  });

  it('has a gradient that finite differences confirm', () => {
    const scores = parameter(floats(1, 6));
    const pairs = ints(0, 1, 2, 0, 5, 3, 4, 1, 2, 5);
    const options = {
      margins: keep(tensor(randomUniform(5, 2))),
      weights: keep(tensor(randomUniform(5, 3))),
      centering: 0.05,
      scale: 0.3,
    };
    expectGradients(() => scale(rankingLoss(scores, pairs, options).loss, 5), { scores });
  });

  it('of no pairs is 0, with a gradient of 0', () => {
    expect(rank([1, 2], [])).toEqual({ loss: 0, correct: 0, slopes: [0, 0] });
  });

  it('names a pair of scores that there are not', () => {
    expectError('ERR_ARGUMENT', /\[rankingLoss\] score 2 at 1 is outside/, () => rank([1, 2], [0, 2]));
  });
});

describe('direct preference optimisation', () => {
  const reference = keep(tensor([-10, -12, -11, -9]));
  const run = (sums: number[], options: Partial<Parameters<typeof dpoLoss>[2]> = {}) =>
    dpoLoss(tensor(sums), reference, { beta: 0.1, ...options });

  it('costs log 2 a pair at the reference, whatever the smoothing', () => {
    const same = [-10, -12, -11, -9];
    expect(run(same).loss.item()).toBeCloseTo(2 * Math.LN2, 6);
    expect(run(same, { labelSmoothing: 0.3, scale: 0.5 }).loss.item()).toBeCloseTo(Math.LN2, 6);
    expect(run(same, { kind: 'hinge' }).loss.item()).toBeCloseTo(2, 6);
    expect(run(same, { kind: 'ipo' }).loss.item()).toBeCloseTo(2 * 5 ** 2, 5);
  });

  it('rewards what the policy makes likelier than the reference', () => {
    const { rewards, correct } = run([-8, -12, -14, -8]);
    expectClose(rewards.toFloats(), [0.2, 0, -0.3, 0.1], 1e-6, 1e-8);
    expect(correct).toBe(1);
  });

  it('IPO is least where the lead is half of 1 / beta, and the hinge is 0 from 1 / beta', () => {
    expect(run([-10 + 5, -12 + 5, -11, -9], { kind: 'ipo' }).loss.item()).toBeCloseTo(0, 10);
    expect(run([-10 + 10, -12 + 15, -11, -9], { kind: 'hinge' }).loss.item()).toBe(0);
  });

  it.each([
    { kind: 'sigmoid', labelSmoothing: 0 },
    { kind: 'sigmoid', labelSmoothing: 0.2 },
    { kind: 'ipo', labelSmoothing: 0 },
    { kind: 'hinge', labelSmoothing: 0 },
  ] as const)(
    '$kind with smoothing $labelSmoothing has a gradient that finite differences confirm',
    (options) => {
      const sums = parameter(floats(4, 8));
      const [anchor, settings] = [floats(5, 8), { ...options, beta: 0.4, scale: 0.7 }];
      expectGradients(() => scale(dpoLoss(sums, anchor, settings).loss, -2), { sums });
    },
  );

  it('is 0 without pairs', () => {
    const sums = parameter(tensor([]));
    const { loss, rewards, correct } = dpoLoss(sums, tensor([]), { beta: 0.1 });
    backward(loss);
    expect([loss.item(), rewards.size, correct, sums.grad!.size]).toEqual([0, 0, 0, 0]);
  });

  it('refuses a kind that there is not, and smoothing that a kind does not know', () => {
    expectError('ERR_ARGUMENT', /kind to be 'sigmoid', 'ipo' or 'hinge' but got 'kto'/, () =>
      run([0, 0, 0, 0], { kind: 'kto' as 'ipo' }),
    );
    expectError('ERR_ARGUMENT', /labelSmoothing is defined for the kind sigmoid only/, () =>
      run([0, 0, 0, 0], { kind: 'ipo', labelSmoothing: 0.1 }),
    );
  });
});
