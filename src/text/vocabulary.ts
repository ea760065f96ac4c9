/**
 * A vocabulary in the form that the engine takes: the bytes and the kind of every token, and the
 * merges in the order of their rank.
 */
import { createHash } from 'node:crypto';
import { AthanorError } from '../base/errors.ts';
import type { SplitPattern } from '../native/binding/text.ts';
import { spellBytes } from './byte-level.ts';
import type { Pipeline } from './pipeline.ts';

/** How text is cut into pieces before merging; the regular expressions are in split-patterns.ts. */
export type { SplitPattern };

/** The numbers of the engine's TokenKind. A hole is an id without a token. */
export const TokenKind = { hole: 0, ordinary: 1, special: 2, added: 3 } as const;
export type TokenKind = (typeof TokenKind)[keyof typeof TokenKind];

/** Bits of `Vocabulary.flags`: how an added token is found in a text. */
export const TokenFlag = {
  /** It takes the spaces before it. */
  lstrip: 1,
  rstrip: 2,
  /** No letter or digit may stand beside it. */
  singleWord: 4,
  /** It is found in the normalized text. */
  normalized: 8,
  /** The model has it as well. */
  ofModel: 16,
} as const;

/** A vocabulary whose symbols are characters, and not bytes. */
export interface CharacterModel {
  /** The texts of all tokens in UTF-8, one after another. */
  readonly texts: Uint8Array;
  /** `[tokens + 1]`: where each token begins in `texts`. */
  readonly textOffsets: Uint32Array;
  /** Whether a character without a token becomes the tokens `<0x00>` to `<0xFF>` of its bytes. */
  readonly byteFallback: boolean;
  /** The id of such a character, or -1: then it is dropped. */
  readonly unknown: number;
  /** Whether several such characters are one token. */
  readonly fuseUnknown: boolean;
}

/** What a vocabulary has beside its tokens and merges. */
export interface VocabularySettings {
  readonly pipeline: Pipeline;
  readonly ignoreMerges: boolean;
  readonly characters?: Omit<CharacterModel, 'texts' | 'textOffsets'> | undefined;
}

export interface Vocabulary {
  /** The bytes that the tokens stand for in a text, one after another. */
  readonly bytes: Uint8Array;
  /** `[tokens + 1]`: where each token begins in `bytes`. */
  readonly offsets: Uint32Array;
  /** `[tokens]`: the TokenKind of each id. */
  readonly kinds: Uint8Array;
  /** `[tokens]`: bits of TokenFlag. */
  readonly flags: Uint8Array;
  /** Triples of ids: left, right, result. */
  readonly merges: Int32Array;
  readonly pipeline: Pipeline;
  /** Whether a piece that is a token as a whole becomes this token, whatever the merges give. */
  readonly ignoreMerges: boolean;
  /** Texts of added tokens of byte-level BPE that stand for other bytes: for their normal form. */
  readonly contents?: ReadonlyMap<number, string> | undefined;
  /** Undefined for byte-level BPE. */
  readonly characters?: CharacterModel | undefined;
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
  readonly #texts: string[] = [];
  readonly #flags: number[] = [];
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
  addWhole(
    id: number,
    text: string,
    kind: typeof TokenKind.special | typeof TokenKind.added,
    { flags = 0, bytes = utf8.encode(text) }: { flags?: number; bytes?: Uint8Array } = {},
  ): void {
    this.#add(id, text, bytes, kind);
    this.#flags[id] = flags;
  }

