/**
 * Turns the first Ctrl-C, SIGTERM or SIGHUP (a closed terminal) into a request to stop, as an
 * AbortSignal. A second Ctrl-C or SIGTERM ends the process. A second SIGHUP does not: a terminal
 * that closes often sends it twice.
 */
export class Interrupt {
  readonly #controller = new AbortController();
  readonly #notify: (signal: NodeJS.Signals) => void;
  readonly #onExit: () => void;
  readonly #signals: readonly NodeJS.Signals[];
  #wasAsked = false;
  readonly #onSignal = (signal: NodeJS.Signals) => {
    if (signal !== 'SIGHUP') {
      if (this.#wasAsked) {
        this.#onExit();
        process.exit(130);
      }
      this.#wasAsked = true;
    }
    if (this.#controller.signal.aborted) return;
    this.#notify(signal);
    this.#controller.abort();
  };

  /**
   * @param notify tells the user what happens next
   * @param onExit tells the user what is lost when the process ends at once
   * @param signals those that stop; a server has another use for SIGHUP
   */
  constructor(
    notify: (signal: NodeJS.Signals) => void = () => {},
    onExit: () => void = () => {},
    signals: readonly NodeJS.Signals[] = ['SIGINT', 'SIGTERM', 'SIGHUP'],
  ) {
    this.#signals = signals;
    this.#notify = notify;
    this.#onExit = onExit;
    for (const signal of signals) process.on(signal, this.#onSignal);
  }

  /** Aborted after the first signal. */
  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  /** Gives the signals back to Node's default handling. */
  dispose(): void {
    for (const signal of this.#signals) process.off(signal, this.#onSignal);
  }
}
