/** Packed tokens, first as arrays of the loaders and then as tensors of a model. */
import type { GptInput } from '../nn/decoder.ts';
import { type Tensor, tensor } from '../tensor/tensor.ts';

/** Sequences end to end, in JavaScript memory. */
export interface PackedTokens {
  /** `[n]` */
  tokens: Int32Array;
  /** `[n]`: the token to predict after each; -100 where there is none. */
  targets: Int32Array;
  /** `[n]`: the place of each in its sequence, from 0. */
  positions: Int32Array;
  /** `[sequences + 1]`: where each sequence begins; the last is n. */
  cuSeqlens: Int32Array;
}

/**
 * The same sequences as tensors, which the batch owns. In a scope they are freed with the scope.
 */
export class TokenBatch implements Disposable {
  /** The input of a model's forward(). */
  readonly input: GptInput;
  /** i32 `[n]`; -100 where there is no target. */
  readonly targets: Tensor;
  /** Number of targets other than -100, over which a loss of this batch is a sum. */
  readonly countedTargets: number;
  /** Number of tokens, n. */
  readonly tokens: number;

  constructor({ tokens, targets, positions, cuSeqlens }: PackedTokens) {
    this.input = { tokens: tensor(tokens), positions: tensor(positions), cuSeqlens: tensor(cuSeqlens) };
    this.targets = tensor(targets);
    this.countedTargets = targets.reduce((count, target) => count + (target >= 0 ? 1 : 0), 0);
    this.tokens = tokens.length;
  }

  [Symbol.dispose](): void {
    const { tokens, positions, cuSeqlens } = this.input;
    for (const one of [tokens, positions, cuSeqlens, this.targets]) one.dispose();
  }
}
