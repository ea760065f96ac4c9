import type { NativeTensor } from '../binding.ts';

export interface SampleInputs {
  /** `[b, V]` f32 or bf16 */
  logits: NativeTensor;
  /** 0: the largest logit. */
  temperature: number;
  /** 0: all. */
  topK: number;
  /** 1: all. */
  topP: number;
  /** 0: all. */
  minP: number;
  /** 1: none. */
  repetitionPenalty: number;
  /** i32 `[b, h]`: the tokens to penalise, -1 for none */
  history?: NativeTensor | undefined;
  /** Row i draws by (seed, streams[i], steps[i]); both i32 `[b]`. */
  seed: number;
  streams: NativeTensor;
  steps: NativeTensor;
}

export interface SamplingBinding {
  /**
   * [tokens i32 `[b]`, logProbs f32 `[b]`], the latter under the unfiltered softmax at that
   * temperature, or at 1 where it is 0. ERR_NOT_FINITE names a row without a distribution.
   */
  sample(inputs: SampleInputs): [NativeTensor, NativeTensor];
}
