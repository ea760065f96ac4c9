import type { NativeTensor } from '../binding.ts';

/** Logits are f32 `[b, V]`. */
export interface LogitsBinding {
  /**
   * f32 `[b, k]` for tokens i32 `[b, k]`: log-probabilities under the softmax at that temperature,
   * with the bits of the losses and of `sample`.
   */
  tokenLogProbs(logits: NativeTensor, tokens: NativeTensor, temperature: number): NativeTensor;
  /** i32 `[b, count]`: the tokens with the largest logits, the largest first. */
  topTokens(logits: NativeTensor, count: number): NativeTensor;
  /** softcap tanh(logits / softcap), with the bits of the losses. */
  capLogits(logits: NativeTensor, softcap: number): NativeTensor;
  /**
   * f32 `[b, V]`: the logits, with values f32 `[b, k]` added to tokens i32 `[b, k]`; -1 is
   * no token.
   */
  addAt(logits: NativeTensor, tokens: NativeTensor, values: NativeTensor): NativeTensor;
}
