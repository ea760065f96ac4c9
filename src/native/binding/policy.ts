import type { NativeTensor } from '../binding.ts';

export interface PolicyBinding {
  /** [advantages, returns] */
  gae(
    rewards: NativeTensor,
    values: NativeTensor,
    starts: NativeTensor,
    gamma: number,
    lambda: number,
  ): [NativeTensor, NativeTensor];
  whiten(x: NativeTensor, shiftMean: boolean): NativeTensor;
  /** @param estimator 0 k1, 1 k2, 2 k3 */
  klPenalty(logProbs: NativeTensor, referenceLogProbs: NativeTensor, estimator: number): NativeTensor;
  /** [loss, dlogProbs, dentropies, [clipped, approxKl, ratioMaxDeviation, ratioSum, ratioMin, ratioMax]] */
  policyLoss(
    logProbs: NativeTensor,
    oldLogProbs: NativeTensor,
    advantages: NativeTensor,
    entropies: NativeTensor | undefined,
    referenceLogProbs: NativeTensor | undefined,
    clipLow: number,
    clipHigh: number,
    dualClip: number,
    entropyCoef: number,
    klCoef: number,
    scale: number,
    needGradient: boolean,
  ): [number, NativeTensor | undefined, NativeTensor | undefined, number[]];
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
