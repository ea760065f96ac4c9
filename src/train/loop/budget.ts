/**
 * How long to train. A budget of tokens or time becomes a number of steps (time after a few
 * measured ones), which is saved with the run: the learning-rate schedule, and so every later bit,
 * depends on it.
 */
import { AthanorError } from '../../base/errors.ts';

export interface BudgetOptions {
  /** Optimizer steps in all. */
  steps?: number;
  /** Training tokens in all. */
  tokens?: number;
  /** Seconds of training, evaluation and checkpoints included. */
  seconds?: number;
}

/**
 * Steps measured before a time budget is turned into steps; the first also pays for page
 * faults and packing.
 */
const MEASURED_STEPS = 4;

export class Budget {
  #totalSteps: number | undefined;
  readonly #seconds: number | undefined;
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
    if (options.steps !== undefined) this.#totalSteps = options.steps;
    if (options.tokens !== undefined)
      this.#totalSteps = Math.max(1, Math.ceil(options.tokens / tokensPerStep));
    this.#seconds = options.seconds;
  }

  /** Undefined while a time budget is still being measured. */
  get totalSteps(): number | undefined {
    return this.#totalSteps;
  }

  restore(totalSteps: number | undefined): void {
    this.#totalSteps = totalSteps ?? this.#totalSteps;
  }

  /** Tells how long a step took; fixes the number of steps once enough are known. */
  observe(step: number, seconds: number): void {
    if (this.#totalSteps !== undefined || this.#seconds === undefined) return;
    this.#stepSeconds.push(seconds);
    if (this.#stepSeconds.length < MEASURED_STEPS) return;
    const typical = Math.min(...this.#stepSeconds.slice(1));
    const left = this.#seconds - (performance.now() - this.#startedAt) / 1000;
    // Evaluation, samples and checkpoints take their share too.
    this.#totalSteps = step + Math.max(1, Math.floor((0.9 * left) / typical));
  }
}
