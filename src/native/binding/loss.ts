import type { NativeTensor } from '../binding.ts';

export interface CrossEntropyInputs {
  /** `[n, d]` */
  x: NativeTensor;
  /** `[vocab, d]` f32 or bf16 */
  weight: NativeTensor;
  /** i32 `[n]`, -100 to ignore */
  targets: NativeTensor;
  /** f32 `[n]`: weight of the loss of each token. Default: 1 for all. */
  tokenWeights?: NativeTensor | undefined;
  scale: number;
  needGradient: boolean;
  /** Leave out dweight. */
  weightFrozen?: boolean | undefined;
  /** f32 `[vocab, d]`: memory that dweight overwrites. Default: new memory. */
  dweightMemory?: NativeTensor | undefined;
  /** A logit l counts as softcap tanh(l / softcap). */
  softcap?: number | undefined;
}

export interface LogProbBackwardInputs {
  x: NativeTensor;
  weight: NativeTensor;
  targets: NativeTensor;
  temperature: number;
  /** f32 `[n]` */
  dlogProbs: NativeTensor;
  /** f32 `[n]` */
  dentropies?: NativeTensor | undefined;
  /** f32 `[vocab, d]`: the gradient of the weight is added to it. */
  dweight?: NativeTensor | undefined;
  /** Overwrite dweight instead of adding to it. */
  overwrite?: boolean | undefined;
  /** A logit l counts as softcap tanh(l / softcap). */
  softcap?: number | undefined;
}

export interface LossBinding {
  /**
   * [losses, scale * sum(weight * loss), dx, dweight]; the last two with needGradient, dweight
   * unless weightFrozen.
   */
  linearCrossEntropy(
    inputs: CrossEntropyInputs,
  ): [NativeTensor, number, NativeTensor | undefined, NativeTensor | undefined];
  /**
   * f32 `[n, vocab]` for any dtype of x: the bits of the logits that the losses see, for `sample`.
   */
  linearLogits(x: NativeTensor, weight: NativeTensor, softcap?: number | undefined): NativeTensor;
  /** [log-probabilities, entropies] */
  linearLogProb(
    x: NativeTensor,
    weight: NativeTensor,
    targets: NativeTensor,
    temperature: number,
    softcap?: number | undefined,
  ): [NativeTensor, NativeTensor];
  /** Returns dx. */
  linearLogProbBackward(inputs: LogProbBackwardInputs): NativeTensor;
}
