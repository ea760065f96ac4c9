/** Holds the tokens of one sequence to a rule. */
import type { Tokenizer } from '../../text/tokenizer.ts';
import type { GrammarState } from './grammar.ts';
import type { Rule } from './rule.ts';
import { TokenMasks } from './token-masks.ts';
import { TokenTrie } from './token-trie.ts';

/** Decides which tokens of one sequence may be drawn next. */
export interface Constraint {
  /**
   * i32 `[ceil(vocab / 32)]`: bit i of word j stands for token 32 j + i. It must not be changed.
   */
  readonly allowed: Int32Array;
  /** Whether no token may come, so that the text ends here. */
  readonly isOver: boolean;
  /** Whether the text may end here. */
  readonly isComplete: boolean;
  /** Goes on with a token that was drawn. */
  accept(token: number): void;
}

export interface ConstraintsOptions {
  /** Rows of the model, at least as many as tokens. */
  vocabSize: number;
  /**
   * Tokens that end a text. They may come exactly where the text may end. Without any, a text ends
   * by itself where nothing can follow.
   */
  stopTokens: readonly number[];
  /** Special tokens that count as the text that they spell. Default: none. */
  textTokens?: readonly string[];
}

/** Rules whose grammars are kept. */
const MAX_GRAMMARS = 8;

/** Makes constraints over the tokens of one tokenizer, and keeps the grammars of the last rules. */
export class Constraints {
  readonly #tokenizer: Tokenizer;
  readonly #options: ConstraintsOptions;
  #trie: TokenTrie | undefined;
  readonly #masks = new Map<string, TokenMasks>();

  constructor(tokenizer: Tokenizer, options: ConstraintsOptions) {
    this.#tokenizer = tokenizer;
    this.#options = options;
  }

  /**
   * A constraint for one sequence. Throws ERR_ARGUMENT for a JSON Schema that is not valid, has a
   * keyword that is not supported, or is too large; ERR_CONFIG for a tokenizer without a token for
   * each byte of text.
   */
  of(rule: Rule): Constraint {
    const key = JSON.stringify(rule);
    let masks = this.#masks.get(key);
    if (masks === undefined) {
      this.#trie ??= new TokenTrie(this.#tokenizer, this.#options.textTokens);
      masks = new TokenMasks(rule, this.#trie, this.#options);
      const [oldest] = this.#masks.keys();
      if (this.#masks.size >= MAX_GRAMMARS) this.#masks.delete(oldest!);
    }
    // The one that was used last is the last to go.
    this.#masks.delete(key);
    this.#masks.set(key, masks);
    return new GrammarConstraint(masks);
  }
}

class GrammarConstraint implements Constraint {
  readonly #masks: TokenMasks;
  #state: GrammarState;
  #hasEnded = false;

  constructor(masks: TokenMasks) {
    this.#masks = masks;
    this.#state = masks.start;
  }

  get allowed(): Int32Array {
    return this.#masks.mask(this.#state).bits;
  }

  get isOver(): boolean {
    return this.#hasEnded || this.#masks.mask(this.#state).isEmpty;
  }

  get isComplete(): boolean {
    return this.#hasEnded || this.#state.accepts;
  }

  accept(token: number): void {
    const next = this.#masks.isStop(token) ? undefined : this.#masks.step(this.#state, token);
    if (next) this.#state = next;
    else this.#hasEnded = true;
  }
}
