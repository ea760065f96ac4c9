/**
 * A vocabulary in the form that the engine takes: the bytes and the kind of every token, and the
 * merges in the order of their rank.
 */
import { createHash } from 'node:crypto';
import { AthanorError } from '../base/errors.ts';
import type { SplitPattern } from '../native/binding/text.ts';
import { spellBytes } from './byte-level.ts';

/** How text is cut into pieces before merging; the regular expressions are in split-patterns.ts. */
export type { SplitPattern };

/** The numbers of the engine's TokenKind. A hole is an id without a token. */
export const TokenKind = { hole: 0, ordinary: 1, special: 2, added: 3 } as const;
export type TokenKind = (typeof TokenKind)[keyof typeof TokenKind];

export interface Vocabulary {
  /** The bytes of all tokens, one after another. */
  readonly bytes: Uint8Array;
  /** `[tokens + 1]`: where each token begins in `bytes`. */
  readonly offsets: Uint32Array;
  /** `[tokens]`: the TokenKind of each id. */
  readonly kinds: Uint8Array;
  /** Triples of ids: left, right, result. */
  readonly merges: Int32Array;
  readonly pattern: SplitPattern;
  /** Whether a piece that is a token as a whole becomes this token, whatever the merges give. */
  readonly ignoreMerges: boolean;
}

// Enough for any real vocabulary. A damaged id must not make the tables take gigabytes.
const MAX_TOKENS = 1 << 24;

const utf8 = new TextEncoder();

/**
 * Collects tokens by id, in any order and with gaps. Throws ERR_FORMAT for tokens that
 * contradict each other.
 */
export class TokenTable {
  readonly #where: string;
  readonly #bytes: (Uint8Array | undefined)[] = [];
  readonly #kinds: TokenKind[] = [];
  readonly #ids = new Map<string, number>();

  /** @param where begins error messages: the file, or the name of the vocabulary that is trained */
  constructor(where: string) {
    this.#where = where;
  }

  get size(): number {
    return this.#kinds.length;
  }

  /**
   * The id of a token: ordinary tokens in byte-level spelling, special and added ones as they are.
   */
  idOf(token: string): number | undefined {
    return this.#ids.get(token);
  }

  bytesOf(id: number): Uint8Array | undefined {
    return this.#bytes[id];
  }

  /** Adds a token that merges produce. */
  addOrdinary(id: number, bytes: Uint8Array, spelled = spellBytes(bytes)): void {
    this.#add(id, spelled, bytes, TokenKind.ordinary);
  }

  /** Adds a special or added token, which is found in text as a whole. */
  addWhole(id: number, text: string, kind: typeof TokenKind.special | typeof TokenKind.added): void {
    this.#add(id, text, utf8.encode(text), kind);
  }

  build(merges: Int32Array, pattern: SplitPattern, ignoreMerges: boolean): Vocabulary {
    const offsets = new Uint32Array(this.size + 1);
    for (let id = 0; id < this.size; id++) offsets[id + 1] = offsets[id]! + (this.#bytes[id]?.length ?? 0);
    const bytes = new Uint8Array(offsets[this.size]!);
    for (let id = 0; id < this.size; id++) {
      const token = this.#bytes[id];
      if (token) bytes.set(token, offsets[id]);
    }
    const kinds = Uint8Array.from({ length: this.size }, (_, id) => this.#kinds[id] ?? TokenKind.hole);
    return { bytes, offsets, kinds, merges, pattern, ignoreMerges };
  }

  #add(id: number, text: string, bytes: Uint8Array, kind: TokenKind): void {
    if (!Number.isInteger(id) || id < 0 || id >= MAX_TOKENS) {
      this.#fail(
        `the token ${JSON.stringify(text)} has the id ${id}; expected an integer from 0 to ${MAX_TOKENS - 1}`,
      );
    }
    if (text === '') this.#fail(`the token of id ${id} is empty`);
    if (/\p{Cs}/u.test(text)) this.#fail(`the token ${JSON.stringify(text)} holds half of a surrogate pair`);
    if (this.#kinds[id] !== undefined)
      this.#fail(`the id ${id} is given to two tokens, the second is ${JSON.stringify(text)}`);
    const other = this.#ids.get(text);
    if (other !== undefined) this.#fail(`the token ${JSON.stringify(text)} has two ids, ${other} and ${id}`);
    this.#ids.set(text, id);
    this.#bytes[id] = bytes;
    this.#kinds[id] = kind;
  }

  #fail(problem: string): never {
    throw new AthanorError('ERR_FORMAT', `${this.#where}: ${problem}`);
  }
}

/**
 * The bytes of a token, as a view that must not be written to. Undefined for an id without a token.
 */
export function tokenBytes(vocabulary: Vocabulary, id: number): Uint8Array | undefined {
  if (!((vocabulary.kinds[id] ?? TokenKind.hole) > TokenKind.hole)) return undefined;
  return vocabulary.bytes.subarray(vocabulary.offsets[id]!, vocabulary.offsets[id + 1]!);
}

const utf8Decoder = new TextDecoder('utf-8', { ignoreBOM: true });

/**
 * A token in the spelling of tokenizer.json: ordinary tokens byte-level, the others as they are.
 */
export function tokenText(vocabulary: Vocabulary, id: number): string | undefined {
  const bytes = tokenBytes(vocabulary, id);
  if (!bytes) return undefined;
  return vocabulary.kinds[id] === TokenKind.ordinary ? spellBytes(bytes) : utf8Decoder.decode(bytes);
}

/** SHA-256, in hexadecimal, of everything that decides the ids of a text. */
export function fingerprint(vocabulary: Vocabulary): string {
  const hash = createHash('sha256');
  hash.update(
    `athanor tokenizer 1 ${vocabulary.pattern} ${vocabulary.ignoreMerges} ${vocabulary.kinds.length}\n`,
  );
  for (const array of [vocabulary.kinds, vocabulary.offsets, vocabulary.bytes, vocabulary.merges]) {
    hash.update(new Uint8Array(array.buffer, array.byteOffset, array.byteLength));
  }
  return hash.digest('hex');
}

/**
 * The vocabulary with more special tokens after the existing ids. Throws ERR_FORMAT for a text that
 * is a token already.
 */
export function withSpecialTokens(vocabulary: Vocabulary, texts: readonly string[]): Vocabulary {
  const table = new TokenTable('the tokenizer');
  for (let id = 0; id < vocabulary.kinds.length; id++) {
    const bytes = tokenBytes(vocabulary, id);
    if (!bytes) continue;
    const kind = vocabulary.kinds[id] as TokenKind;
    if (kind === TokenKind.special || kind === TokenKind.added) {
      table.addWhole(id, utf8Decoder.decode(bytes), kind);
    } else {
      table.addOrdinary(id, bytes.slice());
    }
  }
  texts.forEach((text, i) => {
    table.addWhole(vocabulary.kinds.length + i, text, TokenKind.special);
  });
  return table.build(vocabulary.merges, vocabulary.pattern, vocabulary.ignoreMerges);
}
