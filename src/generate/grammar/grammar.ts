/**
 * A grammar as an automaton over bytes with a stack. A text may be in several places of it at the
 * same time, such as in two schemas of `anyOf`. The set of these places is one state, which is made
 * when a text first reaches it and then kept, with the states that bytes lead to. So a step through
 * a known state is one look-up.
 *
 * Every state has a way to the end of a text, because what has none is never made.
 */
import type { Expression } from './expression.ts';
import { type Rule, ruleExpression } from './rule.ts';
import { Budget, type Terminal } from './terminal.ts';

/** Units of work that making a grammar may take: about 0.1 seconds. */
export const GRAMMAR_UNITS = 200_000;
/**
 * Places at the same time. What exceeds them is dropped, always the same, which leaves fewer texts
 * but no wrong ones.
 */
const MAX_PLACES = 32;
/** States that are kept. Beyond, all are forgotten and made again. */
const MAX_STATES = 4_000;

/** What follows a place: expressions, the next one first. */
class Stack {
  readonly expression: Expression;
  readonly below: Stack | undefined;
  readonly id: number;
  /** Stacks on this one, so that equal stacks are the same object. */
  readonly above = new Map<Expression, Stack>();

  constructor(expression: Expression, below: Stack | undefined, id: number) {
    this.expression = expression;
    this.below = below;
    this.id = id;
  }
}

interface Place {
  readonly terminal: Terminal;
  readonly below: Stack | undefined;
}

/** Where a text is. */
export class GrammarState {
  readonly places: readonly Place[];
  /** Whether the text may end here. */
  readonly accepts: boolean;
  /** What each byte leads to: null where it does not fit, undefined where that is not yet known. */
  readonly next: (GrammarState | null | undefined)[] = new Array(256).fill(undefined);

  /** As of terminals: the largest room of a place. */
  readonly room: number;

  constructor(places: readonly Place[], accepts: boolean) {
    this.places = places;
    this.accepts = accepts;
    this.room = places.reduce((most, { terminal }) => Math.max(most, terminal.room ?? 0), 0);
  }
}

export class Grammar {
  readonly #root: Expression;
  #states = new Map<string, GrammarState>();
  #terminals = new Map<Terminal, number>();
  #bottom = new Map<Expression, Stack>();
  #stacks = 0;
  #start: GrammarState | undefined;

  /**
   * Throws ERR_ARGUMENT for a schema that is not valid or not supported, and for one that is too
   * large.
   */
  constructor(rule: Rule) {
    this.#root = ruleExpression(rule, new Budget(GRAMMAR_UNITS));
  }

  /** The state before a text. */
  get start(): GrammarState {
    this.#start ??= this.#stateAfter([[this.#root, undefined]]);
    return this.#start;
  }

  /** Number of states that are kept. */
  get size(): number {
    return this.#states.size;
  }

  /** Forgets the states. Those that are still in use go on as before. */
  forget(): void {
    this.#states = new Map();
    this.#terminals = new Map();
    this.#bottom = new Map();
    this.#start = undefined;
  }

  /** Forgets the states if there are very many. Returns whether it did; numbers begin anew then. */
  tidy(): boolean {
    if (this.#states.size <= MAX_STATES) return false;
    this.forget();
    return true;
  }

  /** The state after a byte; undefined where the byte does not fit. */
  step(state: GrammarState, byte: number): GrammarState | undefined {
    let next = state.next[byte];
    if (next === undefined) {
      next = this.#stepNew(state, byte);
      state.next[byte] = next;
    }
    return next ?? undefined;
  }

  /** A number for each terminal. */
  idOf(terminal: Terminal): number {
    let id = this.#terminals.get(terminal);
    if (id === undefined) {
      id = this.#terminals.size;
      this.#terminals.set(terminal, id);
    }
    return id;
  }

  #stepNew(state: GrammarState, byte: number): GrammarState | null {
    const after: [Terminal, Stack | undefined][] = [];
    for (const { terminal, below } of state.places) {
      const next = terminal.step(byte);
      if (next) after.push([next, below]);
    }
    if (after.length === 0) return null;
    return this.#stateAfter(after.map(([terminal, below]) => [{ kind: 'terminal', terminal }, below]));
  }

  /** Finds the places where expressions begin. */
  #stateAfter(begun: readonly (readonly [Expression, Stack | undefined])[]): GrammarState {
    const places: Place[] = [];
    const seen = new Set<string>();
    let accepts = false;
    const opened = new Map<Expression, Set<Stack | undefined>>();
    // The last one is opened first, so that the order of alternatives is kept.
    const open: (readonly [Expression | undefined, Stack | undefined])[] = [...begun].reverse();
    for (let top = open.pop(); top; top = open.pop()) {
      const [expression, below] = top;
      if (expression === undefined) {
        if (below === undefined) accepts = true;
        else open.push([below.expression, below.below]);
        continue;
      }
      if (expression.kind === 'later') {
        open.push([expression.expression, below]);
        continue;
      }
      if (expression.kind === 'terminal') {
        const { terminal } = expression;
        const key = this.#key(terminal, below);
        if (seen.has(key)) continue;
        seen.add(key);
        if (terminal.accepts) open.push([terminal.after, below]);
        if (terminal.goesOn && places.length < MAX_PLACES) places.push({ terminal, below });
        continue;
      }
      const known = opened.get(expression) ?? new Set();
      if (known.has(below)) continue;
      opened.set(expression, known.add(below));
      if (expression.kind === 'any') {
        for (const item of [...expression.items].reverse()) open.push([item, below]);
      } else {
        const [first, ...rest] = expression.items;
        open.push([first, rest.reduceRight((stack, item) => this.#push(item, stack), below)]);
      }
    }
    const key = `${[...seen].join(' ')} ${accepts}`;
    let state = this.#states.get(key);
    if (state === undefined) {
      state = new GrammarState(places, accepts);
      this.#states.set(key, state);
    }
    return state;
  }

  #key(terminal: Terminal, below: Stack | undefined): string {
    return `${this.idOf(terminal)}.${below?.id ?? ''}`;
  }

  #push(expression: Expression, below: Stack | undefined): Stack {
    const above = below?.above ?? this.#bottom;
    let stack = above.get(expression);
    if (stack === undefined) {
      stack = new Stack(expression, below, this.#stacks++);
      above.set(expression, stack);
    }
    return stack;
  }
}
