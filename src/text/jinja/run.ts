/** What one rendering of a template has: its variables, its budget and the text written so far. */
import { Budget, type Limits } from './budget.ts';
import type { Value } from './values.ts';

export interface RunOptions {
  limits: Limits;
  /** Variables of the template and functions of the environment. */
  context: ReadonlyMap<string, Value>;
  /** Characters that are printed as they are where Python would spell their code. */
  verbatim: string;
  /** What strftime_now reads. */
  now: () => Date;
}

export class Run {
  readonly budget: Budget;
  readonly context: ReadonlyMap<string, Value>;
  readonly verbatim: string;
  readonly now: () => Date;
  /** Variables that the outermost scope has set: blocks read them. */
  readonly exported = new Map<string, Value>();
  /** The statement that is carried out. */
  line = 1;
  #written: string[] = [];

  constructor({ limits, context, verbatim, now }: RunOptions) {
    this.budget = new Budget(limits);
    this.context = context;
    this.verbatim = verbatim;
    this.now = now;
  }

  /** A variable of the context, or one that the outermost scope has set. */
  variable(name: string): Value | undefined {
    const own = this.exported.get(name);
    return own === undefined ? this.context.get(name) : own;
  }

  write(text: string): void {
    this.budget.write(text.length);
    this.#written.push(text);
  }

  /** The text that a function writes, which goes nowhere else. */
  capture<T>(write: () => T): { text: string; result: T } {
    const outer = this.#written;
    this.#written = [];
    try {
      const result = write();
      return { text: this.#written.join(''), result };
    } finally {
      this.#written = outer;
    }
  }
}
