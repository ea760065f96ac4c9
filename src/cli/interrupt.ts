/**
 * Turns the first Ctrl-C or SIGTERM into a request to stop, as an AbortSignal. A second one
 * ends the process.
 */
export class Interrupt {
  readonly #controller = new AbortController();
  readonly #notify: (signal: NodeJS.Signals) => void;
  readonly #onSignal = (signal: NodeJS.Signals) => {
    if (this.#controller.signal.aborted) process.exit(130);
    this.#notify(signal);
    this.#controller.abort();
  };

  /** @param notify tells the user what happens next */
  constructor(notify: (signal: NodeJS.Signals) => void = () => {}) {
    this.#notify = notify;
    process.on('SIGINT', this.#onSignal);
    process.on('SIGTERM', this.#onSignal);
  }

  /** Aborted after the first signal. */
  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  /** Gives the signals back to Node's default handling. */
  dispose(): void {
    process.off('SIGINT', this.#onSignal);
    process.off('SIGTERM', this.#onSignal);
  }
}
