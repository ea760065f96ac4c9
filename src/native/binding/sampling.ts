import type { NativeTensor } from '../binding.ts';

export interface SamplingBinding {
  /**
   * logits [b, V] -> [tokens i32 [b], logProbs f32 [b]], the latter under the unfiltered softmax at that temperature
   * (at 1 where it is 0: greedy). topK 0, topP 1, minP 0 and repetitionPenalty 1 filter nothing. history is i32
   * [b, h], -1 for none. Row i draws by (seed, streams[i], steps[i]). ERR_NOT_FINITE names a row without a distribution.
   */
  sample(
    logits: NativeTensor,
    temperature: number,
    topK: number,
    topP: number,
    minP: number,
    repetitionPenalty: number,
    history: NativeTensor | undefined,
    seed: number,
    streams: NativeTensor,
    steps: NativeTensor,
  ): [NativeTensor, NativeTensor];
}
