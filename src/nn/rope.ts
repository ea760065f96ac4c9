/**
 * Rotary positions for contexts longer than those of pretraining: factors on the frequencies, and
 * a magnitude of the rotated vectors. The formulas are those of transformers
 * (modeling_rope_utils.py).
 */

/** How the frequencies of rotary positions are scaled. */
export type RopeScaling =
  /** All frequencies divided by `factor` (Chen et al., 2023). */
  | { type: 'linear'; factor: number }
  /**
   * Scaled only in sequences that are longer than the model's context, which Athanor does not
   * compute. So it is the plain rotation here.
   */
  | { type: 'dynamic'; factor: number }
  /** Llama 3.1: wavelengths from originalContext / lowFrequency on are divided by `factor`. */
  | { type: 'llama3'; factor: number; lowFrequency: number; highFrequency: number; originalContext: number }
  /** YaRN (Peng et al., 2023). */
  | {
      type: 'yarn';
      factor: number;
      originalContext: number;
      /** Turns within the original context from which on a frequency stays as it is. */
      fast: number;
      /** Turns up to which a frequency is divided by `factor`. */
      slow: number;
      /** Whether the range between the two is widened to whole channels. */
      truncate: boolean;
      /** Factor on the rotated vectors. Default: from `scales`, or 0.1 ln(factor) + 1. */
      magnitude?: number;
      /** Weights of ln(factor) in the numerator and the denominator of the default. */
      scales?: readonly [number, number];
    }
  /**
   * LongRoPE (Ding et al., 2024): a divisor per frequency. `short` holds for a contextLength up to
   * originalContext, `long` beyond it.
   */
  | {
      type: 'longrope';
      short: readonly number[];
      long: readonly number[];
      originalContext: number;
      /** The longest context that the model was made for. */
      longContext: number;
      /** Factor on the rotated vectors. Default: from longContext / originalContext. */
      magnitude?: number;
    };

/** Rotary positions (Su et al., 2021), halves paired, with this base. */
export interface RopeSpec {
  theta: number;
  /** Channels of each head that are rotated, the first ones. Default: all. */
  width?: number;
  scaling?: RopeScaling;
}

/** Arguments of the engine's table of cosines and sines. */
export interface RopeFactors {
  /** On each of width / 2 frequencies. Undefined: 1. */
  frequencies: number[] | undefined;
  /** On cosines and sines. Undefined: 1. */
  magnitude: number | undefined;
}

/**
 * What scaling does to the table of a model.
 * @param width channels that are rotated
 * @param contextLength of the model
 */
export function ropeFactors({ theta, scaling }: RopeSpec, width: number, contextLength: number): RopeFactors {
  const each = (factor: (frequency: number, i: number) => number) =>
    Array.from({ length: width / 2 }, (_, i) => factor(theta ** ((-2 * i) / width), i));
  const plain = { frequencies: undefined, magnitude: undefined };
  switch (scaling?.type) {
    case undefined:
    case 'dynamic':
      return plain;
    case 'linear':
      return { ...plain, frequencies: each(() => 1 / scaling.factor) };
    case 'llama3':
      return { ...plain, frequencies: each((frequency) => llama3Factor(scaling, frequency)) };
    case 'yarn':
      return { frequencies: yarnFactors(scaling, theta, width), magnitude: ropeMagnitude(scaling) };
    case 'longrope': {
      const divisors = contextLength > scaling.originalContext ? scaling.long : scaling.short;
      return { frequencies: each((_, i) => 1 / divisors[i]!), magnitude: ropeMagnitude(scaling) };
    }
  }
}

type Scaling<T extends RopeScaling['type']> = Extract<RopeScaling, { type: T }>;

/** The factor on rotated vectors: the given one, or the one that the method's paper derives. */
export function ropeMagnitude(scaling: Scaling<'yarn'> | Scaling<'longrope'>): number {
  if (scaling.magnitude !== undefined) return scaling.magnitude;
  if (scaling.type === 'yarn') {
    const [above, below] = scaling.scales ?? [1, 0];
    return yarnMagnitude(scaling.factor, above) / yarnMagnitude(scaling.factor, below);
  }
  const stretch = scaling.longContext / scaling.originalContext;
  return stretch <= 1 ? 1 : Math.sqrt(1 + Math.log(stretch) / Math.log(scaling.originalContext));
}

function yarnMagnitude(factor: number, weight: number): number {
  return factor <= 1 ? 1 : 0.1 * weight * Math.log(factor) + 1;
}

function llama3Factor(scaling: Scaling<'llama3'>, frequency: number): number {
  const { factor, lowFrequency, highFrequency, originalContext } = scaling;
  const turns = (originalContext * frequency) / (2 * Math.PI);
  if (turns < lowFrequency) return 1 / factor;
  if (turns > highFrequency) return 1;
  const smooth = (turns - lowFrequency) / (highFrequency - lowFrequency);
  return (1 - smooth) / factor + smooth;
}

function yarnFactors(scaling: Scaling<'yarn'>, theta: number, width: number): number[] {
  const { factor, originalContext, fast, slow, truncate } = scaling;
  const channel = (turns: number) =>
    (width * Math.log(originalContext / (turns * 2 * Math.PI))) / (2 * Math.log(theta));
  const [from, to] = truncate
    ? [Math.floor(channel(fast)), Math.ceil(channel(slow))]
    : [channel(fast), channel(slow)];
  const low = Math.max(from, 0);
  const high = Math.min(to, width - 1);
  return Array.from({ length: width / 2 }, (_, i) => {
    const ramp = Math.min(1, Math.max(0, (i - low) / (high === low ? 0.001 : high - low)));
    return ramp / factor + (1 - ramp);
  });
}
