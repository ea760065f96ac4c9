/** A text is a string, read as UTF-8, or the bytes themselves. */
export type NativeText = string | Uint8Array;

/** The split pattern of GPT-2, of GPT-4 (cl100k) or of GPT-4o (o200k). */
export type SplitPattern = 'gpt2' | 'gpt4' | 'gpt4o';

export interface NativeTokenizer {
  /**
   * The ids of each text. Text that spells a special token becomes that token
   * only with allowSpecial.
   */
  encode(texts: readonly NativeText[], allowSpecial: boolean): Int32Array[];
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
  NativeTokenizer: new (
    bytes: Uint8Array,
    offsets: Uint32Array,
    kinds: Uint8Array,
    merges: Int32Array,
    pattern: SplitPattern,
    ignoreMerges: boolean,
  ) => NativeTokenizer;
  NativeTokenizerTrainer: new (
    pattern: SplitPattern,
    reserved: readonly NativeText[],
  ) => NativeTokenizerTrainer;
  /**
   * The merges behind a rank file as triples of ids; bytes and offsets as NativeTokenizer takes
   * them.
   */
  recoverMerges(bytes: Uint8Array, offsets: Uint32Array): Int32Array;
  /**
   * The last place at which a text that continues after the bytes may be cut without changing its
   * pieces, or 0.
   */
  lastCut(bytes: Uint8Array): number;
}