  build(merges: Int32Array, { pipeline, ignoreMerges, characters }: VocabularySettings): Vocabulary {
    const ids = Array.from({ length: this.size }, (_, id) => id);
    const { all: bytes, offsets } = joined(ids.map((id) => this.#bytes[id]));
    const kinds = Uint8Array.from(ids, (id) => this.#kinds[id] ?? TokenKind.hole);
    const flags = Uint8Array.from(ids, (id) => this.#flags[id] ?? 0);
    const vocabulary = { bytes, offsets, kinds, flags, merges, pipeline, ignoreMerges };
    if (characters === undefined) {
      const isOther = (id: number) => {
        const isWhole = kinds[id] === TokenKind.special || kinds[id] === TokenKind.added;
        return isWhole && Buffer.compare(utf8.encode(this.#texts[id]), this.#bytes[id]!) !== 0;
      };
      const contents = new Map(ids.filter(isOther).map((id) => [id, this.#texts[id]!]));
      return contents.size > 0 ? { ...vocabulary, contents } : vocabulary;
    }
    const texts = joined(ids.map((id) => utf8.encode(this.#texts[id] ?? '')));
    return { ...vocabulary, characters: { ...characters, texts: texts.all, textOffsets: texts.offsets } };
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
    this.#texts[id] = text;
    this.#bytes[id] = bytes;
    this.#kinds[id] = kind;
  }

  #fail(problem: string): never {
    throw new AthanorError('ERR_FORMAT', `${this.#where}: ${problem}`);
  }
}

/** Byte strings one after another, and where each begins. */
function joined(parts: readonly (Uint8Array | undefined)[]): { all: Uint8Array; offsets: Uint32Array } {
  const offsets = new Uint32Array(parts.length + 1);
  parts.forEach((part, i) => {
    offsets[i + 1] = offsets[i]! + (part?.length ?? 0);
  });
  const all = new Uint8Array(offsets[parts.length]!);
  parts.forEach((part, i) => {
    if (part) all.set(part, offsets[i]);
  });
  return { all, offsets };
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
  const { characters, contents } = vocabulary;
  const content = contents?.get(id);
  if (content !== undefined) return content;
  if (characters) {
    return utf8Decoder.decode(
      characters.texts.subarray(characters.textOffsets[id]!, characters.textOffsets[id + 1]!),
    );
  }
  return vocabulary.kinds[id] === TokenKind.ordinary ? spellBytes(bytes) : utf8Decoder.decode(bytes);
}

/** SHA-256, in hexadecimal, of everything that decides the ids of a text. */
export function fingerprint(vocabulary: Vocabulary): string {
  const { pipeline, ignoreMerges, kinds, flags, characters } = vocabulary;
  const hash = createHash('sha256');
  const arrays: (Uint8Array | Uint32Array | Int32Array)[] = [kinds, vocabulary.offsets, vocabulary.bytes];
  arrays.push(vocabulary.merges);
  // Without a normalizer it does not count which tokens are found after normalization.
  const isPlain = flags.every((bits) => (bits & ~TokenFlag.normalized) === 0);
  if (pipeline.pattern !== undefined && characters === undefined && isPlain) {
    hash.update(`athanor tokenizer 1 ${pipeline.pattern} ${ignoreMerges} ${kinds.length}\n`);
  } else {
    const { texts, textOffsets, ...model } = characters ?? {};
    const { normalizer, pieces, textStart } = pipeline;
    const settings = { normalizer, pieces, textStart, ignoreMerges, model, tokens: kinds.length };
    hash.update(`athanor tokenizer 2 ${JSON.stringify(settings)}\n`);
    arrays.push(flags, ...(texts && textOffsets ? [texts, textOffsets] : []));
  }
  for (const array of arrays) hash.update(new Uint8Array(array.buffer, array.byteOffset, array.byteLength));
  return hash.digest('hex');
}

/**
 * The vocabulary with more special tokens after the existing ids. Throws ERR_FORMAT for a text that
 * is a token already.
 */
export function withSpecialTokens(vocabulary: Vocabulary, texts: readonly string[]): Vocabulary {
  const table = new TokenTable('the tokenizer');
  for (let id = 0; id < vocabulary.kinds.length; id++) {
    const bytes = tokenBytes(vocabulary, id)?.slice();
    if (!bytes) continue;
    const kind = vocabulary.kinds[id] as TokenKind;
    const text = tokenText(vocabulary, id)!;
    if (kind === TokenKind.special || kind === TokenKind.added) {
      table.addWhole(id, text, kind, { flags: vocabulary.flags[id]!, bytes });
    } else {
      table.addOrdinary(id, bytes, text);
    }
  }
  texts.forEach((text, i) => {
    table.addWhole(vocabulary.kinds.length + i, text, TokenKind.special);
  });
  return table.build(vocabulary.merges, vocabulary);
}
