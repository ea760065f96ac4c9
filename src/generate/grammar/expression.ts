/** What a grammar is made of: terminals, one after another or to choose from. */
import type { Terminal } from './terminal.ts';

/** Expressions are compared by identity: the same object is the same expression. */
export type Expression =
  | { readonly kind: 'terminal'; readonly terminal: Terminal }
  /** One after another. */
  | { readonly kind: 'all'; readonly items: readonly Expression[] }
  /** One of them. */
  | { readonly kind: 'any'; readonly items: readonly Expression[] }
  | Later;

/**
 * An expression that is made when it is first needed, so that one may hold itself, and so that a
 * large schema costs only what a text reaches.
 */
export class Later {
  readonly kind = 'later';
  readonly #make: () => Expression;
  #made: Expression | undefined;

  constructor(make: () => Expression) {
    this.#make = make;
  }

  get expression(): Expression {
    this.#made ??= this.#make();
    return this.#made;
  }
}

export function terminal(state: Terminal): Expression {
  return { kind: 'terminal', terminal: state };
}

export function all(...items: readonly Expression[]): Expression {
  return { kind: 'all', items };
}

export function any(...items: readonly Expression[]): Expression {
  return { kind: 'any', items };
}
