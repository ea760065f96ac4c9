/**
 * How long to train. A budget of tokens or time becomes a number of steps, for time after a few
 * measured steps. The number is saved with the run, because the learning rate schedule depends on
 * it, and with it all later bits.
 */
import { AthanorError } from '../../base/errors.ts';

export interface BudgetOptions {
  /** Number of optimizer steps. */
  steps?: number;
  /** Number of training tokens. */
  tokens?: number;
  /** Seconds of training, including evaluations and checkpoints. */
  seconds?: number;
}

/**
 * Steps to measure before a time budget becomes a number of steps. The first step also includes
 * page faults and packing.
 */
const MEASURED_STEPS = 4;

/** Throws ERR_OPTION for a budget that no training can end with. Undefined is no budget. */
function checkAmount(name: 'steps' | 'tokens' | 'seconds', value: number | undefined): void {
  if (value === undefined) return;
  const isRight = name === 'steps' ? Number.isInteger(value) : Number.isFinite(value);
  if (isRight && value > 0) return;
  const expected = name === 'steps' ? 'a whole number of at least 1' : 'a number above 0';
  throw new AthanorError('ERR_OPTION', `\`${name}\` expects ${expected} but got ${value}`);
}

export class Budget {
  #totalSteps: number | undefined;
  #seconds: number | undefined;
  readonly #startedAt = performance.now();
  #stepSeconds: number[] = [];

  /** @param tokensPerStep over all ranks and accumulated batches */
  constructor(options: BudgetOptions, tokensPerStep: number) {
    const given = [options.steps, options.tokens, options.seconds].filter((value) => value !== undefined);
    if (given.length !== 1) {
      throw new AthanorError(
        'ERR_OPTION',
        'expected exactly one of `steps`, `tokens` and `seconds`',
        'such as `steps` 1000',
      );
    }
    for (const name of ['steps', 'tokens', 'seconds'] as const) checkAmount(name, options[name]);
    if (options.steps !== undefined) this.#totalSteps = options.steps;
    if (options.tokens !== undefined)
      this.#totalSteps = Math.max(1, Math.ceil(options.tokens / tokensPerStep));
    this.#seconds = options.seconds;
  }

  /** Undefined while a time budget still measures steps. */
  get totalSteps(): number | undefined {
    return this.#totalSteps;
  }

  /** Counts what a resumed run has done, which a budget of seconds includes. */
  spend(step: number, seconds: number): void {
    if (this.#totalSteps !== undefined || this.#seconds === undefined) return;
    this.#seconds -= seconds;
    if (this.#seconds <= 0) this.#totalSteps = step;
  }

  restore(totalSteps: number | undefined): void {
    this.#totalSteps = totalSteps ?? this.#totalSteps;
  }

  /** Takes the duration of a step. After enough steps it fixes the number of steps. */
  observe(step: number, seconds: number): void {
    if (this.#totalSteps !== undefined || this.#seconds === undefined) return;
    this.#stepSeconds.push(seconds);
    if (this.#stepSeconds.length < MEASURED_STEPS) return;
    const typical = Math.min(...this.#stepSeconds.slice(1));
    const left = this.#seconds - (performance.now() - this.#startedAt) / 1000;
    // A tenth of the time is left for evaluations, samples and checkpoints.
    this.#totalSteps = step + Math.max(1, Math.floor((0.9 * left) / typical));
  }
}
