/**
 * The weight of the KL penalty: constant, or adapted to reach a target (Ziegler et al.,
 * 2019, section 2.2).
 */
import { AthanorError } from '../../base/errors.ts';
import type { JsonObject } from '../../base/json.ts';

export interface KlControllerOptions {
  /** beta at the start. */
  coef: number;
  /** Target KL per response, in nats; undefined: beta stays constant. */
  target?: number | undefined;
  /**
   * A larger horizon adapts more slowly: n responses change beta by at most 0.2 n /
   * horizon of itself.
   */
  horizon: number;
}

export class KlController {
  /** The current beta. */
  coef: number;
  readonly #start: number;
  readonly #target: number | undefined;
  readonly #horizon: number;

  /** Throws ERR_OPTION if the target is not above zero. */
  constructor({ coef, target, horizon }: KlControllerOptions) {
    if (target !== undefined && !(target > 0)) {
      throw new AthanorError(
        'ERR_OPTION',
        `\`targetKl\` is ${target}, not above zero`,
        'leave it out to keep `klCoef`',
      );
    }
    this.coef = coef;
    this.#start = coef;
    this.#target = target;
    this.#horizon = horizon;
  }

  /**
   * beta *= 1 + clip(KL / target - 1, -0.2, 0.2) * responses / horizon.
   * @param kl mean over responses of the sum over their tokens, in nats
   */
  update(kl: number, responses: number): void {
    if (this.#target === undefined) return;
    const error = Math.min(0.2, Math.max(-0.2, kl / this.#target - 1));
    this.coef *= 1 + (error * responses) / this.#horizon;
  }

  state(): JsonObject {
    return { kl_coef: this.coef, kl_start: this.#start };
  }

  /** Continues with the adapted beta, unless the run was resumed with another start. */
  restore({ kl_coef, kl_start }: JsonObject): void {
    if ((kl_start ?? this.#start) === this.#start) this.coef = kl_coef as number;
  }
}
