import type { NativeTensor } from '../binding.ts';

export interface CrossEntropyInputs {
  /** `[n, d]` */
  x: NativeTensor;
  /** `[vocab, d]` f32 or bf16 */
  weight: NativeTensor;
  /** i32 `[n]`, -100 to ignore */
  targets: NativeTensor;
  /** f32 `[n]`; 1 for all when left out */
  tokenWeights?: NativeTensor | undefined;
  scale: number;
  needGradient: boolean;
  /** No dweight. */
  weightFrozen?: boolean | undefined;
  /** f32 `[vocab, d]` that dweight overwrites; without, it gets new memory. */
  dweightMemory?: NativeTensor | undefined;
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
  /** f32 `[vocab, d]`, added to */
  dweight?: NativeTensor | undefined;
  /** dweight is overwritten instead. */
  overwrite?: boolean | undefined;
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
  linearLogits(x: NativeTensor, weight: NativeTensor): NativeTensor;
  /** [log-probabilities, entropies] */
  linearLogProb(
    x: NativeTensor,
    weight: NativeTensor,
    targets: NativeTensor,
    temperature: number,
  ): [NativeTensor, NativeTensor];
  /** -> dx */
  linearLogProbBackward(inputs: LogProbBackwardInputs): NativeTensor;
}
