import type { NativeTensor } from '../binding.ts';

/** With d = logProbs - reference, k1 is d, k2 is d^2 / 2 and k3 is exp(-d) - 1 + d. */
export type KlEstimator = 'k1' | 'k2' | 'k3';

/** All tensors are f32 `[n]`. */
export interface PolicyLossInputs {
  logProbs: NativeTensor;
  oldLogProbs: NativeTensor;
  advantages: NativeTensor;
  /** Required unless entropyCoef is 0. */
  entropies?: NativeTensor | undefined;
  /** Required unless klCoef is 0. */
  referenceLogProbs?: NativeTensor | undefined;
  /** Default: all 1. */
  weights?: NativeTensor | undefined;
  clipLow: number;
  clipHigh: number;
  /** 0 turns it off. */
  dualClip: number;
  entropyCoef: number;
  klCoef: number;
  scale: number;
  needGradient: boolean;
}

export interface PolicyBinding {
  /** [advantages, returns] */
  gae(
    rewards: NativeTensor,
    values: NativeTensor,
    starts: NativeTensor,
    gamma: number,
    lambda: number,
  ): [NativeTensor, NativeTensor];
  /** Without shiftMean the result keeps the mean of x. */
  whiten(x: NativeTensor, shiftMean: boolean): NativeTensor;
  klPenalty(logProbs: NativeTensor, referenceLogProbs: NativeTensor, estimator: KlEstimator): NativeTensor;
  /**
   * [loss, dlogProbs, dentropies, [clipped, approxKl, ratioMaxDeviation, ratioSum, ratioMin,
   * ratioMax]]
   */
  policyLoss(
    inputs: PolicyLossInputs,
  ): [
    number,
    NativeTensor | undefined,
    NativeTensor | undefined,
    [number, number, number, number, number, number],
  ];
  /** [loss, dvalues, clipped] */
  valueLoss(
    values: NativeTensor,
    oldValues: NativeTensor,
    returns: NativeTensor,
    clip: number,
    scale: number,
    needGradient: boolean,
  ): [number, NativeTensor | undefined, number];
}
