/** Turns the first Ctrl-C or SIGTERM into a request to stop after the step at hand; a second one ends the process. */
export class Interrupt {
  #requested: NodeJS.Signals | undefined;
  readonly #onSignal = (signal: NodeJS.Signals) => {
    if (this.#requested) process.exit(130);
    this.#requested = signal;
    this.#notify(signal);
  };
  readonly #notify: (signal: NodeJS.Signals) => void;

  /** @param notify tells the user that the step is being finished */
  constructor(notify: (signal: NodeJS.Signals) => void) {
    this.#notify = notify;
    process.on('SIGINT', this.#onSignal);
    process.on('SIGTERM', this.#onSignal);
  }

  get requested(): boolean {
    return this.#requested !== undefined;
  }

  /** Gives the signals back to Node's default handling. */
  dispose(): void {
    process.off('SIGINT', this.#onSignal);
    process.off('SIGTERM', this.#onSignal);
  }
}
