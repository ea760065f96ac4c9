/**
 * How long to train. A budget of passes, tokens or time becomes a number of steps, for time after a
 * few measured steps. The number is saved with the run, because the learning rate schedule depends
 * on it, and with it all later bits.
 */
import { AthanorError } from '../../base/errors.ts';

export interface BudgetOptions {
  /** Number of optimizer steps. */
  steps?: number;
  /** Number of training tokens. */
  tokens?: number;
  /** Number of passes, such as epochs or rollouts. May be a fraction. */
  passes?: number;
  /** Seconds of training, including evaluations and checkpoints. */
  seconds?: number;
}

/** The steps that the units of a budget take in a run. */
export interface StepRates {
  /** Tokens of one step, over all ranks and accumulated batches. */
  tokensPerStep: number;
  /** Steps of one pass, which may be a fraction; undefined for a stage without passes. */
  stepsPerPass?: number | undefined;
}

/** What a resumed run has done. */
export interface WorkDone {
  step: number;
  tokens: number;
  /** Undefined for a stage without passes. */
  passes: number | undefined;
  seconds: number;
}

/**
 * Steps to measure before a time budget becomes a number of steps. The first step also includes
 * page faults and packing.
 */
const MEASURED_STEPS = 4;

const units = ['steps', 'tokens', 'passes', 'seconds'] as const;
/** More than the rounding errors of a number of steps. */
const ROUNDING = 1e-6;

/** Throws ERR_OPTION for a budget that no training can end with. Undefined is no budget. */
function checkAmount(name: (typeof units)[number], value: number | undefined): void {
  if (value === undefined) return;
  const isRight = name === 'steps' ? Number.isInteger(value) : Number.isFinite(value);
  if (isRight && value > 0) return;
  const expected = name === 'steps' ? 'a whole number of at least 1' : 'a number above 0';
  throw new AthanorError('ERR_OPTION', `\`${name}\` expects ${expected} but got ${value}`);
}

export class Budget {
  #totalSteps: number | undefined;
  #seconds: number | undefined;
  readonly #options: BudgetOptions;
  readonly #rates: StepRates;
  readonly #startedAt = performance.now();
  #stepSeconds: number[] = [];

  constructor(options: BudgetOptions, rates: StepRates) {
    const given = units.filter((unit) => options[unit] !== undefined);
    if (given.length !== 1) {
      throw new AthanorError(
        'ERR_OPTION',
        'expected exactly one of `steps`, `tokens`, `passes` and `seconds`',
        'such as `steps` 1000',
      );
    }
    for (const unit of units) checkAmount(unit, options[unit]);
    if (options.passes !== undefined && rates.stepsPerPass === undefined) {
      throw new AthanorError(
        'ERR_OPTION',
        'the stage does not say how many steps a pass takes',
        'give `steps`',
      );
    }
    this.#options = options;
    this.#rates = rates;
    this.#totalSteps = options.steps ?? this.#stepsAfter({ step: 0, tokens: 0, passes: 0 });
    this.#seconds = options.seconds;
  }

  /** Steps at which a budget of tokens or passes is used up; undefined for others. */
  #stepsAfter({ step, tokens, passes = 0 }: Omit<WorkDone, 'seconds'>): number | undefined {
    const { tokensPerStep, stepsPerPass = 1 } = this.#rates;
    const { tokens: allTokens, passes: allPasses } = this.#options;
    let left: number;
    if (allTokens !== undefined) left = (allTokens - tokens) / tokensPerStep;
    else if (allPasses !== undefined) left = (allPasses - passes) * stepsPerPass;
    else return undefined;
    return Math.max(1, step + Math.ceil(left - ROUNDING));
  }

  /** Undefined while a time budget still measures steps. */
  get totalSteps(): number | undefined {
    return this.#totalSteps;
  }

  /** Leaves what remains of the budget to a resumed run, in steps of its present size. */
  spend(done: WorkDone): void {
    this.#totalSteps = this.#stepsAfter(done) ?? this.#totalSteps;
    if (this.#totalSteps !== undefined || this.#seconds === undefined) return;
    this.#seconds -= done.seconds;
    if (this.#seconds <= 0) this.#totalSteps = done.step;
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
