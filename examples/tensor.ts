/**
 * A tensor and its gradient: fits a straight line to noisy points by gradient descent, written out.
 * Run it with: npm run example tensor
 */
import { backward, linear, mean, mul, parameter, scope, sub, tensor, zeros } from 'athanor';

/** Points around y = 3 x - 1. */
const xs = Array.from({ length: 64 }, (_, i) => i / 32 - 1);
const ys = xs.map((x, i) => 3 * x - 1 + 0.1 * Math.sin(7 * i));

const x = tensor(xs, [64, 1]);
const y = tensor(ys, [64, 1]);
const weight = parameter(zeros([1, 1]));
const bias = parameter(zeros([1]));

for (let step = 0; step < 200; ++step) {
  // Everything that is made in a scope is freed at its end, except what it returns.
  const loss = scope(() => {
    const error = sub(linear(x, weight, bias), y);
    const squares = mean(mul(error, error));
    backward(squares);
    return squares.item();
  });
  for (const value of [weight, bias]) {
    const gradient = value.grad!.toFloats();
    value.write(value.toFloats().map((old, i) => old - 0.1 * gradient[i]!));
    value.grad = undefined;
  }
  if (step % 50 === 0) console.log(`step ${step}: loss ${loss.toFixed(4)}`);
}
console.log(`y = ${weight.item().toFixed(2)} x + (${bias.item().toFixed(2)})`);
