/**
 * Waits for the calls of a reward function, with a limit. The clock starts again whenever a call
 * begins or ends: a slow service may take its time for many answers, but not for one.
 */
import type { CallListener, Outcome } from './reward-calls.ts';

/** A call without a reward. */
export interface FailedCall {
  index: number;
  problem: string;
}

export class RewardWatch implements CallListener {
  /** The rewards, or the first call that has none. Never rejects, unless abort() is called. */
  readonly result: Promise<Float32Array | FailedCall>;
  readonly #rewards: Float32Array;
  readonly #pending = new Set<number>();
  #seconds: number;
  readonly #failing: string;
  #timer: NodeJS.Timeout;
  readonly #resolve: (result: Float32Array | FailedCall) => void;
  readonly #reject: (error: Error) => void;
  #begun = 0;
  #isOver = false;
  #missing: number;

  /**
   * @param seconds limit of one call
   * @param failing what a call that is late has not done
   */
  constructor(count: number, seconds: number, failing = 'gave no reward') {
    this.#failing = failing;
    this.#rewards = new Float32Array(count);
    this.#missing = count;
    this.#seconds = seconds;
    const { promise, resolve, reject } = withResolvers<Float32Array | FailedCall>();
    this.result = promise;
    this.#resolve = resolve;
    this.#reject = reject;
    // A timer, also because a process that waits for a promise alone ends in silence.
    this.#timer = this.#start();
    if (count === 0) this.#finish(this.#rewards);
  }

  #start(): NodeJS.Timeout {
    return setTimeout(() => this.#late(), Math.min(this.#seconds * 1000, MAX_TIMER_MS));
  }

  /** Lowers the limit of the calls from now on. */
  hurry(seconds: number): void {
    if (this.#isOver || seconds >= this.#seconds) return;
    this.#seconds = seconds;
    clearTimeout(this.#timer);
    this.#timer = this.#start();
  }

  begin(index: number): void {
    if (this.#isOver) return;
    this.#begun = index + 1;
    this.#pending.add(index);
    this.#timer.refresh();
  }

  end(index: number, outcome: Outcome): void {
    if (this.#isOver) return;
    this.#pending.delete(index);
    this.#timer.refresh();
    if ('problem' in outcome) {
      this.#finish({ index, ...outcome });
      return;
    }
    this.#rewards[index] = outcome.reward;
    this.#missing -= 1;
    if (this.#missing === 0) this.#finish(this.#rewards);
  }

  /** Ends the wait with an error. */
  abort(error: Error): void {
    this.#stop();
    this.#reject(error);
  }

  #late(): void {
    // While calls still begin in turn, the last one holds up the others; later the oldest is late.
    const isBlocked = this.#begun < this.#rewards.length;
    const index = isBlocked ? Math.max(0, this.#begun - 1) : Math.min(...this.#pending);
    this.#finish({
      index,
      problem: `${this.#failing} within ${this.#seconds} ${this.#seconds === 1 ? 'second' : 'seconds'}`,
    });
  }

  #finish(result: Float32Array | FailedCall): void {
    this.#stop();
    this.#resolve(result);
  }

  #stop(): void {
    this.#isOver = true;
    clearTimeout(this.#timer);
  }
}

/** The longest time of a timer, some 24 days. */
const MAX_TIMER_MS = 2 ** 31 - 1;

function withResolvers<T>() {
  let resolve!: (value: T) => void;
  let reject!: (error: Error) => void;
  const promise = new Promise<T>((done, fail) => {
    resolve = done;
    reject = fail;
  });
  return { promise, resolve, reject };
}
