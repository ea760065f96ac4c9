/** Packed tokens on their way from the readers of data into a model. */
import type { GptInput } from '../nn/decoder.ts';
import { type Tensor, tensor } from '../tensor/tensor.ts';

/** Sequences one after another, in JavaScript memory. */
export interface PackedTokens {
  /** `[n]` */
  tokens: Int32Array;
  /** `[n]`, the token to predict after each; -100 where there is none. */
  targets: Int32Array;
  /** `[n]`, the place of each in its sequence. */
  positions: Int32Array;
  /** `[sequences + 1]`, where each begins, and n. */
  cuSeqlens: Int32Array;
}

/** The same as a model takes it. It owns its tensors; made in a scope, it goes with the scope. */
export class TokenBatch implements Disposable {
  readonly input: GptInput;
  /** i32 `[n]`, -100 where there is none. */
  readonly targets: Tensor;
  /** Targets that count: what a loss of this batch is a sum over. */
  readonly countedTargets: number;
  /** n */
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
