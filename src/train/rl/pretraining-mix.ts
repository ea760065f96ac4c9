/**
 * PPO-ptx (Ouyang et al., 2022, equation 2): pretraining text in the updates, so that the policy
 * keeps abilities that no reward asks for. Its loss is a mean over tokens like the policy's, so the
 * coefficient does not depend on the amount of text.
 */

import type { JsonObject } from '../../base/json.ts';
import type { TokenLoader } from '../../data/shards/token-loader.ts';
import { type PackedTokens, TokenBatch } from '../../data/token-batch.ts';
import type { Gpt } from '../../nn/gpt.ts';
import type { Tensor } from '../../tensor/tensor.ts';

export class PretrainingMix {
  readonly #loader: TokenLoader;
  readonly #coef: number;

  /** @param coef weight of the loss, above 0 */
  constructor(loader: TokenLoader, coef: number) {
    this.#loader = loader;
    this.#coef = coef;
  }

  /** The text of the next batch. */
  next(): PackedTokens {
    return this.#loader.next();
  }

  /** Passes over the text of the next batch. */
  skip(): void {
    this.#loader.skip();
  }

  /**
   * coef / share times the mean next-token loss of a text, and that mean itself.
   * @param share number of batches per update
   */
  loss(model: Gpt, text: PackedTokens, share: number): { loss: Tensor; perToken: number } {
    const { input, targets, countedTargets } = new TokenBatch(text);
    const scale = this.#coef / (Math.max(1, countedTargets) * share);
    const { loss } = model.loss(input, targets, { scale });
    return { loss, perToken: (loss.item() * share) / this.#coef };
  }

  state(): JsonObject {
    return this.#loader.state();
  }

  restore(state: JsonObject): void {
    this.#loader.restore(state);
  }
}
