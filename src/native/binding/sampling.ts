import type { NativeTensor } from '../binding.ts';

export interface SampleInputs {
  /** `[b, V]` f32 or bf16 */
  logits: NativeTensor;
  /** 0 takes the largest logit. */
  temperature: number;
  /** Choose among this many of the most likely tokens; 0 chooses among all. */
  topK: number;
  /**
   * Choose among the fewest tokens that hold this share of the probability; 1 chooses among all.
   */
  topP: number;
  /**
   * Choose among tokens with at least this share of the largest probability; 0 chooses among all.
   */
  minP: number;
  /** 1 turns it off. */
  repetitionPenalty: number;
  /** i32 `[b, h]`: the tokens to penalise, -1 for none */
  history?: NativeTensor | undefined;
  /** i32 `[s]`: tokens that are never drawn */
  suppressed?: NativeTensor | undefined;
  /**
   * i32 `[b, ceil(V / 32)]`: only tokens whose bit is set are drawn. Bit i of word j is
   * token 32 j + i.
   */
  allowed?: NativeTensor | undefined;
  /** The random number of row i is a function of (seed, streams[i], steps[i]). */
  seed: number;
  /** i32 `[b]` */
  streams: NativeTensor;
  /** i32 `[b]` */
  steps: NativeTensor;
}

export interface SamplingBinding {
  /**
   * [tokens i32 `[b]`, logProbs f32 `[b]`], the latter under the unfiltered softmax over all V
   * tokens at that temperature, or at 1 where it is 0. ERR_NOT_FINITE names a row without a
   * distribution.
   */
  sample(inputs: SampleInputs): [NativeTensor, NativeTensor];
}
