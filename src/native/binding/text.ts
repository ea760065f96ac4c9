/** A text is a string, read as UTF-8, or the bytes themselves. */
export type NativeText = string | Uint8Array;

/** The split pattern of GPT-2, of GPT-4 (cl100k) or of GPT-4o (o200k). */
export type SplitPattern = 'gpt2' | 'gpt4' | 'gpt4o';

/** A step of normalization; native/text/normalizer.h explains the fields. */
export interface NativeNormalizerStep {
  kind: 'nfc' | 'nfd' | 'nfkc' | 'nfkd' | 'lowercase' | 'stripAccents' | 'strip' | 'replace' | 'prepend';
  pattern: string;
  literal: boolean;
  content: string;
  left: boolean;
  right: boolean;
}

/** What becomes of the matches of a step and of the text between them. */
export type SplitBehavior = 'isolated' | 'removed' | 'mergedWithPrevious' | 'mergedWithNext' | 'contiguous';

/** A step that cuts or changes pieces; native/text/pre_tokenizer.h explains the fields. */
export interface NativePieceStep {
  kind:
    | 'pattern'
    | 'regex'
    | 'literal'
    | 'numeric'
    | 'punctuation'
    | 'space'
    | 'words'
    | 'replace'
    | 'prefix'
    | 'firstPrefix'
    | 'spell';
  named: SplitPattern;
  text: string;
  content: string;
  behavior: SplitBehavior;
  invert: boolean;
}

/** A tokenizer; native/text/vocabulary.h explains the fields. */
export interface TokenizerFields {
  bytes: Uint8Array;
  offsets: Uint32Array;
  kinds: Uint8Array;
  flags: Uint8Array;
  merges: Int32Array;
  ignoreMerges: boolean;
  texts: Uint8Array;
  textOffsets: Uint32Array;
  byteFallback: boolean;
  unknown: number;
  fuseUnknown: boolean;
  normalizer: NativeNormalizerStep[];
  pieces: NativePieceStep[];
}

export interface NativeTokenizer {
  /**
   * The ids of each text. Text that spells a special token becomes that token
   * only with allowSpecial.
   */
  encode(texts: readonly NativeText[], allowSpecial: boolean): Int32Array[];
  /**
   * The ids of the one text, with tokens at given places whatever it spells elsewhere.
   * @param tokens triples: the byte at which a token begins, that at which it ends, and its id
   */
  encodeMarked(texts: readonly NativeText[], tokens: Int32Array): Int32Array;
  decode(ids: Int32Array, skipSpecial: boolean): Uint8Array;
}

export interface NativeTokenizerTrainer {
  /** Counts the words of the texts on another thread; the texts are copied before it returns. */
  count(texts: readonly NativeText[]): Promise<Int32Array>;
  /** Finds the merges on another thread and returns them in order, as pairs of ids. */
  train(tokens: number, minCount: number): Promise<Int32Array>;
  mergesDone(): number;
  cancel(): void;
}

export interface TextBinding {
  NativeTokenizer: new (fields: TokenizerFields) => NativeTokenizer;
  NativeTokenizerTrainer: new (
    pattern: SplitPattern,
    reserved: readonly NativeText[],
  ) => NativeTokenizerTrainer;
  /**
   * The merges behind a rank file as triples of ids; bytes and offsets as NativeTokenizer takes
   * them.
   */
  recoverMerges(bytes: Uint8Array, offsets: Uint32Array): Int32Array;
  /** The texts after the steps of a normalizer, as UTF-8. */
  normalizeTexts(texts: readonly NativeText[], steps: readonly NativeNormalizerStep[]): Uint8Array[];
  /**
   * The last place at which a text that continues after the bytes may be cut without changing its
   * pieces, or 0.
   */
  lastCut(bytes: Uint8Array): number;
}
