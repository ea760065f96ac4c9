/** What one rendering of a template has: its variables, its budget and the text written so far. */
import { Budget, type Limits } from './budget.ts';
import type { Marks } from './marks.ts';
import type { Value } from './values.ts';

export interface RunOptions {
  limits: Limits;
  /** Variables of the template and functions of the environment. */
  context: ReadonlyMap<string, Value>;
  marks: Marks;
  /** What strftime_now reads. */
  now: () => Date;
  /** The messages of a dialogue with their numbers, from 0. */
  turns?: ReadonlyMap<Value, number>;
}

/** Part of a text, from `begin` to before `end`. */
export interface Span {
  begin: number;
  end: number;
}

/** What the rounds of a loop wrote for one message. */
export interface TurnSpan extends Span {
  turn: number;
}

export class Run {
  readonly budget: Budget;
  readonly context: ReadonlyMap<string, Value>;
  readonly #marks: Marks;
  readonly now: () => Date;
  /** Variables that the outermost scope has set: blocks read them. */
  readonly exported = new Map<string, Value>();
  /** The statement that is carried out. */
  line = 1;
  #written: string[] = [];
  #length = 0;
  #depth = 0;
  /** Where generation blocks have written into the text itself, in its units. */
  readonly generations: Span[] = [];
  /** Where loops over the messages have written into the text itself, in its units. */
  readonly turnSpans: TurnSpan[] = [];
  readonly #turns: ReadonlyMap<Value, number>;
  #isInTurn = false;

  constructor({ limits, context, marks, now, turns = new Map() }: RunOptions) {
    this.#turns = turns;
    this.budget = new Budget(limits);
    this.context = context;
    this.#marks = marks;
    this.now = now;
  }

  /** A text without marks: what it says. */
  plain(text: string): string {
    return this.#marks.plain(text);
  }

  /** A text with the marks of whole control tokens only. */
  whole(text: string): string {
    return this.#marks.whole(text);
  }

  /** A text whose quotes and backslashes are not marked, so that they can be escaped. */
  withPlainQuotes(text: string): string {
    return text.replace(/\p{Surrogate}/gu, (mark) => {
      const character = this.plain(mark);
      return /["'\\]/.test(character) ? character : mark;
    });
  }

  isMark(character: string): boolean {
    return this.#marks.characters.includes(character);
  }

  /** A variable of the context, or one that the outermost scope has set. */
  variable(name: string): Value | undefined {
    const own = this.exported.get(name);
    return own === undefined ? this.context.get(name) : own;
  }

  write(text: string): void {
    this.budget.write(text.length);
    this.#written.push(text);
    this.#length += text.length;
  }

  /** Carries out a generation block. One whose text goes elsewhere first has no place. */
  generation<T>(write: () => T): T {
    const begin = this.#length;
    const result = write();
    if (this.#depth === 1) this.generations.push({ begin, end: this.#length });
    return result;
  }

  /** Carries out a round of a loop. Rounds inside of a message's round belong to that message. */
  round<T>(item: Value, write: () => T): T {
    const turn = this.#turns.get(item);
    if (turn === undefined || this.#isInTurn || this.#depth !== 1) return write();
    const begin = this.#length;
    this.#isInTurn = true;
    const result = write();
    this.#isInTurn = false;
    if (this.#length > begin) this.turnSpans.push({ turn, begin, end: this.#length });
    return result;
  }

  /** The text that a function writes, which goes nowhere else. */
  capture<T>(write: () => T): { text: string; result: T } {
    const [outer, length] = [this.#written, this.#length];
    this.#written = [];
    this.#length = 0;
    this.#depth += 1;
    try {
      const result = write();
      return { text: this.#written.join(''), result };
    } finally {
      this.#written = outer;
      this.#length = length;
      this.#depth -= 1;
    }
  }
}
