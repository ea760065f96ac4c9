/**
 * Log-probabilities as policies use them: temperature, precision, and gradients
 * through either output.
 */
import { describe, expect, it, vi } from 'vitest';
import { native } from '../../src/native/addon.ts';
import { backward, noGrad } from '../../src/tensor/autograd.ts';
import { add, cast, mul, sum } from '../../src/tensor/ops/elementwise.ts';
import { linearLogProb } from '../../src/tensor/ops/loss.ts';
import { klPenalty, policyLoss } from '../../src/tensor/ops/policy.ts';
import { gatherRows } from '../../src/tensor/ops/rows.ts';
import { keep, parameter, type Tensor, tensor } from '../../src/tensor/tensor.ts';
import { expectGradients } from '../helpers/gradient-check.ts';
import { expectClose, expectError, randomIntegers, randomNormal } from '../helpers/reference.ts';

const [rows, channels, vocabulary] = [7, 6, 11];
const random = (seed: number, ...shape: number[]) =>
  keep(
    tensor(
      randomNormal(
        shape.reduce((a, b) => a * b, 1),
        seed,
      ),
      shape,
    ),
  );
const hidden = random(1, rows, channels);
const weight = random(2, vocabulary, channels);
const targets = keep(tensor(randomIntegers(rows, 3, vocabulary)));

describe('temperature', () => {
  it('R12: divides the logits, to the bit where the division is exact', () => {
    const half = linearLogProb(hidden, weight, targets, 0.5);
    const doubled = linearLogProb(
      keep(
        tensor(
          hidden.toFloats().map((v) => 2 * v),
          hidden.shape,
        ),
      ),
      weight,
      targets,
    );
    expect(half.logProbs.toFloats()).toEqual(doubled.logProbs.toFloats());
    expect(half.entropies.toFloats()).toEqual(doubled.entropies.toFloats());
    expect(half.logProbs.toFloats()).not.toEqual(linearLogProb(hidden, weight, targets).logProbs.toFloats());
  });

  it('R12: identical weights at 0.7 have a divergence of exactly 0 and ratios of exactly 1, in any batch', () => {
    for (const dtype of ['f32', 'bf16'] as const) {
      const activations = keep(cast(hidden, dtype));
      const { logProbs } = linearLogProb(activations, weight, targets, 0.7);
      const order = Int32Array.of(6, 0, 3);
      const some = linearLogProb(
        gatherRows(activations, tensor(order)),
        weight,
        tensor(Int32Array.from(order, (i) => targets.toInts()[i]!)),
        0.7,
      ).logProbs;
      const reference = tensor(Float32Array.from(order, (i) => logProbs.toFloats()[i]!));
      for (const kind of ['k1', 'k2', 'k3'] as const)
        expect([...klPenalty(some, reference, kind).toFloats()]).toEqual([0, 0, 0]);
      const { stats } = policyLoss(
        some,
        { oldLogProbs: reference, advantages: tensor([1, -1, 2]) },
        { clipLow: 0.2, clipHigh: 0.2, scale: 1 },
      );
      expect(stats).toMatchObject({
        ratioMaxDeviation: 0,
        approxKl: 0,
        clipped: 0,
        ratioMin: 1,
        ratioMax: 1,
      });
    }
  });

  it('R12: leaving it out is noticed: log-probabilities at 0.7 and at 1 differ by much', () => {
    const [warm, plain] = [0.7, 1].map((t) => linearLogProb(hidden, weight, targets, t).logProbs);
    expect(Math.max(...klPenalty(warm!, plain!, 'k2').toFloats())).toBeGreaterThan(1e-2);
  });

  it('is refused where it is none', () => {
    for (const wrong of [0, -1, Number.NaN])
      expectError('ERR_ARGUMENT', /expected temperature/, () =>
        linearLogProb(hidden, weight, targets, wrong),
      );
  });
});

