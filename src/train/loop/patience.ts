/** Early stopping: counts the evaluations since the best one. */
import type { JsonObject } from '../../base/json.ts';

export class Patience {
  readonly #limit: number;
  #best: number | undefined;
  #waited = 0;

  /** @param limit stop after this many evaluations without a better score; 0: never */
  constructor(limit: number) {
    this.#limit = limit;
  }

  get exhausted(): boolean {
    return this.#limit > 0 && this.#waited >= this.#limit;
  }

  /**
   * @param score of an evaluation; lower is better, and a score that is not finite is never better
   */
  observe(score: number): void {
    if (Number.isFinite(score) && (this.#best === undefined || score < this.#best)) {
      this.#best = score;
      this.#waited = 0;
    } else {
      this.#waited += 1;
    }
  }

  state(): JsonObject {
    return { best: this.#best ?? null, waited: this.#waited };
  }

  restore(state: JsonObject): void {
    this.#best = (state.best as number | null) ?? undefined;
    this.#waited = state.waited as number;
  }
}
