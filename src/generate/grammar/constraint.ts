/** Holds the tokens of one sequence to a grammar. */
import { Grammar, type GrammarState } from './grammar.ts';
import type { Rule } from './rule.ts';
import { TokenTrie } from './token-trie.ts';

/** Decides which tokens may be drawn next. A batch asks it before each draw. */
export interface Constraint {
  /** i32 `[ceil(vocab / 32)]`: bit i of word j stands for token 32 j + i. It is not changed. */
  readonly allowed: Int32Array;
  /** Whether no token may come, so that the text ends here. */
  readonly isOver: boolean;
  /** Whether the text may end here. */
  readonly isComplete: boolean;
  /** Goes on with a token that was drawn. */
  accept(token: number): void;
}

interface Mask {
  readonly bits: Int32Array;
  readonly isEmpty: boolean;
}

/** Bytes of masks that are kept per grammar. */
const MAX_MASK_BYTES = 8 * 2 ** 20;

export interface TokenGrammarOptions {
  /** Rows of the model, at least as many as tokens. */
  vocabSize: number;
  /** Tokens that end a text. They may come exactly where the text may end. */
  stopTokens: readonly number[];
}

/** A grammar over the tokens of one vocabulary, with the masks of the states that were reached. */
export class TokenGrammar {
  readonly #grammar: Grammar;
  readonly #trie: TokenTrie;
  readonly #words: number;
  readonly #stopTokens: readonly number[];
  readonly #masks = new Map<string, Mask>();
  #byState = new WeakMap<GrammarState, Mask>();

  /** Throws as Grammar. */
  constructor(rule: Rule, trie: TokenTrie, { vocabSize, stopTokens }: TokenGrammarOptions) {
    this.#grammar = new Grammar(rule);
    this.#trie = trie;
    this.#words = Math.ceil(vocabSize / 32);
    this.#stopTokens = stopTokens;
  }

  /** A constraint for one sequence. */
  constraint(): Constraint {
    return new GrammarConstraint(this);
  }

  get start(): GrammarState {
    return this.#grammar.start;
  }

  /** The tokens that may come at a state. */
  mask(state: GrammarState): Mask {
    let mask = this.#byState.get(state);
    if (mask === undefined) {
      mask = this.#maskOf(state);
      this.#byState.set(state, mask);
    }
    return mask;
  }

  #maskOf(state: GrammarState): Mask {
    if (this.#grammar.tidy() || this.#masks.size * this.#words * 4 > MAX_MASK_BYTES) {
      this.#masks.clear();
      this.#byState = new WeakMap();
    }
    const key = this.#keyOf(state);
    const known = this.#masks.get(key);
    if (known) return known;
    const bits = new Int32Array(this.#words);
    this.#trie.allow(this.#grammar, state, bits);
    if (state.accepts) for (const token of this.#stopTokens) bits[token >> 5]! |= 1 << (token & 31);
    const mask = { bits, isEmpty: bits.every((word) => word === 0) };
    this.#masks.set(key, mask);
    return mask;
  }

  /** Equal for states that no token can tell apart. */
  #keyOf({ places, accepts }: GrammarState): string {
    const { longest } = this.#trie;
    const keys = places.map(({ terminal, below }) => {
      const inner = terminal.keyWithin?.(longest) ?? this.#grammar.idOf(terminal);
      return `${inner}.${below?.id ?? ''}`;
    });
    return `${keys.join(';')} ${accepts}`;
  }

  /** The state after a token; undefined where it does not fit. */
  step(state: GrammarState, token: number): GrammarState | undefined {
    let next: GrammarState | undefined = state;
    for (const byte of this.#trie.bytesOf(token) ?? []) {
      next = next && this.#grammar.step(next, byte);
    }
    return next;
  }

  isStop(token: number): boolean {
    return this.#stopTokens.includes(token);
  }
}

class GrammarConstraint implements Constraint {
  readonly #grammar: TokenGrammar;
  #state: GrammarState;
  #hasEnded = false;

  constructor(grammar: TokenGrammar) {
    this.#grammar = grammar;
    this.#state = grammar.start;
  }

  get allowed(): Int32Array {
    return this.#grammar.mask(this.#state).bits;
  }

  get isOver(): boolean {
    return this.#hasEnded || this.#grammar.mask(this.#state).isEmpty;
  }

  get isComplete(): boolean {
    return this.#hasEnded || this.#state.accepts;
  }

  accept(token: number): void {
    if (this.#grammar.isStop(token)) {
      this.#hasEnded = true;
      return;
    }
    const next = this.#grammar.step(this.#state, token);
    if (next) this.#state = next;
    else this.#hasEnded = true;
  }
}

