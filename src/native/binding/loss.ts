import type { NativeTensor } from '../binding.ts';

export interface LossBinding {
  /**
   * [losses, scale * sum(weight * loss), dx, dweight]; the last two with needGradient, dweight unless weightFrozen.
   * dweight overwrites dweightMemory where that is given.
   */
  linearCrossEntropy(
    x: NativeTensor,
    weight: NativeTensor,
    targets: NativeTensor,
    tokenWeights: NativeTensor | undefined,
    scale: number,
    needGradient: boolean,
    weightFrozen?: boolean,
    dweightMemory?: NativeTensor,
  ): [NativeTensor, number, NativeTensor | undefined, NativeTensor | undefined];
  /** f32 `[n, vocab]` whatever the dtype of x: bit for bit the logits that the losses see, for `sample`. */
  linearLogits(x: NativeTensor, weight: NativeTensor): NativeTensor;
  /** [log-probabilities, entropies] */
  linearLogProb(
    x: NativeTensor,
    weight: NativeTensor,
    targets: NativeTensor,
    temperature: number,
  ): [NativeTensor, NativeTensor];
  /** dx; adds into dweight, or overwrites it. */
  linearLogProbBackward(
    x: NativeTensor,
    weight: NativeTensor,
    targets: NativeTensor,
    temperature: number,
    dlogProbs: NativeTensor,
    dentropies: NativeTensor | undefined,
    dweight: NativeTensor | undefined,
    overwrite?: boolean,
  ): NativeTensor;
}
