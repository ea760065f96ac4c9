/** The current speed of work, for estimates of the time left: a mean that forgets old values. */
export class RateEstimate {
  #first: number | undefined;
  #last: { done: number; at: number } | undefined;
  #work = 0;
  #seconds = 0;

  /**
   * @param done work done so far; the first call only sets the start, so that a resumed run does
   *   not count what it skipped
   * @param at milliseconds
   */
  observe(done: number, at: number): void {
    const last = this.#last;
    if (last && done === last.done) return;
    this.#first ??= at;
    this.#last = { done, at };
    // Work that starts again, such as the next file of a list, sets a new start.
    if (!last || done < last.done || at <= last.at) return;
    const seconds = (at - last.at) / 1000;
    // The half-life is fifteen seconds, or a tenth of the run if that is longer. So a pause for an
    // evaluation hardly shows, and the present counts more than the start.
    const halfLife = Math.max(15, (at - this.#first) / 10_000);
    const keep = 0.5 ** (seconds / halfLife);
    this.#work = this.#work * keep + (done - last.done);
    this.#seconds = this.#seconds * keep + seconds;
  }

  /** Work per second; NaN after fewer than two calls. */
  get perSecond(): number {
    return this.#seconds > 0 ? this.#work / this.#seconds : Number.NaN;
  }
}
