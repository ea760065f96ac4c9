import { expect, it } from 'vitest';
import { Gpt } from '../../src/nn/gpt.ts';
import { presetConfig } from '../../src/nn/presets.ts';
import { AdamW } from '../../src/optim/adamw.ts';
import { backward } from '../../src/tensor/autograd.ts';
import { parameter, scope, tensor } from '../../src/tensor/tensor.ts';
import { expectSameBits, maxError, randomIntegers } from '../helpers/reference.ts';

const ints = (values: ArrayLike<number>) => tensor(Int32Array.from(values));
const [B, T] = [8, 16];
const ids = randomIntegers(B * T, 1, 256);
const targets = randomIntegers(B * T, 2, 256);

/** Gradients of the mean loss over all eight sequences, taken `parts` at a time. */
function gradients(model: Gpt, parts: number) {
  const rows = (B * T) / parts;
  for (let part = 0; part < parts; ++part) {
    scope(() => {
      const at = (values: Int32Array) => ints(values.slice(part * rows, (part + 1) * rows));
      const input = {
        tokens: at(ids),
        positions: ints(Array.from({ length: rows }, (_, i) => i % T)),
        cuSeqlens: ints(Array.from({ length: rows / T + 1 }, (_, i) => i * T)),
      };
      backward(model.loss(input, at(targets), { scale: 1 / (B * T) }).loss);
    });
  }
  const grads = new Map([...model.parameters()].map(([name, p]) => [name, p.grad!.toFloats()]));
  model.zeroGrad();
  return grads;
}

it('accumulated batches give the gradient of the whole', () => {
  const model = new Gpt(presetConfig('tiny'), { seed: 3 });
  const whole = gradients(model, 1);
  for (const parts of [2, 8]) {
    for (const [name, grad] of gradients(model, parts)) {
      const wanted = whole.get(name)!;
      expect(maxError(grad, wanted), name).toBeLessThan(1e-5 * Math.max(...wanted.map(Math.abs)) + 1e-9);
    }
  }
});

it('goes on from its state with the same bits, and decays matrices only', () => {
  const make = () => new Gpt(presetConfig('tiny'), { seed: 3 });
  const [a, b] = [make(), make()];
  const [first, second] = [a, b].map((model) => new AdamW(model.parameters(), { weightDecay: 0.5 })) as [
    AdamW,
    AdamW,
  ];
  const step = (model: Gpt, optimizer: AdamW) => {
    const grads = gradients(model, 1);
    for (const [name, p] of model.parameters()) p.grad = tensor(grads.get(name)!, p.shape);
    optimizer.step(1e-3);
    model.zeroGrad();
  };
  step(a, first);
  for (const [name, p] of a.parameters()) b.parameters().get(name)!.write(p.toFloats());
  const saved = new Map([...first.state()].map(([name, value]) => [name, value.toFloats()]));
  second.restore(first.stepCount, (name) => saved.get(name)!);
  step(a, first);
  step(b, second);
  for (const [name, p] of a.parameters())
    expectSameBits(b.parameters().get(name)!.toFloats(), p.toFloats(), name);
  const [norm, matrix] = ['final_norm.weight', 'blocks.0.mlp.up.weight'].map(
    (name) => a.parameters().get(name)!,
  );
  const zeroGrads = new AdamW(
    new Map([
      ['norm', norm!],
      ['matrix', matrix!],
    ]),
    { weightDecay: 0.5 },
  );
  const before = [norm!.toFloats(), matrix!.toFloats()];
  for (const p of [norm!, matrix!]) p.grad = tensor(new Float32Array(p.size), p.shape);
  zeroGrads.step(0.1);
  expectSameBits(norm!.toFloats(), before[0]!);
  expect(matrix!.toFloats()[0]! / before[1]![0]!).toBeCloseTo(1 - 0.1 * 0.5, 6);
  expect(() => second.restore(1, () => new Float32Array(1))).toThrow(/does not fit the model/);
});

it.each([
  ['torch', 1],
  // sqrt(v) is not yet corrected when eps is added, so eps counts 1 / sqrt(1 - beta2) times.
  ['tensorflow', 1 / Math.sqrt(1 - 0.95)],
] as const)('R34: the first step with the epsilon of %s is lr g / (|g| + %d eps)', (epsPlacement, times) => {
  const [lr, eps] = [0.1, 1e-5];
  const gradient = Float32Array.of(1e-5, -3e-6, 2e-7, 1, 0);
  const weight = parameter(tensor(new Float32Array(5)));
  const optimizer = new AdamW(new Map([['weight', weight]]), {
    beta2: 0.95,
    eps,
    epsPlacement,
    weightDecay: 0,
  });
  weight.grad = tensor(gradient);
  optimizer.step(lr);
  weight.toFloats().forEach((value, i) => {
    const g = gradient[i]!;
    expect(value).toBeCloseTo((-lr * g) / (Math.abs(g) + times * eps), 6);
  });
});

it('R34: the second step has the moments of both gradients', () => {
  const [lr, eps, beta1, beta2] = [0.1, 1e-3, 0.9, 0.95];
  const weight = parameter(tensor(new Float32Array(1)));
  const optimizer = new AdamW(new Map([['weight', weight]]), {
    beta1,
    beta2,
    eps,
    epsPlacement: 'tensorflow',
    weightDecay: 0,
  });
  let [m, v, wanted] = [0, 0, 0];
  for (const [i, g] of [0.01, -0.004].entries()) {
    weight.grad = tensor(Float32Array.of(g));
    optimizer.step(lr);
    m = beta1 * m + (1 - beta1) * g;
    v = beta2 * v + (1 - beta2) * g * g;
    const rate = (lr * Math.sqrt(1 - beta2 ** (i + 1))) / (1 - beta1 ** (i + 1));
    wanted -= (rate * m) / (Math.sqrt(v) + eps);
    expect(weight.toFloats()[0]).toBeCloseTo(wanted, 6);
  }
});
