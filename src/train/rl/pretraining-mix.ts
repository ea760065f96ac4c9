/**
 * PPO-ptx (Ouyang et al., 2022, equation 2): pretraining text beside the rollouts, so that the
 * policy keeps abilities that no reward asks for. Its loss is a mean over tokens, as the policy's
 * is, so the coefficient does not depend on the amount of text.
 */

import type { JsonObject } from '../../base/json.ts';
import type { LoaderState, TokenLoader } from '../../data/shards/token-loader.ts';
import type { Gpt } from '../../nn/gpt.ts';
import { type Tensor, tensor } from '../../tensor/tensor.ts';

export class PretrainingMix {
  readonly #loader: TokenLoader;
  readonly #coef: number;

  /** @param coef weight of the loss, above 0 */
  constructor(loader: TokenLoader, coef: number) {
    this.#loader = loader;
    this.#coef = coef;
  }

  /**
   * coef / share times the mean next-token loss of the next batch, and that mean itself.
   * @param share batches of one update
   */
  loss(model: Gpt, share: number): { loss: Tensor; perToken: number } {
    const batch = this.#loader.next();
    const counted = batch.targets.reduce((count, target) => count + (target >= 0 ? 1 : 0), 0);
    const input = {
      tokens: tensor(batch.tokens),
      positions: tensor(batch.positions),
      cuSeqlens: tensor(batch.cuSeqlens),
    };
    const scale = this.#coef / (Math.max(1, counted) * share);
    const { loss } = model.loss(input, tensor(batch.targets), { scale });
    return { loss, perToken: (loss.item() * share) / this.#coef };
  }

  state(): JsonObject {
    return { ...this.#loader.state() };
  }

  restore(state: JsonObject): void {
    this.#loader.restore(state as unknown as LoaderState);
  }
}
