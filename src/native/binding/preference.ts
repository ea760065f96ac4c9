import type { NativeTensor } from '../binding.ts';

export interface PreferenceBinding {
  /** [loss, dscores, pairs in the right order] */
  rankingLoss(
    scores: NativeTensor,
    pairs: NativeTensor,
    margins: NativeTensor | undefined,
    weights: NativeTensor | undefined,
    centering: number,
    scale: number,
    needGradient: boolean,
  ): [number, NativeTensor | undefined, number];
  /** [loss, rewards, dsums, pairs in the right order]; @param kind 0 sigmoid, 1 ipo, 2 hinge */
  dpoLoss(
    sums: NativeTensor,
    reference: NativeTensor,
    beta: number,
    kind: number,
    labelSmoothing: number,
    scale: number,
    needGradient: boolean,
  ): [number, NativeTensor, NativeTensor | undefined, number];
}
