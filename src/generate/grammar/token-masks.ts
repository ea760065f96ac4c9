/** The tokens that a grammar allows in each of its states. */
import { Grammar, type GrammarState } from './grammar.ts';
import type { Rule } from './rule.ts';
import type { TokenTrie } from './token-trie.ts';

export interface Mask {
  /** i32 `[ceil(vocab / 32)]` */
  readonly bits: Int32Array;
  readonly isEmpty: boolean;
}

/** Bytes of masks that are kept per grammar. */
const MAX_MASK_BYTES = 4 * 2 ** 20;

export class TokenMasks {
  readonly #grammar: Grammar;
  readonly #trie: TokenTrie;
  readonly #words: number;
  readonly #stopTokens: readonly number[];
  readonly #masks = new Map<string, Mask>();
  #byState = new WeakMap<GrammarState, Mask>();

  /** Throws as Grammar. */
  constructor(
    rule: Rule,
    trie: TokenTrie,
    { vocabSize, stopTokens }: { vocabSize: number; stopTokens: readonly number[] },
  ) {
    this.#grammar = new Grammar(rule);
    this.#trie = trie;
    this.#words = Math.ceil(vocabSize / 32);
    this.#stopTokens = stopTokens;
  }

  get start(): GrammarState {
    return this.#grammar.start;
  }

  mask(state: GrammarState): Mask {
    let mask = this.#byState.get(state);
    if (mask === undefined) {
      mask = this.#maskOf(state);
      this.#byState.set(state, mask);
    }
    return mask;
  }

  #maskOf(state: GrammarState): Mask {
    const isFull = this.#masks.size * this.#words * 4 > MAX_MASK_BYTES;
    if (this.#grammar.tidy() || isFull) {
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
