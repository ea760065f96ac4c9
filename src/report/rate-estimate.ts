/** How fast work goes now, for the time left: a mean over time that forgets. */
export class RateEstimate {
  #first: number | undefined;
  #last: { done: number; at: number } | undefined;
  #work = 0;
  #seconds = 0;

  /**
   * @param done work done so far; the first call only sets the mark, so a resumed run does not
   *   count what it skipped
   * @param at milliseconds
   */
  observe(done: number, at: number): void {
    const last = this.#last;
    if (last && done === last.done) return;
    this.#first ??= at;
    this.#last = { done, at };
    // Work that starts over, another file of a list say, sets a new mark.
    if (!last || done < last.done || at <= last.at) return;
    const seconds = (at - last.at) / 1000;
    // Half of the estimate is fifteen seconds old at most, or a tenth of the run where that is
    // longer: a pause for an evaluation then hardly shows, and what the run does now still says
    // more than its start.
    const halfLife = Math.max(15, (at - this.#first) / 10_000);
    const keep = 0.5 ** (seconds / halfLife);
    this.#work = this.#work * keep + (done - last.done);
    this.#seconds = this.#seconds * keep + seconds;
  }

  /** Work a second; NaN until two marks are known. */
  get perSecond(): number {
    return this.#seconds > 0 ? this.#work / this.#seconds : Number.NaN;
  }
}