describe('precision', () => {
  it('R13: log-softmax is f32 whatever the dtype of the activations', () => {
    // Products of small integers: both dtypes have them exactly, but bf16 could not hold logits of
    // 3 more digits.
    const whole = (t: Tensor, factor: number) =>
      keep(
        tensor(
          t.toFloats().map((v) => Math.round(v * factor)),
          t.shape,
        ),
      );
    const [x, w] = [whole(hidden, 40), whole(weight, 3)];
    const wide = linearLogProb(x, w, targets, 50);
    const narrow = linearLogProb(cast(x, 'bf16'), w, targets, 50);
    expect([narrow.logProbs.dtype, narrow.entropies.dtype]).toEqual(['f32', 'f32']);
    expect(narrow.logProbs.toFloats()).toEqual(wide.logProbs.toFloats());
    expect(narrow.entropies.toFloats()).toEqual(wide.entropies.toFloats());
    const [xs, ws] = [x.toFloats(), w.toFloats()];
    const wanted = Array.from(targets.toInts(), (target, i) => {
      const logits = Array.from({ length: vocabulary }, (_, j) => {
        let dot = 0;
        for (let k = 0; k < channels; ++k) dot += xs[i * channels + k]! * ws[j * channels + k]!;
        return dot / 50;
      });
      const logSum = Math.log(logits.reduce((total, logit) => total + Math.exp(logit), 0));
      return logits[target]! - logSum;
    });
    expectClose(narrow.logProbs.toFloats(), wanted, 1e-6, 1e-6);
  });
});

describe('gradients', () => {
  const up = random(4, rows);
  const spread = random(5, rows);
  const leaves = () => ({
    hidden: parameter(random(1, rows, channels)),
    weight: parameter(random(2, vocabulary, channels)),
  });

  it('agree with finite differences through log-probabilities, entropies and both', () => {
    const inputs = leaves();
    const through = (pick: (out: ReturnType<typeof linearLogProb>) => Tensor) => () =>
      pick(linearLogProb(inputs.hidden, inputs.weight, targets, 0.7));
    const logProbLoss = ({ logProbs }: { logProbs: Tensor }) => sum(mul(logProbs, up));
    const entropyLoss = ({ entropies }: { entropies: Tensor }) => sum(mul(entropies, spread));
    for (const pick of [
      logProbLoss,
      entropyLoss,
      (out: ReturnType<typeof linearLogProb>) => add(logProbLoss(out), entropyLoss(out)),
    ])
      expectGradients(through(pick), inputs);
  });

  it('ask nothing of the entropies when nothing comes through them', () => {
    const backwardOfHead = vi.spyOn(native, 'linearLogProbBackward');
    try {
      const inputs = leaves();
      const run = (entropyCoef: number) => {
        const { logProbs, entropies } = linearLogProb(inputs.hidden, inputs.weight, targets);
        const { loss } = policyLoss(
          logProbs,
          { oldLogProbs: logProbs.detach(), advantages: up, entropies },
          { clipLow: 0.2, clipHigh: 0.2, entropyCoef, scale: 1 },
        );
        backward(loss);
        return backwardOfHead.mock.lastCall![0].dentropies;
      };
      expect(run(0)).toBeUndefined();
      expect(run(0.01)).toBeDefined();
    } finally {
      backwardOfHead.mockRestore();
    }
  });

  it('leave a frozen weight alone, and are not recorded in noGrad', () => {
    const inputs = leaves();
    const frozen = random(2, vocabulary, channels);
    backward(sum(mul(linearLogProb(inputs.hidden, frozen, targets).logProbs, up)));
    const alone = inputs.hidden.grad!.toFloats();
    inputs.hidden.grad = undefined;
    backward(sum(mul(linearLogProb(inputs.hidden, inputs.weight, targets).logProbs, up)));
    expect(alone).toEqual(inputs.hidden.grad!.toFloats());
    expect(frozen.grad).toBeUndefined();
    expect(noGrad(() => linearLogProb(inputs.hidden, inputs.weight, targets)).logProbs.requiresGrad).toBe(
      false,
    );
  });

  it('of an ignored target are zero', () => {
    const inputs = leaves();
    const some = tensor(Int32Array.from(targets.toInts(), (target, i) => (i === 2 ? -100 : target)));
    const { logProbs, entropies } = linearLogProb(inputs.hidden, inputs.weight, some);
    backward(add(sum(logProbs), sum(entropies)));
    expect([logProbs.toFloats()[2], entropies.toFloats()[2]]).toEqual([0, 0]);
    const row = inputs.hidden.grad!.toFloats().slice(2 * channels, 3 * channels);
    for (const slope of row) expect(Math.abs(slope)).toBe(0);
  });

  it('of no rows are empty, and zero for the weight', () => {
    const inputs = {
      hidden: parameter(tensor(new Float32Array(0), [0, channels])),
      weight: parameter(random(2, vocabulary, channels)),
    };
    const { logProbs } = linearLogProb(inputs.hidden, inputs.weight, tensor(new Int32Array(0)));
    backward(sum(logProbs));
    expect(inputs.hidden.grad!.size).toBe(0);
    expect(new Set(inputs.weight.grad!.toFloats())).toEqual(new Set([0]));
  });
});
