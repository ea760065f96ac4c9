/**
 * AdamW (Loshchilov and Hutter, 2019, algorithm 2) over all parameters in one native call. The
 * moments are f32. A bf16 parameter has no f32 master: its update is computed in f32 and rounded
 * stochastically (native/core/stochastic_rounding.h), so that updates far below its precision
 * still add up.
 */

import { AthanorError } from '../base/errors.ts';
import { withDefaults } from '../base/with-defaults.ts';
import { native } from '../native/addon.ts';
import { keep, type Tensor, zeros } from '../tensor/tensor.ts';

/** Hyperparameters of AdamW. adamwDefaults has the defaults. */
export interface AdamWOptions {
  /** Decay rate of the first moment. Default 0.9. */
  beta1?: number;
  /** Decay rate of the second moment. Default 0.95. */
  beta2?: number;
  /** Added to the denominator. Default 1e-8. */
  eps?: number;
  /**
   * Whether eps is added to the root of the second moment after its bias correction (`torch`, the
   * default) or before it (`tensorflow`). The first RLHF implementations did the latter:
   * `lr sqrt(1 - beta2^t) / (1 - beta1^t) * m / (sqrt(v) + eps)`.
   */
  epsPlacement?: 'torch' | 'tensorflow';
  /**
   * Decoupled weight decay of tables and projections. Gains and biases do not decay. Default 0.1.
   */
  weightDecay?: number;
  /**
   * The random bits that round a bf16 parameter are a function of (seed, step, parameter,
   * element). Default 0.
   */
  seed?: number;
}

/** The defaults of AdamWOptions. */
export const adamwDefaults: Required<AdamWOptions> = {
  beta1: 0.9,
  beta2: 0.95,
  eps: 1e-8,
  epsPlacement: 'torch',
  weightDecay: 0.1,
  seed: 0,
};

interface Slot {
  name: string;
  parameter: Tensor;
  first: Tensor;
  second: Tensor;
  weightDecay: number;
}

/** The optimizer of named parameters. It owns their moments, which dispose() frees. */
export class AdamW {
  readonly #slots: Slot[];
  readonly #options: Required<AdamWOptions>;
  /** Number of updates so far, on which the bias correction depends. */
  stepCount = 0;

  /** @param parameters by name; their order decides the random bits of stochastic rounding */
  constructor(parameters: ReadonlyMap<string, Tensor>, options: AdamWOptions = {}) {
    this.#options = withDefaults(adamwDefaults, options);
    this.#slots = [...parameters].map(([name, parameter]) => ({
      name,
      parameter,
      first: keep(zeros(parameter.shape)),
      second: keep(zeros(parameter.shape)),
      weightDecay: parameter.shape.length >= 2 ? this.#options.weightDecay : 0,
    }));
  }

  /** L2 norm of all gradients together. */
  gradNorm(): number {
    return native.globalNorm(this.#withGrad().map((slot) => slot.parameter.grad!.handle));
  }

  /**
   * Updates every parameter that has a gradient. The gradient is first multiplied by gradientScale.
   */
  step(lr: number, gradientScale = 1): void {
    this.stepCount += 1;
    const slots = this.#withGrad();
    const { beta1, beta2, eps, epsPlacement, seed } = this.#options;
    // Dividing m / (sqrt(v) + e) by the root of v's correction turns e into e / correction.
    const correction = epsPlacement === 'tensorflow' ? Math.sqrt(1 - beta2 ** this.stepCount) : 1;
    native.adamwStep({
      parameters: slots.map((slot) => slot.parameter.handle),
      gradients: slots.map((slot) => slot.parameter.grad!.handle),
      first: slots.map((slot) => slot.first.handle),
      second: slots.map((slot) => slot.second.handle),
      weightDecay: slots.map((slot) => slot.weightDecay),
      lr,
      beta1,
      beta2,
      eps: eps / correction,
      step: this.stepCount,
      gradientScale,
      seed,
    });
  }

  /** The moments by name (`first.<parameter>`, `second.<parameter>`), for a checkpoint. */
  state(): Map<string, Tensor> {
    const tensors = new Map<string, Tensor>();
    for (const { name, first, second } of this.#slots) {
      tensors.set(`first.${name}`, first);
      tensors.set(`second.${name}`, second);
    }
    return tensors;
  }

  /**
   * Restores the moments that state() gave, one at a time. Throws ERR_MISMATCH for a moment
   * of another size.
   */
  restore(stepCount: number, read: (name: string) => Float32Array): void {
    for (const [name, target] of this.state()) {
      const saved = read(name);
      if (saved.length !== target.size) {
        throw new AthanorError('ERR_MISMATCH', `the optimizer state does not fit the model: ${name}`);
      }
      target.write(saved);
    }
    this.stepCount = stepCount;
  }

  /** Frees the moments. */
  dispose(): void {
    for (const { first, second } of this.#slots) {
      first.dispose();
      second.dispose();
    }
  }

  #withGrad(): Slot[] {
    return this.#slots.filter((slot) => slot.parameter.grad !== undefined);
  }
}
