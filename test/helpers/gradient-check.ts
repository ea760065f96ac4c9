/** Central finite differences against backward(), one perturbed element at a time. */
import { expect } from 'vitest';
import { backward, noGrad } from '../../src/tensor/autograd.ts';
import { scope, type Tensor } from '../../src/tensor/tensor.ts';

export interface GradientCheckOptions {
  /**
   * Step of the difference, relative to 1. Default 1e-2, where f32 rounding and curvature
   * are both small.
   */
  step?: number;
  /** Largest difference allowed, relative to the largest gradient of the input. Default 1e-2. */
  tolerance?: number;
  /** Elements of each input to try. Default 12, spread over it. */
  samples?: number;
}

/**
 * Checks d(loss)/d(input) for every input; `loss` makes an f32 `[1]` from the inputs and is
 * called many times.
 */
export function expectGradients(
  loss: () => Tensor,
  inputs: Readonly<Record<string, Tensor>>,
  options: GradientCheckOptions = {},
): void {
  const { step = 1e-2, tolerance = 1e-2, samples = 12 } = options;
  for (const input of Object.values(inputs)) input.grad = undefined;
  scope(() => backward(loss()));
  const value = () => noGrad(() => scope(() => loss().item()));
  for (const [name, input] of Object.entries(inputs)) {
    expect(input.grad, `${name} has a gradient`).toBeDefined();
    const analytic = input.grad!.toFloats();
    const largest = Math.max(...analytic.map(Math.abs), 1e-6);
    const original = input.toFloats();
    const stride = Math.max(1, Math.floor(input.size / samples));
    for (let i = 0; i < input.size; i += stride) {
      const at = (delta: number) => {
        const moved = original.slice();
        moved[i] = original[i]! + delta;
        input.write(moved);
        return { x: moved[i]!, y: value() };
      };
      const [above, below] = [at(step), at(-step)];
      const numeric = (above.y - below.y) / (above.x - below.x);
      expect(
        Math.abs(analytic[i]! - numeric),
        `d/d${name}[${i}]: ${analytic[i]} against ${numeric}`,
      ).toBeLessThan(tolerance * largest);
    }
    input.write(original);
  }
}
