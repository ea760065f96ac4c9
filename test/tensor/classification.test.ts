/** Binary cross-entropy against its definition and finite differences. */
import { expect, it } from 'vitest';
import { binaryCrossEntropy, sigmoid } from '../../src/tensor/ops/classification.ts';
import { parameter, tensor } from '../../src/tensor/tensor.ts';
import { expectGradients } from '../helpers/gradient-check.ts';

const labels = [true, false, true, false, true];

it('is the sum of the negative log-likelihoods, and its gradient is right', () => {
  const logits = parameter(tensor([2, -1, 0.5, 3, -4]));
  const { loss, probabilities } = binaryCrossEntropy(logits, labels, 0.25);
  const own = [...probabilities].map((p, i) => -Math.log(labels[i] ? p : 1 - p));
  expect(loss.item()).toBeCloseTo(0.25 * own.reduce((sum, one) => sum + one, 0), 6);
  expectGradients(() => binaryCrossEntropy(logits, labels, 0.25).loss, { logits });
});

it('does not overflow', () => {
  const { loss, probabilities } = binaryCrossEntropy(parameter(tensor([800, -800, -800, 800])), [
    true,
    false,
    true,
    false,
  ]);
  expect(loss.item()).toBe(1600);
  expect([...probabilities]).toEqual([1, 0, 0, 1]);
  expect(sigmoid(-800)).toBe(0);
});
