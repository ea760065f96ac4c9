import { AthanorError } from '../base/errors.ts';
import type { AsciiTokens } from './ascii-tokens.ts';
import { droppedAtStart } from './decode-characters.ts';
import { TokenKind, tokenBytes, type Vocabulary } from './vocabulary.ts';

/**
 * Decodes ids one at a time. A character whose bytes are spread over several tokens comes out with
 * the last of them. Bytes that are not UTF-8 become U+FFFD, as in TextDecoder.
 */
export class StreamDecoder {
  readonly #vocabulary: Vocabulary;
  readonly #skipSpecial: boolean;
  readonly #kept: ReadonlySet<number>;
  readonly #ascii: AsciiTokens;
  #begun = false;
  /** Whether the decoder may hold the beginning of a character. */
  #isOpen = false;
  readonly #decoder = new TextDecoder('utf-8', { ignoreBOM: true });

  /** @param kept special tokens that are not skipped */
  constructor(
    vocabulary: Vocabulary,
    ascii: AsciiTokens,
    skipSpecial = false,
    kept: ReadonlySet<number> = new Set(),
  ) {
    this.#vocabulary = vocabulary;
    this.#ascii = ascii;
    this.#skipSpecial = skipSpecial;
    this.#kept = kept;
  }

  /**
   * The text that this id completes; it is often empty, and always for an id without a token.
   * Throws ERR_ARGUMENT for a number that is no id.
   */
  push(id: number): string {
    if (!(id >= 0 && id === (id | 0))) {
      throw new AthanorError('ERR_ARGUMENT', `expected an id to be 0 or a positive integer, not ${id}`);
    }
    // What a token loses at the beginning of a text is decided below.
    const plain = this.#begun && !this.#isOpen ? this.#ascii.textOf(id) : undefined;
    if (plain !== undefined) return plain;
    const bytes = tokenBytes(this.#vocabulary, id);
    if (!bytes) return '';
    const isSpecial = this.#vocabulary.kinds[id] === TokenKind.special;
    if (this.#skipSpecial && isSpecial && !this.#kept.has(id)) return '';
    const dropped = this.#begun ? 0 : droppedAtStart(this.#vocabulary, id);
    this.#begun = true;
    if (bytes.length > 0) this.#isOpen = bytes.at(-1)! >= 0x80;
    return this.#decoder.decode(bytes.subarray(dropped), { stream: true });
  }

  /**
   * Ends the text: U+FFFD if the last character is incomplete, else nothing. The decoder may
   * be used again.
   */
  end(): string {
    this.#begun = false;
    this.#isOpen = false;
    return this.#decoder.decode();
  }
}
