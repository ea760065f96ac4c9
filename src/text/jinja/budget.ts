/**
 * What a template may use up. Templates come with folders of other people: one that loops for ever,
 * or doubles a text until memory is full, ends with an error.
 */
import { BudgetError } from './errors.ts';

export interface Limits {
  /** Characters of the source. */
  source: number;
  /** Statements and expressions that are evaluated in one rendering. */
  steps: number;
  /** Characters and items that one rendering reads or makes; an item of a list counts as 8. */
  work: number;
  /** Characters of the rendered text. */
  output: number;
  /** Calls of macros and of recursive loops within each other. */
  depth: number;
}

/**
 * A dialogue of a thousand messages takes some 100,000 steps with the longest public templates. All
 * steps together take one or two seconds.
 */
export const DEFAULT_LIMITS: Limits = {
  source: 2 ** 20,
  steps: 10_000_000,
  work: 2 ** 28,
  output: 2 ** 26,
  depth: 150,
};

/** Integers beyond this size are of no use to a template, and slow. */
const LARGEST = 2n ** 16384n;

const ITEM = 8;

export class Budget {
  readonly #limits: Limits;
  #steps = 0;
  #work = 0;
  #output = 0;
  #depth = 0;

  constructor(limits: Limits) {
    this.#limits = limits;
  }

  step(): void {
    if (++this.#steps > this.#limits.steps) throw exceeded('takes', this.#limits.steps, 'steps');
  }

  /** Counts characters before they are read or made. */
  charge(characters: number): void {
    this.#work += characters;
    if (this.#work > this.#limits.work) {
      throw exceeded('reads and makes', this.#limits.work, 'characters and items');
    }
  }

  /** Counts items of lists before they are read or made. */
  chargeItems(count: number): void {
    this.charge(count * ITEM);
  }

  /** Counts text that is written, to the output or to a variable. */
  write(characters: number): void {
    this.#output += characters;
    if (this.#output > this.#limits.output) {
      throw exceeded('writes', this.#limits.output, 'characters');
    }
  }

  enter(): void {
    if (++this.#depth > this.#limits.depth) {
      throw exceeded('calls macros', this.#limits.depth, 'levels deep');
    }
  }

  leave(): void {
    this.#depth -= 1;
  }

  integer(value: bigint): bigint {
    if (value > LARGEST || value < -LARGEST) {
      throw exceeded('makes integers of', 16384, 'bits');
    }
    return value;
  }
}

export function checkSource(source: string, limits: Limits): void {
  if (source.length > limits.source) throw exceeded('has', limits.source, 'characters');
}

function exceeded(verb: string, limit: number, what: string): BudgetError {
  return new BudgetError(`it ${verb} more than ${limit.toLocaleString('en')} ${what}`);
}
