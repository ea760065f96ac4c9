/**
 * AdamW (Loshchilov and Hutter, 2019, algorithm 2) over all parameters in one native call. The
 * moments are f32. A bf16 parameter has no f32 master: its update is computed in f32 and rounded
 * stochastically (native/core/stochastic_rounding.h), so that updates far below its precision
 * still add up.
 */

import { AthanorError } from '../base/errors.ts';
import { withDefaults } from '../base/with-defaults.ts';
import { CHUNK } from '../comm/bucket-layout.ts';
import type { ParameterShare } from '../comm/parameter-share.ts';
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

/** Everything is updated here. */
const wholeParameters: ParameterShare = {
  runOf: ({ size }) => ({ begin: 0, end: size }),
  elementsOf: ({ handle, shape }) => native.view(handle, shape),
  gradientOf: ({ grad }) => grad,
  hasGradient: ({ grad }) => grad !== undefined,
};

interface Slot {
  name: string;
  parameter: Tensor;
  /** The elements of the parameter that are updated here. */
  begin: number;
  end: number;
  first: Tensor;
  second: Tensor;
  weightDecay: number;
}

/** The optimizer of named parameters. It owns their moments, which dispose() frees. */
export class AdamW {
  readonly #slots: Slot[];
  readonly #options: Required<AdamWOptions>;
  readonly #share: ParameterShare;
  /** Number of updates so far, on which the bias correction depends. */
  stepCount = 0;

  /**
   * @param parameters by name; their order decides the random bits of stochastic rounding
   * @param share what this process updates. Default: all elements.
   */
  constructor(
    parameters: ReadonlyMap<string, Tensor>,
    options: AdamWOptions = {},
    share: ParameterShare = wholeParameters,
  ) {
    this.#options = withDefaults(adamwDefaults, options);
    this.#share = share;
    this.#slots = [...parameters].map(([name, parameter]) => {
      const { begin, end } = share.runOf(parameter);
      const isWhole = begin === 0 && end === parameter.size;
      const shape = isWhole ? parameter.shape : [end - begin];
      return {
        ...{ name, parameter, begin, end },
        first: keep(zeros(shape)),
        second: keep(zeros(shape)),
        weightDecay: parameter.shape.length >= 2 ? this.#options.weightDecay : 0,
      };
    });
  }

  /** L2 norm of all gradients together. Every gradient must be here as a whole. */
  gradNorm(): number {
    return normOf(this.squares());
  }

  /**
   * f64: the sums of squares of the gradients, chunk by chunk, parameter by parameter. Chunks of
   * other processes are 0, so the processes add up their results to those of all chunks.
   */
  squares(): Float64Array {
    const chunksOf = (size: number) => Math.ceil(size / CHUNK);
    const count = this.#slots.reduce((sum, { parameter }) => sum + chunksOf(parameter.size), 0);
    const all = new Float64Array(count);
    const here = this.#withGrad();
    const squares = native.squaresByChunk(here.map(({ gradient }) => gradient.handle));
    const found = new Set(here.map(({ slot }) => slot));
    let [from, at] = [0, 0];
    for (const slot of this.#slots) {
      if (found.has(slot)) {
        const to = from + chunksOf(slot.end - slot.begin);
        all.set(squares.subarray(from, to), at + slot.begin / CHUNK);
        from = to;
      }
      at += chunksOf(slot.parameter.size);
    }
    return all;
  }

  /**
   * Updates every parameter that has a gradient. The gradient is first multiplied by gradientScale.
   */
  step(lr: number, gradientScale = 1): void {
    this.beginStep();
    this.update(lr, gradientScale);
  }

  /** Begins a step that update() does in parts. */
  beginStep(): void {
    this.stepCount += 1;
  }

  /**
   * The part of a step that updates these parameters, as far as they have a gradient. The bits do
   * not depend on the parts. Default: all parameters.
   */
  update(lr: number, gradientScale: number, parameters?: ReadonlySet<Tensor>): void {
    const here = this.#withGrad().filter(({ slot }) => parameters?.has(slot.parameter) ?? true);
    const { beta1, beta2, eps, epsPlacement, seed } = this.#options;
    // Dividing m / (sqrt(v) + e) by the root of v's correction turns e into e / correction.
    const correction = epsPlacement === 'tensorflow' ? Math.sqrt(1 - beta2 ** this.stepCount) : 1;
    const elements = here.map(({ slot }) => this.#share.elementsOf(slot.parameter));
    native.adamwStep({
      parameters: elements,
      gradients: here.map(({ gradient }) => gradient.handle),
      first: here.map(({ slot }) => slot.first.handle),
      second: here.map(({ slot }) => slot.second.handle),
      weightDecay: here.map(({ slot }) => slot.weightDecay),
      place: here.map(({ place }) => place),
      begin: here.map(({ slot }) => slot.begin),
      lr,
      beta1,
      beta2,
      eps: eps / correction,
      step: this.stepCount,
      gradientScale,
      seed,
    });
    for (const view of elements) view.dispose();
  }

  /**
   * The moments by name (`first.<parameter>`, `second.<parameter>`), for a checkpoint: of the
   * elements that are updated here.
   */
  state(): Map<string, Tensor> {
    return new Map(this.moments().map(({ name, moment }) => [name, moment]));
  }

  /** The moments with their parameters, in the order of a checkpoint. */
  moments(): { name: string; moment: Tensor; parameter: Tensor }[] {
    return this.#slots.flatMap(({ name, parameter, first, second }) => [
      { name: `first.${name}`, moment: first, parameter },
      { name: `second.${name}`, moment: second, parameter },
    ]);
  }

  /**
   * Restores the moments of whole parameters, one at a time. Throws ERR_MISMATCH for a moment
   * of another size.
   */
  restore(stepCount: number, read: (name: string) => Float32Array): void {
    for (const { name, moment, parameter } of this.moments()) {
      const saved = read(name);
      if (saved.length !== parameter.size) {
        throw new AthanorError('ERR_MISMATCH', `the optimizer state does not fit the model: ${name}`);
      }
      const { begin, end } = this.#share.runOf(parameter);
      moment.write(saved.subarray(begin, end));
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

  /** What is updated here of the parameters with a gradient, and their places among those. */
  #withGrad(): { slot: Slot; gradient: Tensor; place: number }[] {
    return this.#slots
      .filter(({ parameter }) => this.#share.hasGradient(parameter))
      .flatMap((slot, place) => {
        const gradient = this.#share.gradientOf(slot.parameter);
        return gradient ? [{ slot, gradient, place }] : [];
      });
  }
}

/** The L2 norm, from sums of squares, which are added in their order. */
export function normOf(squares: readonly number[] | Float64Array): number {
  let total = 0;
  for (const sum of squares) total += sum;
  return Math.sqrt(total);
}
