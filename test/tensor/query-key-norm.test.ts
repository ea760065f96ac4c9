/**
 * The differentiable query and key norm. test/native compares its numbers with double precision.
 */
import { describe, expect, it } from 'vitest';
import { backward } from '../../src/tensor/autograd.ts';
import { mean, mul } from '../../src/tensor/ops/elementwise.ts';
import { queryKeyNorm } from '../../src/tensor/ops/query-key-norm.ts';
import { keep, parameter, scope, tensor } from '../../src/tensor/tensor.ts';
import { expectGradients } from '../helpers/gradient-check.ts';
import { randomNormal } from '../helpers/reference.ts';

const [heads, kvHeads, headDim, rows] = [3, 1, 8, 5];
const width = (heads + 2 * kvHeads) * headDim;

function make() {
  const values = (count: number, seed: number, center = 0) =>
    keep(parameter(tensor(randomNormal(count, seed, 0.5, center))));
  return {
    qkv: keep(parameter(tensor(randomNormal(rows * width, 1), [rows, width]))),
    queryGain: values(headDim, 2, 1),
    keyGain: values(headDim, 3, 1),
  };
}

describe('queryKeyNorm', () => {
  it("of all heads together is an RMS norm of each token's queries, and of its keys", () => {
    const gains = {
      queryGain: parameter(tensor(randomNormal(2 * 4, 1))),
      keyGain: parameter(tensor(randomNormal(4, 2))),
    };
    const qkv = parameter(tensor(randomNormal(3 * 16, 3), [3, 16]));
    const weights = keep(tensor(randomNormal(3 * 16, 4), [3, 16]));
    const options = { ...gains, heads: 2, kvHeads: 1, eps: 1e-6, gainOffset: 1 };
    const loss = () => mean(mul(queryKeyNorm(qkv, options), weights));
    expectGradients(loss, { qkv, ...gains });
    const y = scope(() => queryKeyNorm(qkv, options).toFloats());
    const x = qkv.toFloats();
    const gain = gains.queryGain.toFloats();
    const rstd = 1 / Math.sqrt(x.subarray(0, 8).reduce((sum, v) => sum + v * v, 0) / 8 + 1e-6);
    for (let i = 0; i < 8; i++) expect(y[i]).toBeCloseTo(x[i]! * rstd * (1 + gain[i]!), 5);
    expect([...y.subarray(12, 16)]).toEqual([...x.subarray(12, 16)]);
  });

  it('has the gradients that finite differences find', () => {
    const { qkv, ...gains } = make();
    const weights = keep(tensor(randomNormal(rows * width, 4), [rows, width]));
    const loss = () => mean(mul(queryKeyNorm(qkv, { ...gains, heads, kvHeads, eps: 1e-6 }), weights));
    expectGradients(loss, { qkv, ...gains }, { tolerance: 2e-2, samples: 8 });
  });

  it('gives a frozen gain no gradient, and passes one on through it', () => {
    const { qkv, queryGain, keyGain } = make();
    queryGain.requiresGrad = false;
    scope(() => backward(mean(queryKeyNorm(qkv, { queryGain, keyGain, heads, kvHeads, eps: 1e-6 }))));
    expect(queryGain.grad).toBeUndefined();
    expect(keyGain.grad).toBeDefined();
    expect(qkv.grad).toBeDefined();
  });
});
